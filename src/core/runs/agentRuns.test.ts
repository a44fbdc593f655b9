import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness, settle, typesOf } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { Run } from './run.ts';
import { reduceRun } from './reducer.ts';

let harness: CoreHarness;
let core: Orchestrator;
let agentId: string;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
  agentId = core.agents.register({ name: 'builder', capabilities: { maxConcurrentTasks: 1 } }).id;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

const start = (over: object = {}): Promise<Run> =>
  core.runs.start({ task: 'build all\nof it', engine: 'agent:builder', cwd: '/only/there', ...over });
const reporter = (run: Run) => core.tasks.reporter(run.taskId ?? '');

it('an agent carries a run out, with events and a result as every run has', async () => {
  const run = await start({ env: { A: '1', B: null } });
  expect(run).toMatchObject({ status: 'queued', steps: [{ command: 'build all\nof it' }] });
  expect(core.tasks.get(run.taskId!)).toMatchObject({
    runId: run.id,
    config: { command: 'build all\nof it', workingDirectory: '/only/there', environment: { A: '1' } },
  });
  await settle();
  expect(core.activity()).toMatchObject({ runningRuns: 0, queuedRuns: 1 });
  expect(core.tasks.heartbeat(agentId)).toEqual([run.taskId]);
  reporter(run).begin();
  expect(core.activity()).toMatchObject({ runningRuns: 1, queuedRuns: 0 });
  reporter(run).output('stdout', new TextEncoder().encode('hello'));
  reporter(run).progress(0.25, 'a quarter');
  expect(core.runs.get(run.id)).toMatchObject({
    status: 'running',
    steps: [{ status: 'running', progress: 0.25, taskOutput: { taskId: run.taskId, from: 0, to: 5 } }],
  });
  harness.clock.advance(7);
  reporter(run).complete();
  expect(core.runs.get(run.id)).toMatchObject({
    status: 'succeeded',
    steps: [{ status: 'succeeded', exitCode: 0, durationMs: 7 }],
    result: {
      status: 'success',
      steps: [{ info: { engine: 'agent:builder' }, execution_result: { task_id: run.taskId, output_to: 5 } }],
    },
  });
  expect(typesOf(core, run.id)).toEqual([
    'response.created',
    'response.in_progress',
    'runner.started',
    'runner.steps.planned',
    'runner.step.started',
    'runner.step.execution.started',
    'runner.task.output',
    'runner.step.progress',
    'runner.step.execution.completed',
    'runner.step.completed',
    'runner.completed',
    'response',
    'response.completed',
  ]);
  const events = core.events.read({ after: 0, limit: 100, runId: run.id });
  expect(events.reduce(reduceRun, run)).toEqual(core.runs.get(run.id));
  expect(harness.machine.workers.size).toBe(0);
});

it('it waits for its turn, is aborted and can be tried again', async () => {
  const [first, second] = [await start(), await start()];
  await settle();
  reporter(first).begin();
  await core.runs.abort(second.id);
  expect(core.runs.get(second.id).status).toBe('cancelled');
  await core.runs.abort(first.id);
  expect(core.runs.get(first.id)).toMatchObject({ status: 'cancelled', steps: [{ status: 'cancelled' }] });
  expect(core.tasks.get(first.taskId!).state).toBe('cancelled');
  const again = await core.runs.retry(first.id);
  expect(again).toMatchObject({ retryOf: first.id, request: { engine: 'agent:builder' } });
  expect(again.taskId).not.toBe(first.taskId);
  await settle();
  reporter(again).complete({ exitCode: 2 });
  expect(core.runs.get(again.id)).toMatchObject({ status: 'failed', steps: [{ exitCode: 2 }] });
  await core.runs.remove(again.id);
  expect(core.tasks.find(again.taskId!)).toBeUndefined();
});

it('it goes on in the next core, and times out there', async () => {
  const [first, second] = [await start(), await start({ timeoutMs: 60_000 })];
  await settle();
  reporter(first).begin();
  await core.close();
  core = await harness.start();
  expect(core.runs.get(first.id).status).toBe('running');
  reporter(first).complete();
  await settle();
  reporter(second).begin();
  harness.clock.advance(60_000);
  expect(core.runs.get(first.id).status).toBe('succeeded');
  expect(core.runs.get(second.id)).toMatchObject({ status: 'timed_out', steps: [{ status: 'timed_out' }] });
});

it('it fails with the reason when its agent is lost or gives up', async () => {
  const lost = await start();
  await settle();
  reporter(lost).begin();
  harness.clock.advance(90_000);
  expect(core.runs.get(lost.id)).toMatchObject({
    status: 'failed',
    error: { reason: 'agent_lost', message: 'The agent "builder" was lost: it gave no sign of life.' },
  });
  core.tasks.heartbeat(agentId);
  const failing = await start();
  await settle();
  reporter(failing).fail({ code: 'OOM', message: 'out of memory' });
  expect(core.runs.get(failing.id).error).toEqual({ reason: 'agent_failed', message: 'out of memory' });
});

it('it ends with its session, and is refused where nobody could do it', async () => {
  const run = await start();
  await core.sessions.close(run.sessionId);
  expect(core.runs.get(run.id).status).toBe('cancelled');
  await expect(start({ engine: 'agent:none' })).rejects.toMatchObject({ reason: 'agent_not_found' });
  await expect(start({ engine: 'magic' })).rejects.toMatchObject({ reason: 'invalid_request' });
});
