import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import {
  AgentServiceDefinition,
  ExecuteTaskRequest,
  StreamTaskRequest,
  type StreamTaskResponse,
  type Task,
  TaskState,
} from '../../src/protocol/gen/agent/v1/agent.ts';
import { RunRequest, RunServiceDefinition } from '../../src/protocol/gen/run/v1/run.ts';
import { ServedCore } from '../harness/servedCore.ts';
import { allProcesses, isAlive, waitUntil } from '../harness/processes.ts';
import { generateStubs, PythonAgent, type PythonAgentOptions } from '../harness/pythonAgent.ts';

/** An agent that is written in Python with Debian's grpcio: what it sees is what any client sees. */
let stubs: string;
let served: ServedCore;
let service: RpcClient<typeof AgentServiceDefinition>;
let sessionId: string;
let agents: PythonAgent[];

beforeAll(() => {
  stubs = mkdtempSync(join(tmpdir(), 'ow-stubs-'));
  generateStubs(stubs);
});
afterAll(() => rmSync(stubs, { recursive: true, force: true }));

beforeEach(async () => {
  agents = [];
  served = await new ServedCore({ limits: { agentSilenceMs: 3_000 } }).start();
  service = (await served.connect()).service(AgentServiceDefinition);
  sessionId = (await served.core.sessions.create({})).id;
});
afterEach(async () => {
  for (const agent of agents) await agent[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

async function startAgent(name: string, options: Partial<PythonAgentOptions> = {}): Promise<PythonAgent> {
  const agent = await PythonAgent.start({ socketPath: served.socketPath, stubs, name, ...options });
  agents.push(agent);
  return agent;
}

type Config = NonNullable<Parameters<typeof ExecuteTaskRequest.fromPartial>[0]['config']>;

async function execute(agentId: string, config: Config): Promise<string> {
  const request = ExecuteTaskRequest.fromPartial({ agentId, sessionId, config });
  return (await service.executeTask(request)).taskId;
}

async function taskWhen(taskId: string, fits: (task: Task) => boolean): Promise<Task> {
  return waitUntil(`the task ${taskId} is as it should be`, async () => {
    const { task } = await service.getTaskStatus({ taskId });
    return task !== undefined && fits(task) ? task : undefined;
  });
}

const isIn =
  (state: TaskState) =>
  (task: Task): boolean =>
    task.state === state;

async function watch(taskId: string): Promise<StreamTaskResponse[]> {
  const requests = (async function* () {
    yield await Promise.resolve(StreamTaskRequest.fromPartial({ taskId }));
  })();
  const heard: StreamTaskResponse[] = [];
  for await (const answer of service.streamTask(requests)) heard.push(answer);
  return heard;
}

const textsOf = (heard: readonly StreamTaskResponse[], stream: string): string =>
  heard
    .flatMap(({ payload }) =>
      payload?.$case === 'output' && payload.value.streamType === stream ? [payload.value.text] : [],
    )
    .join('');

describe('an agent in Python', () => {
  it('takes a task, streams output and progress, and completes it', async () => {
    const agent = await startAgent('python-executor', { capabilities: ['code-execution'] });
    const command = [
      'echo "hello $WHO"; echo ::progress 0.5 half of it; echo "::progress is no such line"',
      'echo oops >&2; exit 3',
    ].join('\n');
    const taskId = await execute(agent.id, { command, environment: { WHO: 'wörld' } });
    const heard = await watch(taskId);
    expect(textsOf(heard, 'stdout')).toBe('hello wörld\n::progress is no such line\n');
    expect(textsOf(heard, 'stderr')).toBe('oops\n');
    expect(heard.map(({ payload }) => payload?.$case)).toContain('progress');
    expect(heard.at(-1)?.payload).toMatchObject({
      $case: 'complete',
      value: { taskId, result: { exitCode: 3, metadata: { agent: 'python-executor' } } },
    });
    const { task } = await service.getTaskStatus({ taskId });
    expect(task).toMatchObject({
      state: TaskState.TASK_STATE_FAILED,
      agentId: agent.id,
      error: { code: 'EXIT_CODE' },
    });
  });

  it('gets what is sent to the task, from the first byte on', async () => {
    const agent = await startAgent('worker');
    const command = 'read first; read second; echo "$second, $first"';
    const taskId = await execute(agent.id, { command, inputData: Buffer.from('one\n') });
    await agent.tells('begun');
    served.core.tasks.sendInput(taskId, Buffer.from('two\n'));
    expect(textsOf(await watch(taskId), 'stdout')).toBe('two, one\n');
  });

  it('stops what it does when the task is cancelled, or its time is over', async () => {
    const agent = await startAgent('worker');
    for (const [seconds, end] of [
      ['71.5', TaskState.TASK_STATE_CANCELLED],
      ['72.5', TaskState.TASK_STATE_TIMEOUT],
    ] as const) {
      const timeoutNs = end === TaskState.TASK_STATE_TIMEOUT ? 1_500_000_000n : 0n;
      const taskId = await execute(agent.id, { command: `echo on; sleep ${seconds}`, timeoutNs });
      const isSleep = ({ command }: { readonly command: string }): boolean => command === `sleep ${seconds}`;
      const sleep = await waitUntil('the sleep', () => allProcesses().find(isSleep));
      if (timeoutNs === 0n) {
        expect(await service.cancelTask({ taskId, reason: 'enough', force: false })).toEqual({
          taskId,
          state: end,
          cancelled: true,
        });
      }
      await taskWhen(taskId, isIn(end));
      await waitUntil('the sleep is gone', () => !isAlive(sleep.pid));
      expect(textsOf(await watch(taskId), 'stdout')).toBe('on\n');
    }
  });

  it('is lost when it is killed, and another one does its task', async () => {
    const capabilities = ['build'];
    const first = await startAgent('one', { capabilities });
    const command = 'echo "by $PPID"; [ -e "$DONE" ] || sleep 60';
    const DONE = join(served.harness.folder, 'orchestrator.db');
    const config = { command, maxRetries: 2n, retryOnFailure: true };
    const taskId = await execute('capability:build', config);
    await taskWhen(
      taskId,
      ({ agentId, state }) => agentId === first.id && state === TaskState.TASK_STATE_RUNNING,
    );
    const second = await startAgent('two', { capabilities, env: { ...process.env, DONE } });
    await first.end('SIGKILL');
    const ended = await taskWhen(taskId, isIn(TaskState.TASK_STATE_COMPLETED));
    expect(ended.agentId).toBe(second.id);
    expect(served.core.agents.status(first.id).state).toBe('lost');
    const types = served.core.events.read({ after: 0, limit: 1_000 }).map(({ type }) => type);
    expect(types).toContain('agent.lost');
  });

  it('with a task that is not to be tried again fails it by its loss, and says why', async () => {
    const agent = await startAgent('worker');
    const taskId = await execute(agent.id, { command: 'sleep 60' });
    await taskWhen(taskId, isIn(TaskState.TASK_STATE_RUNNING));
    await agent.end('SIGKILL');
    const task = await taskWhen(taskId, isIn(TaskState.TASK_STATE_FAILED));
    expect(task.error).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'The agent "worker" was lost: it gave no sign of life.',
    });
  });

  it('does no more at a time than it has said', async () => {
    const agent = await startAgent('worker', { room: 2 });
    const taskIds = await Promise.all(
      [1, 2, 3, 4, 5].map((number) => execute(agent.id, { command: `sleep 0.3; echo ${number}` })),
    );
    let most = 0;
    const subscription = served.core.tasks.onDidChange(() => {
      most = Math.max(most, served.core.agents.status(agent.id).activeTasks.length);
    });
    for (const [index, taskId] of taskIds.entries()) {
      expect(textsOf(await watch(taskId), 'stdout')).toBe(`${index + 1}\n`);
    }
    subscription.dispose();
    expect(most).toBe(2);
  });

  it('opens its stream again when the orchestrator comes back, and is the same agent', async () => {
    const agent = await startAgent('worker');
    const { id } = agent;
    await served.closeDoor();
    await agent.tells('unstreamed');
    await served.openDoor();
    await agent.tells('streaming', 2);
    expect(agent.id).toBe(id);
    service = (await served.connect()).service(AgentServiceDefinition);
    const taskId = await execute(id, { command: 'echo again' });
    expect(textsOf(await watch(taskId), 'stdout')).toBe('again\n');
  });

  it('that was forgotten registers anew, and one that is told to end leaves', async () => {
    const agent = await startAgent('worker');
    const { id } = agent;
    served.core.agents.unregister(id, 'forgotten');
    await agent.tells('registered', 2);
    expect(agent.id).not.toBe(id);
    expect(served.core.agents.list().map((known) => known.id)).toEqual([agent.id]);
    await agent.end('SIGTERM');
    expect(agent.child.exitCode).toBe(0);
    expect(served.core.agents.list()).toEqual([]);
  });

  it('answers as the assistant of a session', async () => {
    await startAgent('assistant');
    const heard: string[] = [];
    for await (const chunk of served.core.chat.answer(sessionId, { content: 'grüße' })) {
      if (chunk.kind === 'text') heard.push(chunk.text);
    }
    expect(heard).toEqual(['You said: grüße']);
  });

  it('carries out runs', async () => {
    await startAgent('worker');
    const { runs, tasks } = served.core;
    const service = (await served.connect()).service(RunServiceDefinition);
    const request = RunRequest.fromPartial({
      task: 'echo on; exit 4',
      sessionId,
      engine: 'agent:worker',
    });
    const runId = (await service.startRun({ request })).run?.id ?? '';
    const ended = await runs.waitForEnd(runId);
    expect(ended).toMatchObject({ status: 'failed', steps: [{ exitCode: 4 }] });
    const { run } = await service.getRun({ runId });
    expect(run).toMatchObject({ taskId: ended.taskId, request: { engine: 'agent:worker' } });
    const [chunk] = tasks.readOutput(run?.taskId ?? '', 0);
    expect(Buffer.from(chunk?.data ?? []).toString()).toBe('on\n');
    const read = (skipBytes: number) => service.readStepOutput({ runId, step: 1, skipBytes });
    expect(await read(0)).toMatchObject({ data: Buffer.from('on\n'), position: 0, totalBytes: 3 });
    expect(await read(1)).toMatchObject({ data: Buffer.from('n\n'), position: 1, totalBytes: 3 });
    expect((await read(3)).data).toHaveLength(0);
  });
});
