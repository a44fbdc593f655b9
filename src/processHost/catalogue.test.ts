import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Catalogue, type TerminalMeta } from './catalogue.ts';

let dir: string;
const path = (): string => join(dir, 'terminals.jsonl');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-catalogue-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const running = (id: string): TerminalMeta => ({ id, pid: 10, file: '/bin/sh', cwd: '/', startedAt: 1 });
const ended = (id: string): TerminalMeta => ({
  ...running(id),
  exit: { exitCode: 0, signal: null, reason: 'exited', exitedAt: 2 },
});

it('knows after any death what was written last of each terminal', () => {
  const catalogue = new Catalogue(path());
  for (const id of ['a', 'b', 'c']) catalogue.put(running(id));
  catalogue.put(ended('b'));
  catalogue.remove('c');
  // No dispose: it died. The line it was writing is torn, so the terminal still runs as far as anybody was told.
  appendFileSync(path(), JSON.stringify(ended('a')));
  truncateSync(path(), readFileSync(path()).length - 5);
  const next = new Catalogue(path());
  expect(next.all).toEqual([running('a'), ended('b')]);
  next.put(ended('a'));
  next.dispose();
  catalogue.dispose();
  const last = new Catalogue(path());
  expect(last.all).toEqual([ended('a'), ended('b')]);
  last.dispose();
});

it('stays small over many terminals that come and go', () => {
  const catalogue = new Catalogue(path());
  for (let index = 0; index < 5_000; index++) {
    catalogue.put(running(String(index)));
    catalogue.put(ended(String(index)));
    if (index >= 10) catalogue.remove(String(index - 10));
  }
  expect(readFileSync(path(), 'utf8').split('\n').length).toBeLessThan(2_100);
  catalogue.dispose();
  const next = new Catalogue(path());
  expect(next.all).toHaveLength(10);
  next.dispose();
});
