import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import {
  AgentServiceDefinition,
  AgentState,
  ControlCommand,
  ExecuteTaskRequest,
  ListTasksRequest,
  MessageType,
  RegisterRequest,
  type StreamAgentRequest,
  type StreamAgentResponse,
  type StreamTaskRequest,
  type StreamTaskResponse,
  TaskPriority,
  TaskState,
} from '../../src/protocol/gen/agent/v1/agent.ts';
import { ServedCore } from '../harness/servedCore.ts';
import { complete, frame, heartbeat, output, stateOf, status, Talk, utf8 } from '../harness/taskTalk.ts';

let served: ServedCore;
let service: RpcClient<typeof AgentServiceDefinition>;
let sessionId: string;

beforeEach(async () => {
  served = await new ServedCore().start();
  service = (await served.connect()).service(AgentServiceDefinition);
  sessionId = (await served.core.sessions.create({})).id;
});
afterEach(() => served[Symbol.asyncDispose]());

async function register(request: Parameters<typeof RegisterRequest.fromPartial>[0] = {}): Promise<string> {
  return (await service.register(RegisterRequest.fromPartial({ name: 'worker', ...request }))).agentId;
}

async function execute(
  agentId: string,
  config: NonNullable<Parameters<typeof ExecuteTaskRequest.fromPartial>[0]['config']> = { command: 'job' },
): Promise<string> {
  const request = ExecuteTaskRequest.fromPartial({ agentId, sessionId, config });
  return (await service.executeTask(request)).taskId;
}

const taskTalk = () => new Talk<StreamTaskRequest, StreamTaskResponse>((r) => service.streamTask(r));
const agentTalk = () => new Talk<StreamAgentRequest, StreamAgentResponse>((r) => service.streamAgent(r));

describe('a task', () => {
  it('goes to its agent by heartbeat, and what the worker reports comes to the watcher', async () => {
    const agentId = await register();
    const request = ExecuteTaskRequest.fromPartial({
      agentId,
      sessionId,
      priority: TaskPriority.TASK_PRIORITY_HIGH,
      config: { command: 'python', arguments: ['-c', 'x'], inputData: utf8('in'), environment: { A: 'b' } },
    });
    const { taskId, task } = await service.executeTask(request);
    expect(task).toMatchObject({ id: taskId, name: 'python', state: TaskState.TASK_STATE_PENDING, agentId });
    expect(Buffer.from(task!.config!.inputData).toString()).toBe('in');

    const watcher = taskTalk();
    watcher.say(frame('', heartbeat));
    expect(await watcher.next()).toEqual({ payload: heartbeat });
    watcher.say(frame(taskId));
    expect(stateOf(await watcher.next())).toBe(TaskState.TASK_STATE_QUEUED);

    const beat = () => service.heartbeat({ agentId, resources: undefined, activeTasks: [] });
    expect((await beat()).pendingTasks).toEqual([taskId]);
    expect((await beat()).pendingTasks).toEqual([]);
    const shown = await service.getTaskStatus({ taskId });
    expect(Buffer.from(shown.task!.config!.inputData).toString()).toBe('in');

    const worker = taskTalk();
    worker.say(frame(taskId, status(TaskState.TASK_STATE_RUNNING)));
    expect(stateOf(await worker.next())).toBe(TaskState.TASK_STATE_RUNNING);
    expect((await worker.next())?.payload).toEqual({
      $case: 'output',
      value: { data: utf8('in'), text: 'in', streamType: 'stdin' },
    });
    expect(stateOf(await watcher.next())).toBe(TaskState.TASK_STATE_RUNNING);
    const euro = utf8('€');
    worker.say(
      frame(taskId, { $case: 'output', value: { data: euro.slice(0, 1), text: '', streamType: '' } }),
    );
    worker.say(frame(taskId, { $case: 'output', value: { data: euro.slice(1), text: '', streamType: '' } }));
    worker.say(frame(taskId, output('oops', 'stderr')));
    const printed = await watcher.until(
      ({ payload }) => payload?.$case === 'output' && payload.value.streamType === 'stderr',
    );
    const texts = printed.flatMap(({ payload }) => (payload?.$case === 'output' ? [payload.value.text] : []));
    expect(texts.join('')).toBe('€oops');
    worker.say(frame(taskId, { $case: 'progress', value: { percent: 0.5, message: 'half', details: {} } }));
    expect((await watcher.next())?.payload).toMatchObject({
      $case: 'progress',
      value: { percent: 0.5, message: 'half' },
    });
    watcher.say(frame(taskId, { $case: 'input', value: { data: utf8('more'), metadata: {} } }));
    expect((await worker.next())?.payload).toMatchObject({ value: { text: 'more', streamType: 'stdin' } });
    expect(await service.getStatus({})).toMatchObject({
      state: AgentState.AGENT_STATE_BUSY,
      activeTasks: 1,
    });

    worker.say(frame(taskId, complete(0, 'all')));
    for (const talk of [watcher, worker]) {
      const [end, last, ...others] = await talk.until(() => false);
      expect(stateOf(end)).toBe(TaskState.TASK_STATE_COMPLETED);
      expect(last?.payload).toMatchObject({
        $case: 'complete',
        value: { taskId, result: { exitCode: 0, outputText: 'all', metadata: { by: 'worker' } } },
      });
      expect(others).toEqual([]);
    }
    const late = taskTalk();
    late.say(frame(taskId));
    late.endSending();
    const told = await late.until(() => false);
    expect(told.map(({ payload }) => payload?.$case)).toEqual([
      'output',
      'output',
      'output',
      'status',
      'complete',
    ]);
    expect(await service.cancelTask({ taskId, reason: '', force: false })).toEqual({
      taskId,
      state: TaskState.TASK_STATE_COMPLETED,
      cancelled: false,
    });
  });

  it('needs its id, in every stream', async () => {
    const open = async (request: StreamTaskRequest) => {
      const talk = taskTalk();
      talk.say(request);
      return talk.next();
    };
    await expect(open(frame(''))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'first message must contain task_id',
    });
    await expect(open(frame('task-123'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'task not found',
    });
    const waiting = await execute('agent:nobody-yet');
    await expect(open(frame(waiting, output('x')))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const empty = taskTalk();
    empty.endSending();
    expect(await empty.next()).toBeUndefined();
  });

  it('is cancelled by its watcher, and its worker hears of it in both streams', async () => {
    const agentId = await register();
    const own = agentTalk();
    own.say({ agentId, payload: undefined });
    own.say({ agentId, payload: heartbeat });
    expect((await own.next())?.payload).toEqual(heartbeat);
    const taskId = await execute(agentId);
    const given = (await own.next())?.payload;
    expect(given).toMatchObject({
      $case: 'message',
      value: {
        type: MessageType.MESSAGE_TYPE_TASK_REQUEST,
        targetId: agentId,
        payload: { $case: 'taskMessage', value: { taskId, sessionId, state: TaskState.TASK_STATE_QUEUED } },
        metadata: { sessionId, headers: { attempt: '1' } },
      },
    });
    const worker = taskTalk();
    worker.say(frame(taskId, status(TaskState.TASK_STATE_RUNNING)));
    await worker.next();
    const watcher = taskTalk();
    watcher.say(frame(taskId, { $case: 'cancel', value: { reason: 'enough', force: false } }));
    const isEnd = ({ payload }: StreamTaskResponse): boolean => payload?.$case === 'complete';
    for (const talk of [watcher, worker]) {
      const heard = await talk.until(isEnd);
      expect(heard.map(stateOf)).toContain(TaskState.TASK_STATE_CANCELLED);
      expect(heard.at(-1)?.payload?.$case).toBe('complete');
      expect(await talk.next()).toBeUndefined();
    }
    expect((await own.next())?.payload).toMatchObject({
      value: {
        type: MessageType.MESSAGE_TYPE_CONTROL,
        payload: {
          value: {
            command: ControlCommand.CONTROL_COMMAND_CANCEL,
            parameters: { task_id: taskId, reason: 'The task was cancelled: enough' },
          },
        },
      },
    });
    expect((await service.getTaskStatus({ taskId })).task).toMatchObject({
      state: TaskState.TASK_STATE_CANCELLED,
      error: { code: 'CANCELLED' },
    });
    own.endSending();
    expect(await own.next()).toBeUndefined();
  });

  it('fails with what the worker says, and is tried again by the next agent where it may be', async () => {
    const capabilities = { supportedTasks: ['build'], maxConcurrentTasks: 1 };
    const first = await register({ name: 'one', capabilities });
    const config = { command: 'x', maxRetries: 1n, retryOnFailure: true };
    const taskId = await execute('capability:build', config);
    const watcher = taskTalk();
    watcher.say(frame(taskId));
    await watcher.until((answer) => stateOf(answer) === TaskState.TASK_STATE_QUEUED);
    const beat = (agentId: string) => service.heartbeat({ agentId, resources: undefined, activeTasks: [] });
    expect((await beat(first)).pendingTasks).toEqual([taskId]);
    const worker = taskTalk();
    const error = {
      code: 'E42',
      message: 'no disk',
      details: ['d'],
      stackTrace: 'at x',
      occurredAt: undefined,
    };
    worker.say(frame(taskId, { $case: 'errorMsg', value: error }));
    const heard = await worker.until(() => false);
    expect(heard.map(stateOf)).toContain(TaskState.TASK_STATE_PENDING);
    await service.unregister({ agentId: first, reason: '' });
    const second = await register({ name: 'two', capabilities });
    await watcher.until((answer) => stateOf(answer) === TaskState.TASK_STATE_QUEUED);
    expect((await beat(second)).pendingTasks).toEqual([taskId]);
    const again = taskTalk();
    again.say(frame(taskId, { $case: 'errorMsg', value: error }));
    const end = await watcher.until(() => false);
    expect(end.at(-1)?.payload).toMatchObject({
      $case: 'error',
      value: { code: 'E42', message: 'no disk', details: ['d', 'at x'] },
    });
    const { tasks } = await service.listTasks(ListTasksRequest.fromPartial({ agentId: second }));
    expect(tasks).toMatchObject([{ id: taskId, state: TaskState.TASK_STATE_FAILED, agentId: second }]);
    await again.close();
  });

  it('is found by the whole filter', async () => {
    const agentId = await register();
    const before = new Date(Date.now() - 1);
    const taskId = await execute(agentId);
    const count = async (filter: NonNullable<Parameters<typeof ListTasksRequest.fromPartial>[0]['filter']>) =>
      (await service.listTasks(ListTasksRequest.fromPartial({ agentId, filter }))).totalCount;
    await expect.poll(() => count({ state: TaskState.TASK_STATE_QUEUED })).toBe(1);
    expect(await count({ state: TaskState.TASK_STATE_PAUSED })).toBe(0);
    expect(await count({ sessionId })).toBe(1);
    expect(await count({ sessionId: 'another' })).toBe(0);
    expect(await count({ priority: TaskPriority.TASK_PRIORITY_LOW })).toBe(0);
    expect(await count({ createdAfter: before })).toBe(1);
    expect(await count({ createdBefore: before })).toBe(0);
    await service.cancelTask({ taskId, reason: '', force: false });
    expect(await count({ state: TaskState.TASK_STATE_CANCELLED })).toBe(1);
  });
});
