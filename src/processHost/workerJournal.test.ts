import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WorkerJournal } from './workerJournal.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-journal-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function readAll(journal: WorkerJournal, after: number): number[] {
  const sequences: number[] = [];
  for (let page = journal.read(after); page.length > 0; page = journal.read(sequences.at(-1) ?? 0)) {
    sequences.push(...page.map(({ sequence }) => sequence));
  }
  return sequences;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

it('resumes after any number, also after a restart with a torn line', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3_000), { minLength: 1, maxLength: 300 }), fc.nat(300), (sizes, after) => {
      rmSync(dir, { recursive: true, force: true });
      const journal = new WorkerJournal(dir, 'w');
      for (const size of sizes) journal.append('t', { text: 'x'.repeat(size) }, 1);
      const expected = range(Math.min(after, sizes.length) + 1, sizes.length);
      expect(readAll(journal, after)).toEqual(after >= sizes.length ? [] : expected);
      journal.dispose();
      appendFileSync(join(dir, 'journal.jsonl'), '{"sequence":');
      const again = new WorkerJournal(dir, 'w');
      expect(again.lastSequence).toBe(sizes.length);
      expect(again.append('last', {}, 2).sequence).toBe(sizes.length + 1);
      expect(readAll(again, 0)).toEqual(range(1, sizes.length + 1));
      again.dispose();
    }),
    { numRuns: 20 },
  );
});

it('prunes what is acknowledged once that is much, and counts on', () => {
  const journal = new WorkerJournal(dir, 'w');
  for (let index = 0; index < 600; index++) journal.append('t', { text: 'x'.repeat(10_000) }, 1);
  const size = (): number => statSync(join(dir, 'journal.jsonl')).size;
  const before = size();
  journal.ack(100);
  expect(size()).toBe(before);
  journal.ack(500);
  expect(size()).toBeLessThan(before / 4);
  expect(readAll(journal, 500)).toEqual(range(501, 600));
  journal.append('t', {}, 1);
  journal.ack(601);
  journal.dispose();
  const again = new WorkerJournal(dir, 'w');
  expect(again.lastSequence).toBe(601);
  again.dispose();
});

it('reads on behind a line that cannot be read, and a page at a time', () => {
  const journal = new WorkerJournal(dir, 'w');
  for (let index = 0; index < 100; index++) journal.append('t', { text: 'x'.repeat(2_000) }, 1);
  journal.dispose();
  const path = join(dir, 'journal.jsonl');
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace('{"workerId":"w","sequence":50,', '{"workerId":"w"!'),
  );
  const again = new WorkerJournal(dir, 'w');
  expect(again.read(0).length).toBeLessThan(40);
  expect(readAll(again, 0)).toEqual(range(1, 100).filter((sequence) => sequence !== 50));
  expect(again.read(49)[0]?.sequence).toBe(51);
  again.dispose();
});
