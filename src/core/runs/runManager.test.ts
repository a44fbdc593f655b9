import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, ScriptedWorker, settle, typesOf } from '../../../test/harness/core.ts';
import { FakeProcessHost } from '../../../test/harness/fakeProcessHost.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { Store } from '../ports/store.ts';
import { reduceRun } from './reducer.ts';
import type { Run } from './run.ts';
import { abortLimitMs } from './runExecutor.ts';

let harness: CoreHarness;
let core: Orchestrator;
let scripts: ScriptedWorker[];

beforeEach(async () => {
  harness = new CoreHarness();
  scripts = [];
  harness.machine.onStart = (worker) => scripts.push(new ScriptedWorker(harness.machine, worker));
  core = await harness.start({ limits: { maxConcurrentRuns: 2 } });
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

async function startRun(task = 'echo one\necho two'): Promise<Run> {
  const run = await core.runs.start({ task });
  await settle();
  return run;
}

function foldOf(run: Run): Run {
  const first: Run = {
    id: run.id,
    sessionId: run.sessionId,
    request: run.request,
    status: 'queued',
    steps: run.steps.map(({ index, command }) => ({ index, command, status: 'pending' })),
    createdAt: run.createdAt,
    isAborting: false,
    terminalIds: [],
  };
  return core.events.read({ after: 0, limit: 10_000, runId: run.id }).reduce(reduceRun, first);
}

const canonical = [
  'response.created',
  'response.in_progress',
  'runner.started',
  'runner.steps.planned',
  'terminal.created',
  'runner.terminal',
  'runner.shell.marks',
  'runner.step.started',
  'runner.step.execution.started',
  'runner.step.output',
  'runner.step.execution.completed',
  'runner.step.completed',
  'terminal.exited',
  'runner.completed',
  'response',
  'response.completed',
];

describe('a run', () => {
  it('goes from the task to its result', async () => {
    const started = await core.runs.start({ task: 'echo one' });
    expect(started).toMatchObject({
      status: 'queued',
      request: { task: 'echo one', shell: '/bin/bash', cwd: '/home/me' },
    });
    expect(core.sessions.isBusy(started.sessionId)).toBe(true);
    const changes: string[] = [];
    core.runs.onDidChange((run) => changes.push(run.status));
    await settle();
    expect(scripts).toHaveLength(1);
    const end = core.runs.waitForEnd(started.id);
    await scripts[0]!.finish();
    const run = await end;
    expect(run).toMatchObject({ status: 'succeeded', result: { status: 'success', run_id: started.id } });
    expect(run.steps).toMatchObject([{ status: 'succeeded', exitCode: 0, output: { from: 0, to: 9 } }]);
    expect(typesOf(core, run.id)).toEqual(canonical);
    expect(core.terminals.list()).toMatchObject([
      { runId: run.id, managedBy: `orchestrator:run-${run.id.slice(0, 8)}`, state: 'exited' },
    ]);
    expect(foldOf(run)).toEqual(run);
    expect(core.sessions.isBusy(run.sessionId)).toBe(false);
    expect(core.runs.active()).toEqual([]);
    expect(harness.machine.workers.size).toBe(0);
    expect(changes[0]).toBe('running');
    expect(changes.at(-1)).toBe('succeeded');
  });

  it('takes each event once, in order, whatever is delivered again or too early', async () => {
    const run = await startRun('a');
    const host = [...harness.machine.clients][0]!;
    const emit = harness.machine.emit.bind(harness.machine);
    harness.machine.emit = (id, type, data) => {
      emit(id, type, data);
      const worker = harness.machine.worker(id);
      const latest = worker.journal.at(-1)!;
      host.deliver({ ...latest, sequence: latest.sequence + 7, type: 'runner.too.early' });
      for (const event of [...worker.journal]) host.deliver(event);
      host.deliver({ ...latest, sequence: 1 });
    };
    await scripts[0]!.finish();
    expect(typesOf(core, run.id)).toEqual(canonical);
    expect(core.runs.get(run.id).status).toBe('succeeded');
  });

  it('asks again for what is missing, and goes on without what the host no longer has', async () => {
    const run = await startRun('a');
    const worker = harness.machine.worker(run.id);
    worker.lastSequence = 3;
    harness.machine.emit(run.id, 'runner.started', { task: 'a', max_steps: 1, platform: null });
    await settle();
    expect(typesOf(core, run.id)).toEqual(['response.created', 'response.in_progress', 'runner.started']);
  });

  it('stores a burst of thousands of events in order', async () => {
    const run = await startRun('a');
    for (let to = 0; to < 3_000; to += 1) {
      harness.machine.emit(run.id, 'runner.step.output', { step: 1, terminal_id: 't', from: 0, to });
    }
    await settle();
    expect(harness.store.workerCursor(run.id)).toBe(3_000);
    expect(core.runs.get(run.id).steps[0]?.output?.to).toBe(2_999);
    const events = core.events.read({ after: 0, limit: 10_000, runId: run.id });
    const outputs = events
      .filter((event) => event.type === 'runner.step.output')
      .map((event) => event.data['to']);
    expect(outputs).toEqual(Array.from({ length: 3_000 }, (_value, index) => index));
  });

  it('fails when its worker crashes, with the end of what it said, and its terminals end', async () => {
    const run = await startRun();
    for (let stage = 0; stage < 3; stage += 1) scripts[0]!.next();
    await settle();
    harness.machine.exitWorker(run.id, 139, null, 'Segmentation fault\n');
    await settle();
    const ended = core.runs.get(run.id);
    expect(ended.error?.reason).toBe('worker_crashed');
    expect(ended.error?.message).toMatch(/exit code 139.*Retry[^]*Segmentation fault/);
    expect(ended.steps.map((step) => step.status)).toEqual(['failed', 'skipped']);
    expect(typesOf(core, run.id).slice(-3)).toEqual(['response.failed', 'error', 'terminal.exited']);
    expect(foldOf(ended)).toEqual(ended);
    expect(harness.machine.workers.size).toBe(0);
  });

  it('pairs response.failed with error once', async () => {
    const run = await startRun();
    const data = { error: 'no shell', reason: 'spawn_failed' };
    harness.machine.emit(run.id, 'response.failed', data);
    harness.machine.emit(run.id, 'error', data);
    harness.machine.exitWorker(run.id);
    await settle();
    expect(typesOf(core, run.id).slice(-2)).toEqual(['response.failed', 'error']);
  });

  it('fails when it cannot be started, and the next one goes on', async () => {
    const reason = 'process_host_failed_to_start';
    harness.machine.failWith.set(
      'ensureConnected',
      new OrchestratorError('UNAVAILABLE', reason, 'It did not start.'),
    );
    const failed = await startRun();
    expect(core.runs.get(failed.id)).toMatchObject({ status: 'failed', error: { reason } });
    expect(typesOf(core, failed.id)).toEqual(['response.created', 'response.failed', 'error']);
    harness.machine.failWith.clear();
    await startRun();
    expect(scripts).toHaveLength(1);
  });

  it('is not lost while the disk is full', async () => {
    await core.close();
    let isFull = false;
    const store: Store = new Proxy(harness.store, {
      get: (target, key, receiver) => {
        if (key === 'transact' && isFull) {
          return () => {
            throw OrchestratorError.from(new Error('database or disk is full'));
          };
        }
        const value: unknown = Reflect.get(target, key, receiver);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    core = await harness.start({ store });
    const told: string[] = [];
    core.onDidFail((error) => told.push(error.reason));
    const run = await startRun('a');
    isFull = true;
    await expect(core.runs.start({ task: 'b' })).rejects.toMatchObject({ reason: 'disk_full' });
    await scripts[0]!.finish();
    expect(core.runs.get(run.id).status).toBe('queued');
    expect(told).toEqual(['disk_full']);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      harness.clock.advance(2_000);
      await settle();
    }
    isFull = false;
    harness.clock.advance(2_000);
    await settle();
    expect(core.runs.get(run.id).status).toBe('succeeded');
    expect(typesOf(core, run.id).filter((type) => type.startsWith('r'))).toEqual(
      canonical.filter((type) => type.startsWith('r')),
    );
  });
});

describe('the queue', () => {
  it('gives workers in order, no more than the limit', async () => {
    const runs: Run[] = [];
    for (const task of ['a', 'b', 'c', 'd']) runs.push(await startRun(task));
    expect(core.activity()).toEqual({ runningRuns: 2, liveTerminals: 0, queuedRuns: 2 });
    expect(scripts.map((script) => script.runId)).toEqual(runs.slice(0, 2).map((run) => run.id));
    await scripts[1]!.finish();
    expect(scripts.map((script) => script.runId)).toEqual(runs.slice(0, 3).map((run) => run.id));
    for (const index of [0, 2, 3]) await scripts[index]!.finish();
    expect(runs.map((run) => core.runs.get(run.id).status)).toEqual(Array(4).fill('succeeded'));
    expect(harness.machine.maxLiveWorkers).toBe(2);
    expect(core.runs.list().map((run) => run.request.task)).toEqual(['d', 'c', 'b', 'a']);
  });

  it('cancels a waiting run at once, with a result', async () => {
    await startRun('a');
    await startRun('b');
    const waiting = await startRun('c\nd');
    await core.runs.abort(waiting.id);
    const run = core.runs.get(waiting.id);
    expect(run).toMatchObject({
      status: 'cancelled',
      result: { status: 'failed', outcome: 'cancelled', steps: [] },
    });
    expect(run.steps.map((step) => step.status)).toEqual(['skipped', 'skipped']);
    expect(typesOf(core, run.id)).toEqual(['response.created', 'response', 'response.completed']);
    expect(harness.machine.workerStarts.has(run.id)).toBe(false);
  });
});

describe('abort', () => {
  it('asks the worker, which ends the run', async () => {
    const run = await startRun();
    scripts[0]!.next();
    harness.machine.onCommand = (worker) => {
      const { id } = worker.options;
      harness.machine.emit(id, 'runner.abort.requested', { reason: 'user' });
      const ending = { status: 'failed', completion_reason: 'FAIL', outcome: 'cancelled' };
      harness.machine.emit(id, 'response', {
        run_id: id,
        task: '',
        ...ending,
        steps: [],
        grounding_prompts: {},
      });
      harness.machine.emit(id, 'response.completed', ending);
      harness.machine.exitWorker(id);
    };
    await core.runs.abort(run.id);
    await settle();
    const ended = core.runs.get(run.id);
    expect(ended).toMatchObject({ status: 'cancelled', isAborting: false });
    expect(foldOf(ended)).toEqual(ended);
    await expect(core.runs.abort(run.id)).rejects.toMatchObject({ reason: 'run_not_active' });
  });

  it('kills a worker that does not end in time, and the terminals of its run', async () => {
    const run = await startRun();
    for (let stage = 0; stage < 3; stage += 1) scripts[0]!.next();
    await settle();
    await core.runs.abort(run.id);
    await core.runs.abort(run.id);
    expect(core.runs.get(run.id)).toMatchObject({ status: 'running', isAborting: true });
    expect(harness.machine.worker(run.id).commands.map((command) => command.type)).toContain('abort');
    harness.clock.advance(abortLimitMs - 1);
    await settle();
    expect(core.runs.get(run.id).status).toBe('running');
    harness.clock.advance(1);
    await settle();
    const ended = core.runs.get(run.id);
    expect(ended.status).toBe('cancelled');
    expect(ended.result?.steps).toMatchObject([
      { step_index: 1, execution_result: { outcome: 'cancelled' } },
    ]);
    expect(core.terminals.list()[0]?.exit?.reason).toBe('killed');
    expect(harness.machine.workers.size).toBe(0);
    expect(foldOf(ended)).toEqual(ended);
  });

  it('is told again by the next core', async () => {
    const run = await startRun();
    await core.runs.abort(run.id);
    await core.close();
    harness.machine.worker(run.id).commands.length = 0;
    core = await harness.start();
    await settle();
    expect(harness.machine.worker(run.id).commands).toEqual([{ type: 'abort' }]);
    harness.clock.advance(abortLimitMs);
    await settle();
    expect(core.runs.get(run.id).status).toBe('cancelled');
  });

  it('makes a worker exit that lingers after its run', async () => {
    const run = await startRun('a');
    while (typesOf(core, run.id).at(-1) !== 'response.completed') {
      scripts[0]!.next();
      await settle();
    }
    expect(harness.machine.workers.size).toBe(1);
    harness.clock.advance(10_000);
    await settle();
    expect(harness.machine.workers.size).toBe(0);
    expect(core.runs.get(run.id).status).toBe('succeeded');
  });
});

describe('a lost process host', () => {
  it('ends at once what it had, and a new one is used from then on', async () => {
    const first = await startRun('a');
    const second = await startRun('b');
    const waiting = await startRun('c');
    for (let stage = 0; stage < 3; stage += 1) scripts[0]!.next();
    await settle();
    harness.machine.die();
    for (const id of [first.id, second.id]) {
      expect(core.runs.get(id)).toMatchObject({
        status: 'failed',
        error: { reason: 'process_host_lost', message: expect.stringContaining('Use Retry') },
      });
    }
    expect(core.terminals.list()[0]?.exit?.reason).toBe('host_lost');
    const last = core.events
      .read({ after: 0, limit: 10_000 })
      .find((event) => event.type === 'processHost.lost');
    expect(last?.data).toMatchObject({ ended_runs: 2, ended_terminals: 1 });
    await settle();
    await scripts.find((script) => script.runId === waiting.id)!.finish();
    expect(core.runs.get(waiting.id).status).toBe('succeeded');
    expect(core.sessions.isBusy(first.sessionId)).toBe(false);
  });

  it('that comes back with what it knew of a worker never runs the task twice', async () => {
    const run = await startRun('a');
    await core.close();
    await scripts[0]!.finish();
    // No host at start-up, so the run takes its turn again; the new host finds the old one's journal on disk.
    harness.machine.isRunning = false;
    core = await harness.start();
    await settle();
    expect(core.runs.get(run.id).status).toBe('succeeded');
    expect(harness.machine.workerStarts.get(run.id)).toBe(1);
  });

  it('is not taken for lost when only the connection broke', async () => {
    await core.close();
    const processHost = new FakeProcessHost(harness.machine);
    const lost = new OrchestratorError('UNAVAILABLE', 'process_host_lost', 'There is no connection to it.');
    const broken = new Set(['startWorker', 'followWorker', 'commandWorker'] as const);
    for (const method of broken) {
      const call = processHost[method].bind(processHost) as (...args: unknown[]) => Promise<never>;
      processHost[method] = async (...args: unknown[]) => {
        const answer = await call(...args);
        // The answer is lost once, not the effect.
        if (broken.delete(method)) throw lost;
        return answer;
      };
    }
    core = await harness.start({ processHost });
    const run = await startRun('a');
    await core.runs.abort(run.id);
    await scripts[0]!.finish();
    expect(broken.size).toBe(0);
    expect(core.runs.get(run.id).status).toBe('succeeded');
    expect(harness.machine.workerStarts.get(run.id)).toBe(1);
  });

  it('is found by the next core', async () => {
    const run = await startRun('a');
    scripts[0]!.next();
    await settle();
    await core.close();
    harness.machine.die();
    core = await harness.start();
    expect(core.runs.get(run.id)).toMatchObject({ status: 'failed', error: { reason: 'process_host_lost' } });
    expect(core.isReady).toBe(true);
  });
});

describe('retry and remove', () => {
  it('repeats all of it, or from a step on', async () => {
    const run = await startRun('a\nb\nc');
    await expect(core.runs.retry(run.id)).rejects.toMatchObject({ reason: 'invalid_request' });
    await scripts[0]!.finish();
    const all = await core.runs.retry(run.id);
    expect(all).toMatchObject({ retryOf: run.id, sessionId: run.sessionId, request: { task: 'a\nb\nc' } });
    const part = await core.runs.retry(run.id, { fromStep: 2 });
    expect(part.steps.map((step) => step.command)).toEqual(['b', 'c']);
    expect(part.request.task).toBe('b\nc');
    await expect(core.runs.retry(run.id, { fromStep: 4 })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
  });

  it('takes a run out of the history with all that belongs to it', async () => {
    const run = await startRun('a');
    await expect(core.runs.remove(run.id)).rejects.toMatchObject({ reason: 'invalid_request' });
    await scripts[0]!.finish();
    await core.runs.remove(run.id);
    expect(() => core.runs.get(run.id)).toThrow(expect.objectContaining({ reason: 'run_not_found' }));
    expect(typesOf(core, run.id)).toEqual(['terminal.removed', 'run.removed']);
    expect(harness.machine.terminals.size).toBe(0);
    expect(core.terminals.list()).toEqual([]);
    await expect(core.runs.waitForEnd(run.id)).rejects.toMatchObject({ reason: 'run_not_found' });
  });
});

describe('bad requests', () => {
  it.each([
    [{ task: '  \n# only this' }, 'task_empty', /Type a command first/],
    [{ task: 'x'.repeat(100_001) }, 'invalid_request', /too long/],
    [{ task: 'a\0b' }, 'invalid_request', /NUL/],
    [{ task: "echo it's" }, 'invalid_request', /Line 1 opens a quote/],
    [{ task: 'a\n'.repeat(1_001) }, 'invalid_request', /1001 commands/],
    [{ task: 'a', commands: ['a', ' '] }, 'invalid_request', /empty/],
    [{ task: 'a', cwd: '/nowhere' }, 'directory_missing', /\/nowhere does not exist/],
    [{ task: 'a', cwd: 'here' }, 'directory_missing', /absolute/],
    [{ task: 'a', shell: 'fish' }, 'shell_missing', /"fish" was not found/],
    [{ task: 'a', sessionId: 'f'.repeat(32) }, 'session_not_found', /session not found/],
    [{ task: 'a', timeoutMs: 0 }, 'invalid_request', /time limit/],
    [{ task: 'a', cols: 5_000 }, 'invalid_request', /columns/],
  ])('%j', async (request, reason, message) => {
    const error: unknown = await core.runs.start(request).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ reason, message: expect.stringMatching(message) });
    expect(core.runs.list()).toEqual([]);
    expect(new FakeProcessHost(harness.machine).calls).toEqual([]);
  });

  it('stops waiting at a signal and when the core is closed', async () => {
    const run = await startRun();
    const stop = new AbortController();
    const waits = [core.runs.waitForEnd(run.id, stop.signal), core.runs.waitForEnd(run.id)];
    const outcomes = Promise.allSettled(waits);
    stop.abort();
    await core.close();
    expect(await outcomes).toMatchObject([
      { reason: { reason: 'aborted' } },
      { reason: { reason: 'closed' } },
    ]);
    await expect(core.runs.start({ task: 'a' })).rejects.toMatchObject({ reason: 'closed' });
  });
});
