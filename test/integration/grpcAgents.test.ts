import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import {
  AgentServiceDefinition,
  AgentState,
  AgentType,
  ExecuteTaskRequest,
  ListTasksRequest,
  MessageType,
  RegisterRequest,
  StreamAgentRequest,
  type StreamAgentResponse,
  type StreamTaskRequest,
  type StreamTaskResponse,
  TaskState,
} from '../../src/protocol/gen/agent/v1/agent.ts';
import { ResourceUsage, Status } from '../../src/protocol/gen/common/v1/common.ts';
import { ServedCore } from '../harness/servedCore.ts';
import { frame, heartbeat, Talk, utf8 } from '../harness/taskTalk.ts';

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

describe('agents', () => {
  it('register with all that they say of themselves, beat, and leave', async () => {
    const request = RegisterRequest.fromPartial({
      name: 'python-executor',
      type: AgentType.AGENT_TYPE_WORKER,
      metadata: { version: '1.0.0', hostname: 'host-1', labels: { zone: 'a' }, tags: ['x'], pid: '17' },
      capabilities: {
        supportedTasks: ['code-execution', 'file-operation'],
        supportedTools: ['bash'],
        maxConcurrentTasks: 5,
        supportsStreaming: true,
        resourceLimits: { nanoCpus: 500_000_000n, memoryBytes: 1_048_576n },
        supportedProtocols: ['grpc'],
      },
    });
    const { agentId, agent, registrationToken } = await service.register(request);
    expect(agentId).toMatch(/^[0-9a-f]{32}$/);
    expect(registrationToken).toBe(agentId);
    expect(agent).toMatchObject({
      id: agentId,
      name: 'python-executor',
      type: AgentType.AGENT_TYPE_WORKER,
      state: AgentState.AGENT_STATE_IDLE,
      status: Status.STATUS_RUNNING,
      metadata: request.metadata,
      capabilities: request.capabilities,
      activeTasks: [],
    });
    const { capabilities } = await service.getCapabilities({});
    expect(capabilities).toMatchObject({
      supportedTasks: ['code-execution', 'file-operation'],
      supportedTools: ['bash'],
      maxConcurrentTasks: 5,
      supportsStreaming: true,
      supportsCancellation: true,
    });
    const resources = ResourceUsage.fromPartial({ cpuPercent: 12.5, memoryUsage: 4_096n, pidsCount: 3n });
    const beat = await service.heartbeat({ agentId, resources, activeTasks: [] });
    expect(beat.pendingTasks).toEqual([]);
    expect(Math.abs(beat.timestamp!.getTime() - Date.now())).toBeLessThan(30_000);
    expect(await service.getStatus({})).toMatchObject({
      status: Status.STATUS_RUNNING,
      state: AgentState.AGENT_STATE_IDLE,
      activeTasks: 0,
      resources: { cpuPercent: 12.5, memoryUsage: 4_096n, pidsCount: 3n },
    });
    expect(await service.unregister({ agentId, reason: 'done' })).toEqual({
      success: true,
      message: 'Agent unregistered: done',
    });
    expect((await service.getCapabilities({})).capabilities).toMatchObject({ maxConcurrentTasks: 0 });
    await expect(service.heartbeat({ agentId, resources: undefined, activeTasks: [] })).rejects.toMatchObject(
      {
        code: 'NOT_FOUND',
        message: 'agent not found',
      },
    );
  });

  it('is told what is missing or unknown, in the words of the contract', async () => {
    const missing = { code: 'INVALID_ARGUMENT', reason: 'invalid_request' };
    await expect(register({ name: '' })).rejects.toMatchObject({ ...missing, message: 'name is required' });
    await expect(register({ type: 77 as AgentType })).rejects.toMatchObject(missing);
    const task = (request: object) => service.executeTask(ExecuteTaskRequest.fromPartial(request));
    const agentId = await register();
    await expect(task({})).rejects.toMatchObject({ ...missing, message: 'agent_id is required' });
    await expect(task({ agentId })).rejects.toMatchObject({ ...missing, message: 'session_id is required' });
    await expect(task({ agentId, sessionId })).rejects.toMatchObject({
      ...missing,
      message: 'config is required',
    });
    await expect(task({ agentId, sessionId, config: { timeoutNs: -1n } })).rejects.toMatchObject(missing);
    await expect(task({ agentId: 'nobody', sessionId, config: {} })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'agent not found',
    });
    await expect(task({ agentId, sessionId: 'none', config: {} })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'session not found: none',
    });
    await expect(service.getTaskStatus({ taskId: '' })).rejects.toMatchObject({
      ...missing,
      message: 'task_id is required',
    });
    const unknown = { code: 'NOT_FOUND', message: 'task not found' };
    await expect(service.getTaskStatus({ taskId: 'none' })).rejects.toMatchObject(unknown);
    await expect(service.cancelTask({ taskId: 'none', reason: '', force: false })).rejects.toMatchObject(
      unknown,
    );
    await expect(service.unregister({ agentId: 'none', reason: '' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'agent not found',
    });
    expect(await service.listTasks(ListTasksRequest.fromPartial({ agentId: 'none' }))).toEqual({
      tasks: [],
      totalCount: 0,
    });
    await expect(service.sendMessage({ agentId, message: undefined })).rejects.toMatchObject({
      ...missing,
      message: 'message is required',
    });
  });

  it('of an owner are out of the reach of another', async () => {
    const [ours, theirs] = await Promise.all(
      ['orchestrator:a', 'orchestrator:b'].map(async (principal) =>
        (await served.connect({ principal })).service(AgentServiceDefinition),
      ),
    );
    const { agentId, agent } = await ours!.register(RegisterRequest.fromPartial({ name: 'worker' }));
    expect(agent?.metadata?.ownerId).toBe('orchestrator:a');
    const denied = { code: 'PERMISSION_DENIED' };
    await expect(theirs!.unregister({ agentId, reason: '' })).rejects.toMatchObject(denied);
    await expect(
      theirs!.register(RegisterRequest.fromPartial({ name: 'w', metadata: { ownerId: 'orchestrator:a' } })),
    ).rejects.toMatchObject(denied);
    const taskId = await execute(agentId);
    await expect(theirs!.cancelTask({ taskId, reason: '', force: false })).rejects.toMatchObject(denied);
    expect((await ours!.cancelTask({ taskId, reason: '', force: false })).cancelled).toBe(true);
  });
});

describe("an agent's stream", () => {
  it('is bound by the first message, is one, and a second takes its place', async () => {
    const open = async (request: StreamAgentRequest) => {
      const talk = agentTalk();
      talk.say(request);
      return talk.next();
    };
    await expect(open({ agentId: '', payload: undefined })).rejects.toMatchObject({
      message: 'first message must contain agent_id',
    });
    await expect(open({ agentId: 'none', payload: undefined })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'agent not found',
    });
    const agentId = await register();
    const message = StreamAgentRequest.fromPartial({
      payload: {
        $case: 'message',
        value: {
          id: 'mine',
          type: MessageType.MESSAGE_TYPE_EVENT,
          timestamp: new Date(1_700_000_000_000),
          sourceId: 'tester',
          payload: { $case: 'eventMessage', value: { eventType: 'e', source: 's', data: { a: 'b' } } },
          metadata: { correlationId: 'c', headers: { h: '1' }, priority: 3 },
        },
      },
    }).payload;
    if (message?.$case !== 'message') throw new Error('unreachable');
    const send = () => service.sendMessage({ agentId, message: message.value });
    const beating = agentTalk();
    beating.say({ agentId, payload: heartbeat });
    await beating.next();
    // A heartbeat alone binds nothing.
    await expect(send()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'agent stream not connected',
    });

    const first = agentTalk();
    first.say({ agentId, payload: undefined });
    first.say({ agentId, payload: heartbeat });
    await first.next();
    const second = agentTalk();
    second.say({ agentId, payload: undefined });
    second.say({ agentId, payload: heartbeat });
    await second.next();
    first.endSending();
    expect(await first.next()).toBeUndefined();
    expect((await send()).messageId).toBe('mine');
    expect((await second.next())?.payload).toMatchObject({
      $case: 'message',
      value: { ...message.value, targetId: agentId, metadata: { ...message.value.metadata, sessionId: '' } },
    });
    await service.unregister({ agentId, reason: '' });
    expect(await second.next()).toBeUndefined();
    await beating.close();
  });

  it('carries a task from its request to its end', async () => {
    const agentId = await register();
    const own = agentTalk();
    own.say({ agentId, payload: undefined });
    const taskId = await execute(agentId);
    await own.next();
    const report = (state: TaskState, progress: number, text: string): void =>
      own.say(
        StreamAgentRequest.fromPartial({
          payload: {
            $case: 'message',
            value: {
              payload: {
                $case: 'taskMessage',
                value: { taskId, state, progress, output: utf8(text), statusMessage: 'going' },
              },
            },
          },
        }),
      );
    const watcher = taskTalk();
    watcher.say(frame(taskId));
    report(TaskState.TASK_STATE_RUNNING, 0.25, 'hello ');
    report(TaskState.TASK_STATE_COMPLETED, 1, 'world');
    const heard = await watcher.until(() => false);
    const texts = heard.flatMap(({ payload }) => (payload?.$case === 'output' ? [payload.value.text] : []));
    expect(texts.join('')).toBe('hello world');
    expect(heard.at(-1)?.payload?.$case).toBe('complete');
    await own.close();
  });

  it('brings the words of a session to the assistant, and its answer back', async () => {
    const agentId = await register({ name: 'Assistant' });
    const own = agentTalk();
    own.say({ agentId, payload: undefined });
    own.say({ agentId, payload: heartbeat });
    await own.next();
    const { conversations, messages } = served.core;
    conversations.say(sessionId, { content: 'how are you?' });
    const asked = (await own.next())?.payload;
    expect(asked).toMatchObject({
      value: {
        type: MessageType.MESSAGE_TYPE_DATA,
        sourceId: 'orchestrator',
        targetId: agentId,
        payload: { $case: 'dataMessage', value: { contentType: 'text/plain' } },
        metadata: { sessionId },
      },
    });
    if (asked?.$case !== 'message' || asked.value.payload?.$case !== 'dataMessage')
      throw new Error('no data');
    expect(Buffer.from(asked.value.payload.value.data).toString()).toBe('how are you?');
    const answered = new Promise<string>((resolve) =>
      conversations.listen(sessionId, ({ content }) => resolve(content)),
    );
    const answer = (headers: Record<string, string>, text: string): void =>
      own.say(
        StreamAgentRequest.fromPartial({
          payload: {
            $case: 'message',
            value: { payload: { $case: 'dataMessage', value: { data: utf8(text), headers } } },
          },
        }),
      );
    answer({ correlation_id: 'another' }, 'dropped');
    answer({ correlation_id: asked.value.metadata?.correlationId ?? '' }, 'fine');
    expect(await answered).toBe('fine');
    expect(messages.list({ sessionId }).map(({ content }) => content)).toEqual(['how are you?', 'fine']);
    await own.close();
  });
});
