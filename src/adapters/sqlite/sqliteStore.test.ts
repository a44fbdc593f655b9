import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../core/ports/store.ts';
import type { Run } from '../../core/runs/run.ts';
import { defaultSessionConfig, noPreferences, type Session } from '../../core/sessions/session.ts';
import { openSqliteStore, openSqliteStoreReadOnly } from './sqliteStore.ts';

let folder: string;
let path: string;
let open: Store[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'workbench-store-'));
  path = join(folder, 'orchestrator.db');
  open = [];
});
afterEach(() => {
  for (const store of open) store.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function openStore(): Store {
  const { store, recoveredFrom } = openSqliteStore(path);
  expect(recoveredFrom).toBeUndefined();
  open.push(store);
  return store;
}

const session = (id: string): Session => ({
  id,
  name: id,
  owner: 'user',
  type: 'shell',
  state: 'idle',
  cwd: '/',
  description: '',
  labels: {},
  tags: [],
  config: defaultSessionConfig,
  preferences: noPreferences,
  taskHistory: [],
  createdAt: 1,
  updatedAt: 1,
  lastActiveAt: 1,
});

const run = (id: string, over: Partial<Run> = {}): Run => ({
  id,
  sessionId: 's1',
  request: { task: `Échö ${id}` },
  status: 'queued',
  steps: [],
  createdAt: 1,
  isAborting: false,
  terminalIds: [],
  ...over,
});

const putRuns = (store: Store, ...runs: Run[]): void => {
  store.transact((tx) => {
    for (const value of runs) tx.put('run', value);
  });
};

describe('the store', () => {
  it('keeps things whole, in the order of creation, over a reopening', () => {
    const first = openStore();
    first.transact((tx) => {
      tx.put('session', session('b'));
      tx.put('session', session('a'));
    });
    first.transact((tx) => tx.put('session', { ...session('b'), name: 'changed' }));
    first.dispose();
    const store = openStore();
    expect(store.list('session').map(({ name }) => name)).toEqual(['changed', 'a']);
    expect(store.get('session', 'a')).toEqual(session('a'));
    expect(store.get('session', 'c')).toBeUndefined();
    store.transact((tx) => tx.delete('session', 'b'));
    expect(store.list('session')).toEqual([session('a')]);
  });

  it('changes nothing when a transaction throws', () => {
    const store = openStore();
    expect(() =>
      store.transact((tx) => {
        tx.put('session', session('a'));
        tx.append({ type: 'x', time: 1, data: {} });
        tx.setWorkerCursor('w', 3);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect([store.list('session'), store.lastSequence(), store.workerCursor('w')]).toEqual([[], 0, 0]);
    store.transact((tx) => tx.setWorkerCursor('w', 3));
    expect(store.workerCursor('w')).toBe(3);
  });

  it('numbers events and finds them by what they belong to', () => {
    const store = openStore();
    store.transact((tx) => {
      for (let index = 1; index <= 6; index += 1) {
        const scope = {
          sessionId: 's',
          runId: index % 2 === 0 ? 'even' : 'odd',
          terminalId: index > 4 ? 't' : undefined,
        };
        const event = tx.append({ type: 'x', time: index, data: { index }, ...scope });
        expect(event).toMatchObject({ sequence: index, id: expect.stringMatching(/^[0-9a-f]{32}$/) });
      }
    });
    const sequences = (filter: object): number[] =>
      store.readEvents({ after: 0, limit: 100, ...filter }).map(({ sequence }) => sequence);
    expect(sequences({})).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sequences({ after: 2, limit: 2 })).toEqual([3, 4]);
    expect(sequences({ runId: 'even' })).toEqual([2, 4, 6]);
    expect(sequences({ runId: 'odd', terminalId: 't', sessionId: 's' })).toEqual([5]);
    expect(store.readEvents({ after: 5, limit: 1 })[0]).toMatchObject({
      time: 6,
      data: { index: 6 },
      type: 'x',
    });
  });

  it('pages and searches runs, newest first', () => {
    const store = openStore();
    putRuns(store, run('a'), run('b', { sessionId: 's2' }), run('c', { status: 'failed' }), run('d'));
    const ids = (filter: object): string[] => store.listRuns({ limit: 10, ...filter }).map(({ id }) => id);
    expect(ids({})).toEqual(['d', 'c', 'b', 'a']);
    expect(ids({ limit: 2, before: 'd' })).toEqual(['c', 'b']);
    expect(ids({ sessionId: 's2' })).toEqual(['b']);
    expect(ids({ isLive: true })).toEqual(['d', 'b', 'a']);
    expect(ids({ isLive: false })).toEqual(['c']);
    expect(ids({ search: 'éCHÖ D' })).toEqual(['d']);
    expect(ids({ search: '%' })).toEqual([]);
    putRuns(store, run('a', { status: 'succeeded' }));
    expect(ids({ isLive: true })).toEqual(['d', 'b']);
  });

  it('removes a run with its events and cursor, and gives no number twice', () => {
    const store = openStore();
    putRuns(store, run('a'));
    store.transact((tx) => {
      tx.append({ type: 'x', time: 1, data: {} });
      tx.append({ type: 'x', time: 1, runId: 'a', data: {} });
      tx.setWorkerCursor('a', 9);
    });
    store.transact((tx) => tx.delete('run', 'a'));
    expect(store.readEvents({ after: 0, limit: 10 })).toHaveLength(1);
    expect([store.lastSequence(), store.workerCursor('a')]).toEqual([2, 0]);
    expect(store.transact((tx) => tx.append({ type: 'x', time: 1, data: {} })).sequence).toBe(3);
  });

  it('is readable for its owner only, and refuses after its end', () => {
    const store = openStore();
    store.transact((tx) => tx.put('session', session('a')));
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    store.dispose();
    expect(() => store.list('session')).toThrow(expect.objectContaining({ reason: 'closed' }));
  });

  it('is read beside the one that writes', () => {
    expect(openSqliteStoreReadOnly(path)).toBeUndefined();
    const store = openStore();
    const reader = openSqliteStoreReadOnly(path)!;
    open.push(reader);
    store.transact((tx) => tx.put('session', session('a')));
    expect(reader.list('session')).toHaveLength(1);
    expect(() => reader.transact((tx) => tx.put('session', session('b')))).toThrow(/readonly/);
    expect(store.list('session')).toHaveLength(1);
  });
});

it('brings a store of the first version up to date, with what stands in it', () => {
  const first = openStore();
  first.transact((tx) => tx.append({ type: 'x', time: 1, sessionId: 'old', data: {} }));
  first.dispose();
  const database = new DatabaseSync(path);
  const { id, name, owner, type, state, cwd, createdAt, lastActiveAt } = session('old');
  const old = JSON.stringify({ id, name, owner, type, state, cwd, createdAt, lastActiveAt });
  database.exec(`
    DROP TABLE message; DROP TABLE agent; DROP TABLE task; DROP TABLE task_chunk;
    DROP TABLE container; DROP TABLE engineClaim; DROP TABLE containerTask;
    DROP TABLE request_key; DROP TABLE total;
    ALTER TABLE event DROP COLUMN extra;
    INSERT INTO session (id, json) VALUES ('old', '${old}');
    PRAGMA user_version = 1;
  `);
  database.close();
  const store = openStore();
  expect(store.get('session', 'old')).toEqual({ ...session('old'), updatedAt: 1 });
  expect(store.readEvents({ after: 0, limit: 1 })).toMatchObject([{ type: 'x', sessionId: 'old' }]);
});

it('brings a store of the third version up to date: what it has counts from the first moment', () => {
  openStore().dispose();
  const database = new DatabaseSync(path);
  database.exec('DROP TABLE request_key; DROP TABLE total; PRAGMA user_version = 3;');
  database.prepare('INSERT INTO session (id, json) VALUES (?, ?)').run('a', JSON.stringify(session('a')));
  const insert = database.prepare(
    `INSERT INTO run (id, session_id, is_live, task_folded, json) VALUES (?, 'a', ?, '', ?)`,
  );
  insert.run('1', 0, JSON.stringify({ id: '1', status: 'succeeded', startedAt: 1_000, endedAt: 3_000 }));
  insert.run('2', 0, JSON.stringify({ id: '2', status: 'cancelled', endedAt: 3_000 }));
  insert.run('3', 1, JSON.stringify({ id: '3', status: 'running', startedAt: 1_000 }));
  database.close();
  const store = openStore();
  const counted = { sessions: 1, endedRuns: 2, succeededRuns: 1, tokens: 0, timedRuns: 1, runMs: 2_000 };
  expect(store.totals()).toEqual(counted);
  store.transact((tx) => tx.addToTotals({ sessions: 1, tokens: 120 }));
  expect(store.totals()).toEqual({ ...counted, sessions: 2, tokens: 120 });
});

it('answers a key with what it made, for as long as it is kept', () => {
  const store = openStore();
  store.transact((tx) => tx.setRequestKey('run', 'k', 'first', 1_000, 0));
  expect(store.requestKey('run', 'k', 999)).toBe('first');
  expect(store.requestKey('run', 'k', 1_000)).toBeUndefined();
  expect(store.requestKey('session', 'k', 0)).toBeUndefined();
  store.transact((tx) => tx.setRequestKey('run', 'other', 'second', 5_000, 2_000));
  expect(store.requestKey('run', 'k', 0)).toBeUndefined();
});

it('brings a store of the second version up to date: what containers may have is said', () => {
  openStore().dispose();
  const database = new DatabaseSync(path);
  const insert = database.prepare('INSERT INTO session (id, json) VALUES (?, ?)');
  const { policy, ...config } = defaultSessionConfig;
  insert.run('silent', JSON.stringify({ ...session('silent'), config }));
  const open = { ...policy, allowNetwork: true, allowedPaths: ['/srv'] };
  insert.run('open', JSON.stringify({ ...session('open'), config: { ...config, policy: open } }));
  database.exec(`
    DROP TABLE container; DROP TABLE engineClaim; DROP TABLE containerTask;
    DROP TABLE request_key; DROP TABLE total;
    PRAGMA user_version = 2;
  `);
  database.close();
  const store = openStore();
  expect(store.get('session', 'silent')).toEqual(session('silent'));
  expect(store.get('session', 'open')?.config.policy).toEqual(open);
  expect([store.list('container'), store.list('engineClaim'), store.list('containerTask')]).toEqual([
    [],
    [],
    [],
  ]);
});

describe('trouble', () => {
  it('a newer version is left alone', () => {
    openStore().dispose();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const before = readFileSync(path);
    expect(() => openSqliteStore(path)).toThrow(expect.objectContaining({ reason: 'store_too_new' }));
    expect(() => openSqliteStoreReadOnly(path)).toThrow(expect.objectContaining({ reason: 'store_too_new' }));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it.each([
    [
      'no database at all',
      () => writeFileSync(path, 'not a database, but long enough to be one'.repeat(200)),
    ],
    ['a broken schema page', () => overwrite(0, 100, 200)],
    ['a broken first table', () => overwrite(0, 4_096, 8_192)],
    ['half a file', () => truncateSync(path, Math.floor(statSync(path).size / 3))],
  ])('%s is kept aside and a new store begun', (_name, damage) => {
    const store = openStore();
    store.transact((tx) => {
      for (let index = 0; index < 300; index += 1) tx.put('session', session(`session ${index}`));
    });
    store.dispose();
    damage();
    const broken = readFileSync(path);
    const opened = openSqliteStore(path);
    open.push(opened.store);
    expect(opened.recoveredFrom).toMatch(/orchestrator\.db\.corrupt-\d{8}T\d{6}Z$/);
    expect(readFileSync(opened.recoveredFrom!).equals(broken)).toBe(true);
    expect(opened.store.list('session')).toEqual([]);
    opened.store.transact((tx) => tx.put('session', session('new')));
  });

  it('damage that is met later says so, and the next opening looks at everything', () => {
    const store = openStore();
    store.transact((tx) => {
      tx.put('session', session('first'));
      tx.put('session', session('last'));
    });
    store.dispose();
    const database = new DatabaseSync(path);
    database.exec(`UPDATE session SET json = '{"half' WHERE id = 'first'`);
    database.close();
    const damaged = openStore();
    expect(() => damaged.list('session')).toThrow(expect.objectContaining({ reason: 'store_corrupt' }));
    damaged.dispose();
    const opened = openSqliteStore(path);
    open.push(opened.store);
    expect(opened.recoveredFrom).toBeDefined();
    opened.store.dispose();
    openStore();
    expect(readdirSync(folder).filter((name) => name.endsWith('.suspect'))).toEqual([]);
  });

  it('a full disk refuses the change, keeps the rest, and works again when there is room', () => {
    const store = openStore();
    const limit = (pages: number): void => {
      // @ts-expect-error -- the limit of SQLite itself stands in for the disk's
      (store.database as DatabaseSync).exec(`PRAGMA max_page_count = ${pages}`);
    };
    store.transact((tx) => tx.put('session', session('kept')));
    limit(1);
    const big = { ...session('big'), name: 'x'.repeat(1_000_000) };
    expect(() => store.transact((tx) => tx.put('session', big))).toThrow(
      expect.objectContaining({ reason: 'disk_full', message: expect.stringContaining('Free some space') }),
    );
    expect(store.list('session').map(({ id }) => id)).toEqual(['kept']);
    limit(1_000_000);
    store.transact((tx) => tx.put('session', big));
    expect(store.list('session')).toHaveLength(2);
  });

  it('what was committed survives kill -9 of its process', { timeout: 30_000 }, async () => {
    const script = `
      import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, 'sqliteStore.ts'))};
      import { writeSync } from 'node:fs';
      const { store } = openSqliteStore(${JSON.stringify(path)});
      for (;;) {
        const { sequence } = store.transact((tx) => {
          tx.setWorkerCursor('w', store.workerCursor('w') + 1);
          return tx.append({ type: 'x', time: 1, data: {} });
        });
        writeSync(1, sequence + '\\n');
      }`;
    const file = join(folder, 'writer.mts');
    writeFileSync(file, script);
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, ['--no-warnings', file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
          if (output.length > 2_000) child.kill('SIGKILL');
        });
        child.on('close', () => resolve());
      });
      const acknowledged = Number(output.split('\n').filter(Boolean).at(-1));
      const store = openStore();
      expect(store.lastSequence()).toBeGreaterThanOrEqual(acknowledged);
      expect(store.workerCursor('w')).toBe(store.lastSequence());
      store.dispose();
    }
  });
});

function overwrite(value: number, from: number, to: number): void {
  const bytes = readFileSync(path);
  bytes.fill(value, from, to);
  writeFileSync(path, bytes);
  appendFileSync(path, '');
}
