import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, ScriptedWorker, settle } from '../../../test/harness/core.ts';
import type { Orchestrator, OrchestratorLimits } from '../orchestrator.ts';
import { requestKeyMs } from '../requestKeys.ts';
import type { Run, RunPriority } from './run.ts';

let harness: CoreHarness;
let core: Orchestrator;
let scripts: ScriptedWorker[];

beforeEach(() => {
  harness = new CoreHarness();
  scripts = [];
  harness.machine.onStart = (worker) => scripts.push(new ScriptedWorker(harness.machine, worker));
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

async function open(limits: Partial<OrchestratorLimits>): Promise<void> {
  core = await harness.start({ limits });
}

async function start(task: string, priority?: RunPriority, sessionId?: string): Promise<Run> {
  const run = await core.runs.start({ task, priority, sessionId });
  await settle();
  return run;
}

/** The tasks of the workers that were started, in their order. */
const begun = (): string[] => scripts.map(({ runId }) => core.runs.get(runId).request.task);

async function finishAll(): Promise<void> {
  for (let next = 0; next < scripts.length; next += 1) await scripts[next]!.finish();
}

describe('the queue of runs', () => {
  it('goes by priority, then by start, and tells each its place', async () => {
    await open({ maxConcurrentRuns: 1 });
    await start('first');
    const waiting = [
      await start('low', 'low'),
      await start('medium'),
      await start('high', 'high'),
      await start('medium 2', 'medium'),
      await start('critical', 'critical'),
    ];
    const places = (): (number | undefined)[] => waiting.map(({ id }) => core.runs.queuePosition(id));
    expect(places()).toEqual([5, 3, 2, 4, 1]);
    let changes = 0;
    core.runs.onDidChangeQueue(() => (changes += 1));
    await core.runs.abort(waiting[2]!.id);
    await settle();
    expect(core.runs.get(waiting[2]!.id).status).toBe('cancelled');
    expect(places()).toEqual([4, 2, undefined, 3, 1]);
    expect(changes).toBe(1);
    await scripts[0]!.finish();
    await settle();
    expect(places()).toEqual([3, 1, undefined, 2, undefined]);
    expect(changes).toBe(2);
    await finishAll();
    expect(begun()).toEqual(['first', 'critical', 'medium', 'medium 2', 'low']);
  });

  it('tells nothing while runs report and nobody moves', async () => {
    await open({ maxConcurrentRuns: 1 });
    const run = await start('first');
    await start('second');
    let changes = 0;
    core.runs.onDidChangeQueue(() => (changes += 1));
    for (let to = 0; to < 50; to += 1)
      harness.machine.emit(run.id, 'runner.step.output', { step: 1, terminal_id: 't', from: 0, to });
    await settle();
    expect(changes).toBe(0);
  });

  it('lets runs of only so many sessions run at a time, and none of a busy session overtake', async () => {
    await open({ maxConcurrentRuns: 8, maxActiveSessions: 1 });
    const one = await core.sessions.create({ name: 'one', cwd: '/home/me' });
    const two = await core.sessions.create({ name: 'two', cwd: '/home/me' });
    await start('one a', undefined, one.id);
    await start('one b', undefined, one.id);
    await start('two a', undefined, two.id);
    const last = await start('one c', undefined, one.id);
    expect(begun()).toEqual(['one a', 'one b']);
    // Otherwise a session that always has something to do would keep all others out.
    expect(core.runs.queuePosition(last.id)).toBe(2);
    await finishAll();
    expect(begun()).toEqual(['one a', 'one b', 'two a', 'one c']);
  });

  it('keeps places and order over a restart', async () => {
    await open({ maxConcurrentRuns: 1 });
    await start('first');
    await start('second');
    const urgent = await start('third', 'critical');
    await core.close();
    core = await harness.start({ limits: { maxConcurrentRuns: 1 } });
    await settle();
    expect(core.runs.queuePosition(urgent.id)).toBe(1);
    await finishAll();
    expect(begun()).toEqual(['first', 'third', 'second']);
  });
});

describe('a key of a request', () => {
  it('makes one run and one session, however often and at once it comes, over restarts too', async () => {
    await open({});
    const ask = (): Promise<Run> => core.runs.start({ task: 'a', idempotencyKey: 'k' });
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(second.id).toBe(first.id);
    const create = () => core.sessions.create({ name: 's', idempotencyKey: 'k' });
    const [one, other] = await Promise.all([create(), create()]);
    expect(other.id).toBe(one.id);
    await settle();
    await finishAll();
    await core.close();
    core = await harness.start();
    expect(await ask()).toMatchObject({ id: first.id, status: 'succeeded' });
    expect((await create()).id).toBe(one.id);
    // Whoever repeats it on purpose gets a new one.
    expect((await core.runs.retry(first.id)).id).not.toBe(first.id);
    harness.clock.advance(requestKeyMs + 1);
    expect((await ask()).id).not.toBe(first.id);
  });

  it('is forgotten with what it made', async () => {
    await open({});
    const first = await core.runs.start({ task: 'a', idempotencyKey: 'k' });
    await settle();
    await finishAll();
    await core.runs.remove(first.id);
    expect((await core.runs.start({ task: 'a', idempotencyKey: 'k' })).id).not.toBe(first.id);
  });

  it('and every other field is checked before anything is written down', async () => {
    await open({});
    const refused = [
      { idempotencyKey: '' },
      { idempotencyKey: 'k'.repeat(201) },
      { priority: 'urgent' as RunPriority },
      { taskType: 't'.repeat(121) },
      { metadata: { big: 'x'.repeat(64 * 1024) } },
      { metadata: [] as unknown as Record<string, unknown> },
    ];
    for (const request of refused) {
      await expect(core.runs.start({ task: 'a', ...request })).rejects.toMatchObject({
        reason: 'invalid_request',
      });
    }
    expect(core.runs.list()).toEqual([]);
  });
});

it('counts what it does over the life of the store, removed runs too', async () => {
  await open({ maxConcurrentRuns: 1 });
  const run = await start('a');
  const other = await start('b');
  expect(core.statistics()).toEqual({
    activeSessions: 1,
    queuedRuns: 2,
    runningRuns: 0,
    totalSessions: 1,
    totalRunsEnded: 0,
    totalRunsSucceeded: 0,
    totalTokens: 0,
    averageRunMs: 0,
  });
  scripts[0]!.next();
  const usage = { input_tokens: 100, output_tokens: 20, cost_usd: 0.5 };
  harness.machine.emit(run.id, 'runner.usage', usage);
  harness.machine.emit(run.id, 'runner.usage', { ...usage, cost_usd: null });
  await settle();
  harness.clock.advance(500);
  await scripts[0]!.finish();
  expect(core.runs.get(run.id).usage).toEqual({ inputTokens: 200, outputTokens: 40, costUsd: 0.5 });
  await core.runs.abort(other.id);
  await settle();
  await core.runs.remove(run.id);
  await core.close();
  core = await harness.start();
  await settle();
  expect(core.statistics()).toMatchObject({
    totalSessions: 1,
    totalRunsSucceeded: 1,
    totalTokens: 240,
    averageRunMs: 500,
  });
});
