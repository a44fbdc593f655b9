import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FileRecord } from './fileRecord.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-record-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const text = (record: FileRecord, from = 0): string =>
  record
    .read(from, 1e9)
    .map(({ data }) => Buffer.from(data).toString())
    .join('');

it('keeps what was written, by stream and offset, also for the next process', () => {
  const record = new FileRecord(dir, 1e6);
  record.append('stdout', Buffer.from('one '), 1);
  record.append('stderr', Buffer.from('two '), 2);
  record.append('stdout', Buffer.from('three'), 3);
  record.dispose();
  const next = new FileRecord(dir, 1e6);
  expect(next.streamEnds).toEqual({ stdout: 9, stderr: 4 });
  expect(
    next.read(5, 4).map(({ offset, stream, data }) => [offset, stream, Buffer.from(data).toString()]),
  ).toEqual([
    [5, 'stderr', 'wo '],
    [8, 'stdout', 't'],
  ]);
  expect(next.offsetAt(3)).toBe(8);
  next.dispose();
});

it('cuts off what a crash has torn, and goes on', () => {
  const record = new FileRecord(dir, 1e6);
  record.append('stdout', Buffer.from('whole'), 1);
  record.dispose();
  appendFileSync(join(dir, readdirSync(dir)[0] ?? ''), Buffer.alloc(20, 1));
  const next = new FileRecord(dir, 1e6);
  next.append('stdout', Buffer.from(' again'), 2);
  expect(text(next)).toBe('whole again');
  next.dispose();
  const last = new FileRecord(dir, 1e6);
  expect(text(last)).toBe('whole again');
  last.dispose();
});

it('drops the oldest, and still knows how much there was', () => {
  const record = new FileRecord(dir, 64 * 1024);
  for (let index = 0; index < 100; index += 1)
    record.append('stdout', Buffer.alloc(4_000, 65 + (index % 26)), index);
  expect(record.end).toBe(400_000);
  expect(record.end - record.start).toBeLessThanOrEqual(64 * 1024);
  expect(record.read(0, 10)[0]?.offset).toBe(record.start);
  record.dispose();
  const next = new FileRecord(dir, 64 * 1024);
  expect(next.streamEnds).toEqual({ stdout: 400_000, stderr: 0 });
  next.dispose();
});

it('lets go of everything, and goes on at the same offset', () => {
  const record = new FileRecord(dir, 1e6);
  record.append('stdout', Buffer.from('before'), 1);
  record.append('stderr', Buffer.from('too'), 1);
  record.clear();
  record.clear();
  expect([record.start, record.end, text(record)]).toEqual([9, 9, '']);
  record.append('stdout', Buffer.from('after'), 2);
  record.dispose();
  expect(readdirSync(dir)).toHaveLength(1);
  const next = new FileRecord(dir, 1e6);
  expect([next.start, next.streamEnds, text(next)]).toEqual([9, { stdout: 11, stderr: 3 }, 'after']);
  next.dispose();
});
