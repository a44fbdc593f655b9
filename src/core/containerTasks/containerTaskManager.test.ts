import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import { FakeClock } from '../../base/clock.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { ContainerTaskPlaces } from '../ports/containerTasks.ts';
import { callbackNotification } from './callback.ts';
import type { ContainerTask, ContainerTaskManifest } from './containerTask.ts';
import type { ContainerTaskManager } from './containerTaskManager.ts';
import type { ContainerTaskSpec } from './containerTaskSpec.ts';
import { defaultRestartPolicy } from './restartPolicy.ts';
import type { TaskNotification } from './taskNotification.ts';

let harness: CoreHarness;
let core: Orchestrator;
let tasks: ContainerTaskManager;
let sessionId: string;
const cleared: string[] = [];

const places: ContainerTaskPlaces = {
  prepare: (taskId) =>
    Promise.resolve({
      folder: `/tasks/${taskId}`,
      socketFolder: `/tasks/${taskId}/ipc`,
      socket: `/tasks/${taskId}/ipc/s`,
      apiSocket: `/tasks/${taskId}/api`,
      endpointFile: `/tasks/${taskId}/endpoint.json`,
    }),
  makeFolder: () => Promise.resolve(),
  readEndpoint: () => Promise.resolve(undefined),
  clear: (taskId) => {
    cleared.push(taskId);
    return Promise.resolve();
  },
  remove: () => Promise.resolve(),
  request: (taskId, { path }) =>
    Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode(`${taskId} ${path}`) }),
  podCall: (address) =>
    Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode(address) }),
};

const manifest = (overrides: Partial<ContainerTaskManifest> = {}): ContainerTaskManifest => ({
  id: 'task-001',
  name: 'Index',
  requirements: [],
  executable: { type: 'command', command: ['index', '--all'] },
  environment: { MODE: 'fast' },
  inheritedEnvironment: [],
  restart: defaultRestartPolicy,
  publicApi: false,
  ...overrides,
});

async function open(): Promise<void> {
  core = await harness.start({ containerTaskPlaces: places });
  if (core.containerTasks === undefined) throw new Error('no container tasks');
  tasks = core.containerTasks;
}

const start = async (overrides: Partial<ContainerTaskManifest> = {}): Promise<ContainerTask> => {
  const task = await tasks.start({ manifest: manifest(overrides), sessionId, isAgreed: true });
  await settle();
  return task;
};

const runIdOf = (id = 'task-001'): string => tasks.get(id).runId ?? '';

/** The worker of the newest execution does all that is left of it. */
async function finish(exitCode: number, id = 'task-001'): Promise<void> {
  const runId = runIdOf(id);
  const outcome = exitCode === 0 ? 'succeeded' : 'failed';
  const result = { exit_code: exitCode, duration_ms: 1, terminal_id: null, outcome };
  const { machine } = harness;
  machine.emit(runId, 'runner.step.started', { step: 1 });
  machine.emit(runId, 'runner.step.execution.completed', { step: 1, result });
  machine.emit(runId, 'response.completed', { outcome });
  machine.exitWorker(runId);
  await settle();
}

beforeEach(async () => {
  harness = new CoreHarness();
  cleared.length = 0;
  await open();
  sessionId = (await core.sessions.create({ cwd: '/srv/app' })).id;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

describe('ContainerTaskManager', () => {
  it('starts a worker that is told everything but the values of the environment', async () => {
    const { state, runId = '' } = await start();
    expect(state).toBe('running');
    const { options } = harness.machine.worker(runId);
    expect(options.kind).toBe('container-task');
    expect(options.spec as ContainerTaskSpec).toMatchObject({
      taskId: 'task-001',
      title: 'index --all',
      environmentNames: ['MODE'],
      cwd: '/srv/app',
      listenHosts: ['127.0.0.1'],
      wantsContainer: false,
    });
    expect(JSON.stringify(options.spec)).not.toContain('fast');
    expect(options.env).toEqual({ MODE: 'fast' });
  });

  it.each(['keep', 'stop'] as const)('when the core closes: %s', async (containerTasksAtQuit) => {
    await core.close();
    core = await harness.start({ containerTaskPlaces: places, containerTasksAtQuit });
    if (core.containerTasks === undefined) throw new Error('no container tasks');
    tasks = core.containerTasks;
    await start();
    harness.machine.onCommand = (worker) => {
      harness.machine.emit(worker.options.id, 'response.completed', { outcome: 'cancelled' });
      harness.machine.exitWorker(worker.options.id);
    };
    await core.close();
    harness.machine.onCommand = () => undefined;
    await open();
    expect(tasks.get('task-001').state).toBe(containerTasksAtQuit === 'keep' ? 'running' : 'stopped');
  });

  it('tries again after a failure, later each time, and ends with success', async () => {
    await start();
    for (const seconds of [2, 4, 8]) {
      const before = runIdOf();
      await finish(1);
      expect(tasks.get('task-001')).toMatchObject({
        state: 'waiting',
        nextStartAt: harness.clock.now() + seconds * 1_000,
        error: 'Its program ended with exit code 1.',
      });
      harness.clock.advance(seconds * 1_000 - 1);
      await settle();
      expect(runIdOf()).toBe(before);
      harness.clock.advance(1);
      await settle();
      expect(runIdOf()).not.toBe(before);
      expect(core.runs.get(runIdOf()).retryOf).toBe(before);
      expect(tasks.get('task-001')).toMatchObject({ state: 'running', error: undefined });
    }
    await finish(0);
    expect(tasks.get('task-001')).toMatchObject({ state: 'succeeded', failures: 0 });
    harness.clock.advance(1_000_000);
    await settle();
    expect(tasks.get('task-001').state).toBe('succeeded');
    expect(cleared).toHaveLength(4);
  });

  it('takes a worker that is killed for a failure, and counts anew after a stable time', async () => {
    await start();
    await finish(1);
    harness.clock.advance(2_000);
    await settle();
    harness.machine.emit(runIdOf(), 'runner.started');
    await settle();
    harness.clock.advance(defaultRestartPolicy.stableAfterMs);
    harness.machine.exitWorker(runIdOf(), null, 'SIGKILL');
    await settle();
    const { state, failures, error } = tasks.get('task-001');
    expect({ state, failures }).toEqual({ state: 'waiting', failures: 1 });
    expect(error).toContain('SIGKILL');
  });

  it('does not retry what it was asked to stop, running or waiting', async () => {
    await start();
    harness.machine.onCommand = (worker) => {
      harness.machine.emit(worker.options.id, 'response.completed', { outcome: 'cancelled' });
      harness.machine.exitWorker(worker.options.id);
    };
    await tasks.stop('task-001');
    expect(await tasks.waitForEnd('task-001')).toMatchObject({ state: 'stopped' });
    await expect(tasks.stop('task-001')).rejects.toMatchObject({ reason: 'task_ended' });
    await tasks.retry('task-001');
    await settle();
    await finish(1);
    await tasks.stop('task-001');
    expect(tasks.get('task-001')).toMatchObject({ state: 'stopped', nextStartAt: undefined });
    harness.clock.advance(1_000_000);
    await settle();
    expect(tasks.get('task-001').state).toBe('stopped');
  });

  it('ends what was to be stopped, although it has failed by itself, or the core did not live to ask', async () => {
    await start({ restart: { ...defaultRestartPolicy, mode: 'always' } });
    await tasks.stop('task-001');
    expect(tasks.get('task-001')).toMatchObject({ state: 'running', isStopping: true });
    await finish(1);
    expect(tasks.get('task-001')).toMatchObject({ state: 'stopped', isStopping: undefined, failures: 0 });
    await tasks.retry('task-001');
    await settle();
    // As if the core had died between its word and the deed.
    const { abort } = core.runs;
    core.runs.abort = () => Promise.reject(new Error('dead'));
    await expect(tasks.stop('task-001')).rejects.toThrow('dead');
    core.runs.abort = abort;
    await core.close();
    const commands: string[] = [];
    harness.machine.onCommand = (_worker, command) => commands.push(command.type);
    await open();
    await settle();
    expect(commands).toEqual(['abort']);
    await finish(0);
    expect(tasks.get('task-001')).toMatchObject({ state: 'succeeded' });
  });

  it.each(['keep', 'stop'] as const)('when the core closes: %s', async (containerTasksAtQuit) => {
    await core.close();
    core = await harness.start({ containerTaskPlaces: places, containerTasksAtQuit });
    if (core.containerTasks === undefined) throw new Error('no container tasks');
    tasks = core.containerTasks;
    await start();
    harness.machine.onCommand = (worker) => {
      harness.machine.emit(worker.options.id, 'response.completed', { outcome: 'cancelled' });
      harness.machine.exitWorker(worker.options.id);
    };
    await core.close();
    harness.machine.onCommand = () => undefined;
    await open();
    expect(tasks.get('task-001').state).toBe(containerTasksAtQuit === 'keep' ? 'running' : 'stopped');
  });

  it('closes without what does not end in time, and the next core asks it again', async () => {
    await core.close();
    core = await harness.start({ containerTaskPlaces: places, containerTasksAtQuit: 'stop' });
    if (core.containerTasks === undefined) throw new Error('no container tasks');
    tasks = core.containerTasks;
    await start();
    const closed = core.close();
    await settle();
    harness.clock.advance(5_000);
    await closed;
    await open();
    expect(tasks.get('task-001')).toMatchObject({ state: 'running', isStopping: true });
    await finish(1);
    expect(tasks.get('task-001').state).toBe('stopped');
  });

  it('is executed again by a retry of its run', async () => {
    const { runId = '' } = await start({ restart: { ...defaultRestartPolicy, mode: 'never' } });
    await expect(core.runs.retry(runId)).rejects.toMatchObject({ reason: 'invalid_request' });
    await finish(1);
    const again = await core.runs.retry(runId);
    expect(again).toMatchObject({ id: runIdOf(), retryOf: runId, status: 'queued' });
    expect(tasks.get('task-001').state).toBe('running');
  });

  it('is taken up by the next core: what ended meanwhile, and what waits', async () => {
    await start();
    await start({ id: 'other' });
    await finish(1, 'other');
    await core.close();
    harness.clock = new FakeClock(harness.clock.now());
    harness.machine.emit(runIdOf(), 'response.completed', { outcome: 'failed' });
    harness.machine.exitWorker(runIdOf());
    harness.clock.advance(1_000);
    await open();
    await settle();
    expect(tasks.get('task-001')).toMatchObject({ state: 'waiting', failures: 1 });
    const waiting = runIdOf('other');
    harness.clock.advance(1_000);
    await settle();
    expect(runIdOf('other')).not.toBe(waiting);
    expect(tasks.get('other').state).toBe('running');
  });

  it('takes no place of a run, and has a limit of its own', async () => {
    await core.close();
    core = await harness.start({
      containerTaskPlaces: places,
      limits: { maxConcurrentRuns: 1, maxContainerTasks: 2 },
    });
    if (core.containerTasks === undefined) throw new Error('no container tasks');
    tasks = core.containerTasks;
    await start({ id: 'a' });
    await start({ id: 'b' });
    const run = await core.runs.start({ task: 'echo', cwd: '/srv/app' });
    await settle();
    expect(harness.machine.workers.has(run.id)).toBe(true);
    await expect(start({ id: 'c' })).rejects.toMatchObject({ reason: 'task_limit' });
    await expect(start({ id: 'a' })).rejects.toMatchObject({
      reason: 'task_running',
      message: expect.stringContaining('Task is already running') as string,
    });
  });

  it('tells a person what comes, and keeps what it amounts to in the run', async () => {
    const heard: TaskNotification[] = [];
    tasks.onDidNotify((notification) => heard.push(notification));
    const { runId = '' } = await start();
    const payload = { message: 'Half', progress: 50 };
    const callback = { taskId: 'task-001', eventType: 'status_update', payload };
    harness.machine.emit(runId, 'container_task.callback', {
      ...callbackNotification(callback),
      event_type: 'status_update',
      payload,
      timestamp: null,
      replaced: 0,
    });
    await settle();
    expect(heard).toEqual([
      {
        level: 'Info',
        message: 'Orca Status (task-0...): Half (50%)',
        action: 'OrcaStatusUpdate',
        taskId: 'task-001',
        taskName: 'Index',
        runId,
        sequence: core.events.lastSequence,
      },
    ]);
    expect(core.runs.get(runId).taskReport).toMatchObject({ progress: 50, message: 'Half', callbacks: 1 });
  });

  it('serves routes only where the manifest has a public API, and only while it runs', async () => {
    const request = { method: 'GET', path: '/x', headers: {}, body: new Uint8Array() };
    await start();
    await expect(tasks.request('task-001', request)).rejects.toMatchObject({ reason: 'permission_denied' });
    const executable = { type: 'node', file: '/task.js', args: [] } as const;
    await expect(start({ id: 'open', publicApi: true })).rejects.toThrow(/Only a JavaScript executable/);
    await start({ id: 'open', publicApi: true, executable });
    expect(new TextDecoder().decode((await tasks.request('open', request)).body)).toBe('open /x');
    await finish(0, 'open');
    await expect(tasks.request('open', request)).rejects.toMatchObject({ message: 'Task open not running' });
    await expect(tasks.request('none', request)).rejects.toMatchObject({ reason: 'task_not_found' });
  });

  it('refuses what nobody has agreed to, and says what it was', async () => {
    const ask = (overrides: Partial<ContainerTaskManifest>): Promise<ContainerTask> =>
      tasks.start({ manifest: manifest(overrides), sessionId, isAgreed: false });
    await expect(ask({})).rejects.toThrow(/runs a program on this machine/);
    await expect(ask({ executable: undefined, inheritedEnvironment: ['KEY'] })).rejects.toThrow(
      /takes variables/,
    );
    const container = { image: 'x', network: 'bridge', podPort: 8080, mounts: [] } as const;
    await expect(ask({ executable: undefined, container })).rejects.toThrow(/uses the network/);
    const mounts = [{ source: '/etc', target: '/e', isReadOnly: true }];
    await expect(
      ask({ executable: undefined, container: { ...container, network: 'none', mounts } }),
    ).rejects.toThrow(/mounts folders/);
    expect(tasks.list()).toEqual([]);
  });

  it('fails at once, and for good, where there is no container engine', async () => {
    const container = { image: 'x', network: 'bridge', podPort: 8080, mounts: [] } as const;
    await start({ executable: undefined, container, restart: { ...defaultRestartPolicy, mode: 'never' } });
    expect(tasks.get('task-001')).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('Install Docker or Podman') as string,
    });
  });

  it('stops with its session, the waiting ones too', async () => {
    await start();
    await start({ id: 'other' });
    await finish(1, 'other');
    harness.machine.onCommand = (worker) => {
      harness.machine.emit(worker.options.id, 'response.completed', { outcome: 'cancelled' });
      harness.machine.exitWorker(worker.options.id);
    };
    await core.sessions.close(sessionId);
    expect(tasks.list().map(({ state }) => state)).toEqual(['stopped', 'stopped']);
    await tasks.remove('other');
    expect(tasks.list().map(({ id }) => id)).toEqual(['task-001']);
  });
});
