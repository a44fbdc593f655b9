import { describe, expect, it } from 'vitest';
import type { Run } from '../../core/runs/run.ts';
import { defaultSessionConfig, noPreferences, type Session } from '../../core/sessions/session.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { terminalTitle } from './describe.ts';
import { diffRows } from './rowChanges.ts';
import {
  buildHistoryRows,
  buildRemoteRows,
  buildSessionRows,
  joinRows,
  type RemoteRow,
  type SessionRowsInput,
} from './rows.ts';

const now = new Date('2026-11-21T12:00:00').getTime();
const minute = 60_000;

function session(overrides: Partial<Session> = {}): Session {
  return {
    id: 's1',
    name: 'api-refactor',
    owner: 'user',
    type: 'shell',
    state: 'active',
    cwd: '/work/api',
    createdAt: now - 60 * minute,
    description: '',
    labels: {},
    tags: [],
    config: defaultSessionConfig,
    preferences: noPreferences,
    taskHistory: [],
    updatedAt: now - 12 * minute,
    lastActiveAt: now - 12 * minute,
    ...overrides,
  };
}

function terminal(overrides: Partial<Terminal> = {}): Terminal {
  return {
    id: 't1',
    sessionId: 's1',
    name: 'bash',
    managedBy: null,
    runId: null,
    shell: '/bin/bash',
    args: [],
    cwd: '/work/api',
    cols: 80,
    rows: 24,
    pid: 7,
    createdAt: now - 30 * minute,
    state: 'running',
    ...overrides,
  };
}

function run(overrides: Partial<Run> = {}): Run {
  return {
    id: 'r1',
    sessionId: 's1',
    request: { task: 'npm ci\nnpm test' },
    status: 'running',
    steps: [
      { index: 1, command: 'npm ci', status: 'succeeded', exitCode: 0, durationMs: 1_000 },
      { index: 2, command: 'npm test', status: 'running' },
    ],
    createdAt: now - 103_000,
    startedAt: now - 102_000,
    isAborting: false,
    terminalIds: ['rt1'],
    ...overrides,
  };
}

const failed = (overrides: Partial<Run> = {}): Run =>
  run({
    status: 'failed',
    endedAt: now - 100_000,
    steps: [
      { index: 1, command: 'npm ci', status: 'succeeded', exitCode: 0 },
      { index: 2, command: 'npm test', status: 'failed', exitCode: 1 },
    ],
    ...overrides,
  });

function inputWith(input: Partial<SessionRowsInput> = {}): SessionRowsInput {
  return {
    sessions: [session()],
    terminals: [],
    runs: [],
    foreground: new Map(),
    now,
    home: '/home/me',
    isMotionReduced: false,
    ...input,
  };
}

const rows = (input?: Partial<SessionRowsInput>): ReturnType<typeof buildSessionRows> =>
  buildSessionRows(inputWith(input));

describe('session rows', () => {
  it('says which, how it is and since when', () => {
    const tree = rows({
      terminals: [terminal(), terminal({ id: 't2' })],
      runs: [run()],
      foreground: new Map([['t1', 'bash']]),
    });
    expect(tree.rows.get('session:s1')).toMatchObject({
      label: 'api-refactor',
      description: '2 terminals · run 1:42',
      icon: { id: 'loading~spin' },
    });
    expect(tree.children.get('session:s1')).toEqual(['run:r1', 'terminal:t1', 'terminal:t2']);
  });

  it('shows an idle session, and one whose last run failed', () => {
    expect(rows().rows.get('session:s1')?.description).toBe('idle 12 min');
    expect(rows({ runs: [failed()] }).rows.get('session:s1')).toMatchObject({
      description: 'failed 11:58',
      icon: { id: 'error' },
    });
  });

  it('names the state of a run in words and offers only what can be done', () => {
    const running = rows({ runs: [run()] }).rows.get('run:r1');
    expect(running).toMatchObject({ label: 'npm ci (+1)', description: 'step 2/2 · 1:42' });
    expect(running?.context.split(' ')).toContain('canAbort');
    const stopping = rows({ runs: [run({ isAborting: true })] }).rows.get('run:r1');
    expect(stopping?.description).toBe('stopping, step 2/2 · 1:42');
    expect(stopping?.context.split(' ')).not.toContain('canAbort');
    const ended = rows({ runs: [failed()] }).rows.get('run:r1');
    expect(ended?.description).toBe('failed at step 2 · 11:58 · 2.0 s');
    expect(ended?.accessibilityLabel).toContain('failed');
    expect(ended?.context.split(' ')).toEqual(expect.arrayContaining(['canRetry', 'endedRun', 'hasOutput']));
  });

  it('keeps still when motion is reduced', () => {
    expect(rows({ runs: [run()], isMotionReduced: true }).rows.get('run:r1')?.icon.id).toBe('sync');
  });

  it('tells idle shells from programs, agents from people, and how a terminal ended', () => {
    const description = (overrides: Partial<Terminal>, foreground?: string): string | undefined =>
      rows({
        terminals: [terminal(overrides)],
        foreground: new Map(foreground === undefined ? [] : [['t1', foreground]]),
      }).rows.get('terminal:t1')?.description;
    expect(description({}, 'bash')).toBe('idle');
    expect(description({}, '-bash')).toBe('idle');
    expect(description({}, 'vim')).toBe('vim');
    expect(description({})).toBe('running');
    expect(description({ cwd: '/home/me/x' }, 'bash')).toBe('idle · ~/x');
    expect(description({ managedBy: 'orchestrator:c-1:codegen' }, 'cargo')).toBe('cargo · c-1');
    const exit = { exitCode: 3, signal: null, reason: 'exited', exitedAt: now } as const;
    expect(description({ state: 'exited', exit })).toBe('exit code 3 · 12:00');
    expect(description({ state: 'exited', exit: { ...exit, exitCode: 0 } })).toBe('exited · 12:00');
    expect(description({ state: 'exited', exit: { ...exit, exitCode: null, reason: 'host_lost' } })).toBe(
      'lost · 12:00',
    );
  });

  it("leaves a run's own terminals to the run", () => {
    expect(rows({ terminals: [terminal({ runId: 'r1' })] }).children.get('session:s1')).toBeUndefined();
  });
});

describe('tab titles', () => {
  it('are what runs in it, after the name where one was given', () => {
    expect(terminalTitle(terminal(), 'bash')).toBe('bash');
    expect(terminalTitle(terminal(), 'vim')).toBe('vim');
    expect(terminalTitle(terminal({ name: 'codegen' }), 'cargo')).toBe('codegen: cargo');
  });
});

describe('history rows', () => {
  it('groups by day and offers more', () => {
    const yesterday = now - 24 * 60 * minute;
    const tree = buildHistoryRows({
      runs: [
        failed({ id: 'a' }),
        failed({ id: 'b', createdAt: yesterday, startedAt: undefined, endedAt: yesterday }),
      ],
      sessionNames: new Map([['s1', 'api']]),
      hasMore: true,
      now,
    });
    expect(tree.children.get('')).toEqual(['day:2026-11-21', 'day:2026-11-20', 'more']);
    expect(tree.rows.get('day:2026-11-20')?.label).toBe('Yesterday');
    expect(tree.rows.get('history:b')?.description).toBe('failed at step 2 · 20 Nov 12:00 · api');
  });
});

describe('changes', () => {
  it('names only the rows that look different', () => {
    const before = rows({ runs: [run(), run({ id: 'r0' })] });
    const after = rows({ runs: [run(), failed({ id: 'r0' })] });
    expect(diffRows(before, after)).toEqual({ changed: ['session:s1', 'run:r0'], isRootChanged: false });
    expect(diffRows(after, after)).toEqual({ changed: [], isRootChanged: false });
  });

  it('names the parent of a row that came or went, and the root for a session', () => {
    const before = rows();
    expect(diffRows(before, rows({ terminals: [terminal()] })).changed).toEqual(['session:s1']);
    expect(diffRows(before, rows({ sessions: [] })).isRootChanged).toBe(true);
  });
});

describe('another orchestrator', () => {
  const remoteRows = (connection: RemoteRow['connection']) =>
    buildRemoteRows(
      { name: 'nightly', address: '/run/grpc.sock', connection },
      inputWith({ sessions: [session({ id: 's2' })] }),
    );

  it('is a root of its own, with its sessions under it', () => {
    const tree = joinRows([rows(), remoteRows('connected')]);
    expect(tree.children.get('')).toEqual(['session:s1', 'remote:/run/grpc.sock']);
    expect(tree.children.get('remote:/run/grpc.sock')).toEqual(['session:s2']);
    expect(tree.rows.get('session:s2')?.parentId).toBe('remote:/run/grpc.sock');
  });

  it('says how the connection is, by word and icon, and offers only what is possible', () => {
    const row = (connection: RemoteRow['connection']) =>
      remoteRows(connection).rows.get('remote:/run/grpc.sock');
    expect(row('connected')).toMatchObject({
      description: 'connected · /run/grpc.sock',
      icon: { id: 'remote' },
      context: 'remote remoteConnected',
    });
    expect(row('disconnected')).toMatchObject({
      description: 'disconnected, trying again · /run/grpc.sock',
      icon: { id: 'debug-disconnect' },
      context: 'remote',
    });
  });
});
