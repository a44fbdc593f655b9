import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import type { RegisterAgentRequest } from '../agents/agent.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { AgentTask, CreateTaskRequest, TaskChunk } from './task.ts';

let harness: CoreHarness;
let core: Orchestrator;
let sessionId: string;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
  sessionId = (await core.sessions.create({})).id;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

const register = (capabilities: RegisterAgentRequest['capabilities'] = {}, name = 'a'): string =>
  core.agents.register({ name, capabilities: { tasks: ['code'], ...capabilities } }).id;
const create = (over: Partial<CreateTaskRequest> = {}, config: object = {}): AgentTask =>
  core.tasks.create({
    sessionId,
    target: { capability: 'code' },
    config: { command: 'make', ...config },
    ...over,
  });
const stateOf = ({ id }: AgentTask): string => core.tasks.get(id).state;
const eventsOf = ({ id }: AgentTask): string[] =>
  core.events
    .read({ after: 0, limit: 1_000 })
    .filter(({ taskId }) => taskId === id)
    .map(({ type, data }) => [type, data['state']].join(' ').trim());
const text = (chunks: readonly TaskChunk[]): string =>
  chunks.map(({ stream, data }) => `${stream}:${new TextDecoder().decode(data)}`).join(' ');
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('a task', () => {
  it('goes to an agent by its heartbeat once, runs, reports and ends', async () => {
    const task = create({}, { arguments: ['-j'], environment: { A: '1' } });
    expect(task).toMatchObject({ name: 'make', state: 'pending', agentId: null, priority: 'normal' });
    expect(core.sessions.isBusy(sessionId)).toBe(true);
    expect(core.sessions.get(sessionId).currentTaskId).toBe(task.id);
    const agentId = register();
    await settle();
    expect(core.tasks.get(task.id)).toMatchObject({ state: 'queued', agentId, attempt: 1 });
    expect(core.tasks.heartbeat(agentId)).toEqual([task.id]);
    expect(core.tasks.heartbeat(agentId)).toEqual([]);
    const reporter = core.tasks.reporter(task.id);
    harness.clock.advance(10);
    expect(reporter.begin()).toBe(true);
    expect(reporter.output('stdout', bytes('one '))).toBe(true);
    reporter.output('stderr', bytes('two'));
    reporter.progress(0.5, 'half');
    expect(core.tasks.get(task.id)).toMatchObject({ state: 'running', progress: 0.5, outputEnd: 7 });
    expect(core.agents.status(agentId)).toMatchObject({ state: 'busy', activeTasks: [task.id] });
    harness.clock.advance(10);
    const end = core.tasks.waitForEnd(task.id);
    expect(reporter.complete({ outputText: 'done' })).toBe(true);
    expect(await end).toMatchObject({
      state: 'completed',
      progress: 1,
      result: { exitCode: 0, durationMs: 10 },
    });
    expect(reporter.output('stdout', bytes('late'))).toBe(false);
    expect(text(core.tasks.readOutput(task.id, 0))).toBe('stdout:one  stderr:two');
    expect(text(core.tasks.readOutput(task.id, 5))).toBe('stderr:wo');
    expect(core.agents.status(agentId).state).toBe('idle');
    expect(core.sessions.get(sessionId)).toMatchObject({ currentTaskId: undefined, taskHistory: [task.id] });
    expect(eventsOf(task)).toEqual([
      'task.created pending',
      'task.updated queued',
      'task.updated running',
      'task.output',
      'task.output',
      'task.updated running',
      'task.completed completed',
    ]);
  });

  it('is delivered over an open stream at once, and cancelled there', async () => {
    const agentId = register();
    const heard: string[] = [];
    core.agents.connect(agentId, {
      deliverTask: ({ id }) => void heard.push(`task ${id}`),
      cancelTask: (id, reason) => void heard.push(`cancel ${id} ${reason}`),
      deliverMessage: () => undefined,
    });
    const task = create({ target: { agentId } });
    await settle();
    expect(core.tasks.heartbeat(agentId)).toEqual([]);
    const reporter = core.tasks.reporter(task.id);
    reporter.begin();
    expect(core.tasks.cancel(task.id, 'enough')).toMatchObject({
      isCancelled: true,
      task: { state: 'cancelled', error: { code: 'CANCELLED' } },
    });
    expect(heard).toEqual([`task ${task.id}`, `cancel ${task.id} The task was cancelled: enough`]);
    expect(core.tasks.cancel(task.id).isCancelled).toBe(false);
    expect(reporter.complete()).toBe(false);
    expect(stateOf(task)).toBe('cancelled');
  });

  it('takes input as it goes, and keeps the newest of much output', async () => {
    await core.close();
    core = await harness.start({ limits: { taskOutputBytes: 600_000 } });
    const agentId = register();
    const task = create({ target: { agentId }, input: bytes('first ') });
    core.tasks.sendInput(task.id, bytes('second'));
    expect(text(core.tasks.readInput(task.id, 0))).toBe('stdin:first  stdin:second');
    await settle();
    const reporter = core.tasks.reporter(task.id);
    for (let index = 0; index < 8; index += 1) reporter.output('stdout', new Uint8Array(300_000).fill(index));
    const kept = core.tasks.readOutput(task.id, 0);
    const [first] = kept;
    expect(first?.offset).toBeGreaterThan(0);
    expect(first?.offset).toBeLessThanOrEqual(2_400_000 - 600_000);
    let offset = first!.offset;
    for (const chunk of kept) {
      expect(chunk.offset).toBe(offset);
      offset += chunk.data.length;
    }
    expect(core.tasks.get(task.id).outputEnd).toBe(2_400_000);
    reporter.complete();
    expect(() => core.tasks.sendInput(task.id, bytes('x'))).toThrow(
      expect.objectContaining({ reason: 'task_ended' }),
    );
  });

  it('is refused when it cannot be done by anybody, or is too big', async () => {
    const refused = (over: Partial<CreateTaskRequest>, reason: string, config: object = {}): void => {
      expect(() => create(over, config)).toThrow(expect.objectContaining({ reason }));
    };
    refused({ sessionId: 'none' }, 'session_not_found');
    refused({ target: { agentId: 'none' } }, 'agent_not_found');
    refused({ target: { capability: ' ' } }, 'invalid_request');
    refused({}, 'invalid_request', { timeoutMs: -1 });
    refused({}, 'invalid_request', { maxRetries: 0.5 });
    refused({ input: new Uint8Array(4 * 1024 * 1024 + 1) }, 'invalid_request');
    refused({}, 'invalid_request', { parameters: { a: 'x'.repeat(300_000) } });
    await core.sessions.close(sessionId);
    refused({}, 'session_closed');
    expect(() => core.tasks.get('none')).toThrow('task not found');
    expect(core.tasks.list({ agentId: 'none' })).toEqual([]);
  });

  it('is found by what it is', async () => {
    const agentId = register();
    const bound = create({ target: { agentId }, type: 'custom', priority: 'high' });
    harness.clock.advance(10);
    const free = create();
    const ids = (filter: object): string[] => core.tasks.list(filter).map(({ id }) => id);
    expect(ids({})).toEqual([bound.id, free.id]);
    expect(ids({ limit: 1 })).toEqual([free.id]);
    expect(ids({ agentId })).toEqual([bound.id]);
    expect(ids({ type: 'custom', priority: 'high', sessionId })).toEqual([bound.id]);
    expect(ids({ createdAfter: bound.createdAt })).toEqual([free.id]);
    expect(ids({ createdBefore: free.createdAt })).toEqual([bound.id]);
    await settle();
    expect(ids({ state: 'queued' })).toEqual([bound.id, free.id]);
  });
});

describe('dispatch', () => {
  it('keeps to what agents can and how much, the urgent first, then in order', async () => {
    const tasks = [
      create(),
      create({ priority: 'low' }),
      create({ priority: 'critical' }),
      create(),
      create({ target: { capability: 'other' } }),
    ];
    const small = register({ maxConcurrentTasks: 1 }, 'small');
    const large = register({ maxConcurrentTasks: 2 }, 'large');
    await settle();
    expect(tasks.map(stateOf)).toEqual(['queued', 'pending', 'queued', 'queued', 'pending']);
    expect(core.agents.status(small).activeTasks).toHaveLength(1);
    expect(core.agents.status(large).activeTasks).toHaveLength(2);
    core.tasks.reporter(tasks[0]!.id).complete();
    await settle();
    expect(tasks.map(stateOf)).toEqual(['completed', 'queued', 'queued', 'queued', 'pending']);
  });

  it('tells again who does not begin, and gives up after the third time', async () => {
    const agentId = register();
    const task = create();
    await settle();
    for (let round = 0; round < 3; round += 1) {
      expect(core.tasks.heartbeat(agentId)).toEqual([task.id]);
      harness.clock.advance(60_000);
    }
    expect(core.tasks.get(task.id)).toMatchObject({
      state: 'failed',
      error: { code: 'UNAVAILABLE', message: 'The agent did not begin the task.' },
    });
  });

  it('takes a task in the list of a heartbeat for begun', async () => {
    const agentId = register();
    const task = create();
    await settle();
    core.tasks.heartbeat(agentId);
    core.tasks.heartbeat(agentId, { activeTasks: [task.id, 'unknown'] });
    expect(stateOf(task)).toBe('running');
  });
});

describe('trouble', () => {
  it('a failed attempt is tried again after a delay that grows, as often as is allowed', async () => {
    register();
    const task = create({}, { retryOnFailure: true, maxRetries: 2, retryDelayMs: 1_000 });
    for (const delay of [1_000, 2_000]) {
      await settle();
      const reporter = core.tasks.reporter(task.id);
      reporter.complete({ exitCode: 3 });
      expect(core.tasks.get(task.id)).toMatchObject({ state: 'pending', error: { code: 'EXIT_CODE' } });
      harness.clock.advance(delay - 1);
      await settle();
      expect(stateOf(task)).toBe('pending');
      harness.clock.advance(1);
      await settle();
      expect(core.tasks.get(task.id)).toMatchObject({ state: 'queued', error: undefined });
      expect(reporter.begin()).toBe(false);
    }
    core.tasks.reporter(task.id).fail({ code: 'X', message: 'no' });
    expect(core.tasks.get(task.id)).toMatchObject({ state: 'failed', attempt: 3, error: { message: 'no' } });
  });

  it('a task times out, wherever it is', async () => {
    const waiting = create({}, { timeoutMs: 1_000 });
    harness.clock.advance(1_000);
    expect(core.tasks.get(waiting.id)).toMatchObject({
      state: 'timed_out',
      error: { code: 'DEADLINE_EXCEEDED' },
    });
    register();
    const running = create({}, { timeoutMs: 1_000 });
    await settle();
    core.tasks.reporter(running.id).begin();
    harness.clock.advance(1_000);
    expect(stateOf(running)).toBe('timed_out');
  });

  it('a lost agent loses its tasks: begun ones by their policy, the others go elsewhere', async () => {
    const lost = register({ maxConcurrentTasks: 3 });
    const config = { retryOnFailure: true, maxRetries: 1, retryDelayMs: 0 };
    const [fails, retries, moves] = [create(), create({}, config), create()] as const;
    const bound = create({ target: { agentId: lost } });
    await settle();
    core.tasks.reporter(fails.id).begin();
    core.tasks.reporter(retries.id).begin();
    harness.clock.advance(80_000);
    const other = register({}, 'b');
    core.tasks.heartbeat(other);
    harness.clock.advance(10_000);
    await settle();
    expect([fails, retries, moves, bound].map(stateOf)).toEqual(['failed', 'queued', 'queued', 'pending']);
    expect(core.tasks.get(retries.id)).toMatchObject({ agentId: other, attempt: 2 });
    expect(core.tasks.get(fails.id).error?.message).toBe('The agent "a" was lost: it gave no sign of life.');
    core.tasks.heartbeat(lost);
    await settle();
    expect(core.tasks.get(bound.id)).toMatchObject({ state: 'queued', agentId: lost });
    core.agents.unregister(lost);
    expect(core.tasks.get(bound.id)).toMatchObject({ state: 'failed', agentId: lost });
  });

  it('closing the session cancels its tasks', async () => {
    register();
    const task = create();
    await settle();
    await core.sessions.close(sessionId);
    expect(stateOf(task)).toBe('cancelled');
  });

  it('a new core goes on where the last one ended', async () => {
    const agentId = register();
    const [told, untold] = [create(), create({}, { timeoutMs: 500_000 })] as const;
    await settle();
    core.tasks.heartbeat(agentId);
    const third = create();
    await core.close();
    core = await harness.start();
    await settle();
    expect(core.tasks.heartbeat(agentId)).toEqual([third.id]);
    expect(core.tasks.reporter(told.id).complete()).toBe(true);
    for (let time = 0; time < 500_000; time += 50_000) {
      core.tasks.heartbeat(agentId, { activeTasks: [untold.id] });
      harness.clock.advance(50_000);
    }
    expect(stateOf(untold)).toBe('timed_out');
  });

  it('keeps progress to ten a second, and its last word', async () => {
    register();
    const task = create();
    await settle();
    const reporter = core.tasks.reporter(task.id);
    for (let step = 1; step <= 50; step += 1) {
      reporter.progress(step / 100);
      harness.clock.advance(10);
    }
    harness.clock.advance(100);
    expect(core.tasks.get(task.id).progress).toBe(0.5);
    expect(eventsOf(task).filter((event) => event === 'task.updated running').length).toBeLessThan(9);
  });
});
