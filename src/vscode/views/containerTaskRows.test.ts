import { describe, expect, it } from 'vitest';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import { defaultRestartPolicy } from '../../core/containerTasks/restartPolicy.ts';
import type { Run } from '../../core/runs/run.ts';
import { containerTaskRow, describeContainerTask } from './containerTaskRows.ts';

const now = new Date('2026-11-21T12:00:00').getTime();

function task(overrides: Partial<ContainerTask> = {}): ContainerTask {
  return {
    id: 'task-001',
    name: 'Index the archive',
    sessionId: 's1',
    manifest: {
      id: 'task-001',
      name: 'Index the archive',
      requirements: [],
      environment: {},
      inheritedEnvironment: [],
      restart: defaultRestartPolicy,
      publicApi: false,
    },
    state: 'running',
    runId: 'r1',
    failures: 0,
    createdAt: now - 60_000,
    updatedAt: now - 60_000,
    ...overrides,
  };
}

function run(overrides: Partial<Run> = {}): Run {
  return {
    id: 'r1',
    sessionId: 's1',
    request: { task: 'Index the archive', containerTaskId: 'task-001' },
    status: 'running',
    steps: [{ index: 1, command: 'python3', status: 'running' }],
    createdAt: now - 13_000,
    startedAt: now - 12_000,
    isAborting: false,
    terminalIds: [],
    ...overrides,
  };
}

const describeWith = (overrides: Partial<ContainerTask>, execution?: Run): string =>
  describeContainerTask({ task: task(overrides), run: execution }, now);
const context = { now, isMotionReduced: false };

describe('container tasks', () => {
  it('say how far they are, in their own words', () => {
    const taskReport = { callbacks: 1, errors: 0, progress: 49.6, message: 'Processing\nitem X' };
    expect(describeWith({}, run({ taskReport }))).toBe('50 % · Processing item X · 0:12');
    expect(describeWith({}, run())).toBe('running · 0:12');
    expect(describeWith({}, run({ steps: [] }))).toBe('starting · 0:12');
    expect(describeWith({}, run({ status: 'queued' }))).toBe('queued');
    expect(describeWith({}, run({ isAborting: true }))).toBe('stopping');
    expect(describeWith({}, undefined)).toBe('running');
  });

  it('say which try comes when, and why', () => {
    const waiting = {
      state: 'waiting',
      failures: 3,
      nextStartAt: now + 7_200,
      error: 'Exit code 1.',
    } as const;
    expect(describeWith(waiting)).toBe('retry 3 in 8 s · Exit code 1.');
    expect(describeWith({ ...waiting, nextStartAt: now + 128_000 })).toBe('retry 3 in 2:08 · Exit code 1.');
    expect(describeWith({ ...waiting, nextStartAt: now - 5 })).toBe('retry 3 now · Exit code 1.');
    expect(describeWith({ ...waiting, failures: 0, error: undefined })).toBe('starts again in 8 s');
  });

  it('say how they ended', () => {
    expect(describeWith({ state: 'failed', error: 'Exit code 3.' })).toBe('failed · Exit code 3. · 11:59');
    expect(describeWith({ state: 'succeeded' })).toBe('succeeded · 11:59');
    expect(describeWith({ state: 'stopped' })).toBe('stopped · 11:59');
  });

  it('offer what can be done with them, and tell their state to the ear', () => {
    const taskReport = { callbacks: 3, errors: 2, progress: 50 };
    const row = containerTaskRow({ task: task(), run: run({ taskReport }) }, context);
    expect(row).toMatchObject({
      id: 'containerTask:task-001',
      parentId: 'session:s1',
      context: 'containerTask copyable canStopTask',
      icon: { id: 'loading~spin' },
      accessibilityLabel: 'Container task Index the archive, running, 50 % · 0:12 · 2 errors',
    });
    const contextOf = (overrides: Partial<ContainerTask>, execution?: Run): string =>
      containerTaskRow({ task: task(overrides), run: execution }, context).context;
    expect(contextOf({}, run({ isAborting: true }))).toBe('containerTask copyable');
    expect(contextOf({ state: 'waiting' })).toBe('containerTask copyable canStopTask canRetryTask');
    expect(contextOf({ state: 'failed' })).toBe('containerTask copyable canRetryTask endedTask');
  });
});
