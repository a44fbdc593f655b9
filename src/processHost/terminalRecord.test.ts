import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { listSegments, readPreamble, readResizes, readSegments, recordEnd } from './recordFiles.ts';
import { type RecordIo, TerminalRecord } from './terminalRecord.ts';

const dirs: string[] = [];

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ow-record-'));
  dirs.push(dir);
  return dir;
}

afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Byte at an offset: no period that a segment could hide. */
const byteAt = (offset: number): number => (offset * 31 + (offset >> 8) * 17 + (offset >> 16)) & 0xff;
const output = (from: number, length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, index) => byteAt(from + index)));

/** Reads as a follower does, and checks each byte. @returns the gaps. */
function readAll(record: TerminalRecord, from: number, step: number): [number, number][] {
  const gaps: [number, number][] = [];
  let position = from;
  while (position < record.end) {
    const { from: start, data } = record.read(position, step);
    if (start > position) gaps.push([position, start]);
    expect(data.equals(output(start, data.length))).toBe(true);
    expect(start + data.length).toBeGreaterThan(position);
    position = start + data.length;
  }
  expect(position).toBe(record.end);
  return gaps;
}

describe('the record', () => {
  it('gives back every byte it holds, whatever it was fed in and asked for', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (sizes, step, place) => {
          const record = new TerminalRecord(temporary(), { limitBytes: 65_536 });
          for (const size of sizes) record.append(output(record.end, size));
          expect(record.end).toBe(sizes.reduce((sum, size) => sum + size, 0));
          expect(record.end - record.start).toBeLessThanOrEqual(65_536);
          const from = Math.floor(place * record.end);
          const gaps = readAll(record, from, step);
          expect(gaps).toEqual(from < record.start && record.end > from ? [[from, record.start]] : []);
          record.dispose();
          const again = new TerminalRecord(record.dir);
          expect([again.start, again.end]).toEqual([record.start, record.end]);
          readAll(again, 0, 4_096);
          again.dispose();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is read from other processes while it grows', () => {
    const record = new TerminalRecord(temporary(), { limitBytes: 1_000_000 });
    for (let index = 0; index < 100; index++) {
      record.append(output(record.end, 777));
      const segments = listSegments(record.dir);
      expect(recordEnd(segments)).toBe(record.end);
      const { data, from } = readSegments(record.dir, segments, 100, 1_000_000);
      expect(data.equals(output(from, data.length))).toBe(true);
      expect(from + data.length).toBe(record.end);
    }
    record.dispose();
  });

  it('keeps what dropped output left set', () => {
    const record = new TerminalRecord(temporary(), { limitBytes: 65_536 });
    record.append(Buffer.from('\x1b[?1049h\x1b[?1;2004h\x1b[?1000h\x1b='));
    // A sequence on the border of two segments.
    record.append(Buffer.alloc(4_096 - 39, 'x'));
    record.append(Buffer.from('\x1b[?1006h\x1b[?1000l'));
    record.append(Buffer.alloc(200_000, 'y'));
    record.dispose();
    expect(record.start).toBeGreaterThan(0);
    expect(readPreamble(record.dir)).toBe('\x1b=\x1b[?1049h\x1b[?1h\x1b[?2004h\x1b[?1000l\x1b[?1006h');
  });

  it('keeps sizes with their offsets, and forgets those of dropped output', () => {
    const record = new TerminalRecord(temporary(), { limitBytes: 65_536 });
    record.resize(80, 24);
    record.append(output(0, 10));
    record.resize(90, 24);
    record.resize(100, 30);
    expect(readResizes(record.dir)).toEqual([
      { offset: 0, cols: 80, rows: 24 },
      { offset: 10, cols: 100, rows: 30 },
    ]);
    for (let index = 0; index < 50; index++) record.append(output(record.end, 4_000));
    expect(record.resizes).toEqual([{ offset: 10, cols: 100, rows: 30 }]);
    expect(readResizes(record.dir)).toEqual(record.resizes);
    record.dispose();
  });
});

describe('a full disk', () => {
  /** Takes `room` bytes, then nothing. */
  class SmallDisk implements RecordIo {
    room: number;
    constructor(room: number) {
      this.room = room;
    }
    open(path: string): number {
      return openSync(path, 'a');
    }
    write(descriptor: number, data: Buffer): number {
      if (this.room === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      const count = writeSync(descriptor, data.subarray(0, this.room));
      this.room -= count;
      return count;
    }
    close(descriptor: number): void {
      closeSync(descriptor);
    }
  }

  it('loses nothing as long as it is short', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 30 }),
        fc.nat(200_000),
        (sizes, room) => {
          const io = new SmallDisk(room);
          const record = new TerminalRecord(temporary(), { io });
          for (const size of sizes) record.append(output(record.end, size));
          expect(readAll(record, 0, 5_000)).toEqual([]);
          io.room = Number.MAX_SAFE_INTEGER;
          expect(record.flush()).toBe(true);
          record.append(output(record.end, 100));
          expect(readAll(record, 0, 5_000)).toEqual([]);
          record.dispose();
          expect(recordEnd(listSegments(record.dir))).toBe(record.end);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('leaves one honest gap when it is long, and memory stays bounded', () => {
    const io = new SmallDisk(1_000);
    const record = new TerminalRecord(temporary(), { io });
    for (let index = 0; index < 300; index++) record.append(output(record.end, 10_000));
    expect(record.unwritten.data.length).toBeLessThanOrEqual(1024 * 1024);
    const [gap, ...others] = readAll(record, 0, 65_536);
    expect(gap?.[0]).toBe(1_000);
    expect(others).toEqual([]);
    io.room = Number.MAX_SAFE_INTEGER;
    record.append(output(record.end, 10_000));
    expect(record.flush()).toBe(true);
    expect(readAll(record, 0, 65_536)).toEqual([gap]);
    record.dispose();
    const again = new TerminalRecord(record.dir);
    expect(readAll(again, 0, 65_536)).toEqual([gap]);
    again.dispose();
    expect(readdirSync(record.dir).length).toBeGreaterThan(1);
  });
});
