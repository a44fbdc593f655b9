import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Ledger } from './ledger.ts';

let dir: string;
const path = (): string => join(dir, 'ledger.jsonl');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-ledger-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

it('knows after any death what was begun and did not end', () => {
  const ledger = new Ledger(path());
  ledger.begin({ id: 'a', kind: 'terminal', token: 'ta', at: 1 });
  ledger.started('a', 10, 'boot:1');
  ledger.begin({ id: 'b', kind: 'worker', token: 'tb', at: 2 });
  ledger.begin({ id: 'c', kind: 'terminal', token: 'tc', at: 3 });
  ledger.started('c', 12, undefined);
  ledger.ended('c', 4);
  // No dispose: it died. The line it was writing is torn.
  appendFileSync(path(), '{"id":"d","kind":"term');
  const next = new Ledger(path());
  expect(next.open).toEqual([
    { id: 'a', kind: 'terminal', token: 'ta', at: 1, pid: 10, startTime: 'boot:1' },
    { id: 'b', kind: 'worker', token: 'tb', at: 2 },
  ]);
  next.ended('a', 5);
  next.dispose();
  ledger.dispose();
  const last = new Ledger(path());
  expect(last.open.map(({ id }) => id)).toEqual(['b']);
  last.dispose();
});

it('stays small over many lives', () => {
  const ledger = new Ledger(path());
  ledger.begin({ id: 'keep', kind: 'terminal', token: 't', at: 1 });
  for (let index = 0; index < 5_000; index++) {
    ledger.begin({ id: String(index), kind: 'terminal', token: 't', at: 1 });
    ledger.started(String(index), index, 'boot:1');
    ledger.ended(String(index), 2);
  }
  ledger.dispose();
  expect(readFileSync(path(), 'utf8').split('\n').length).toBeLessThan(2_100);
  const next = new Ledger(path());
  expect(next.open.map(({ id }) => id)).toEqual(['keep']);
  next.dispose();
});
