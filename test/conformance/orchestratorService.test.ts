import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import type { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Health, Priority, Status } from '../../src/protocol/gen/common/v1/common.ts';
import {
  ContainerConfig,
  CreateSessionRequest,
  EventType,
  Message,
  MessageRole,
  OrchestratorServiceDefinition,
  SessionFilter,
  SessionMetadata,
  SessionState,
  type StreamMessageRequest,
  type StreamMessageResponse,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { connectAssistant, iterate, nextOf, ServedCore } from '../harness/servedCore.ts';

let served: ServedCore;
let client: GrpcClient;
let service: RpcClient<typeof OrchestratorServiceDefinition>;

beforeEach(async () => {
  served = await new ServedCore({ limits: { replyLimitMs: 300, maxSessions: 50 } }).start();
  client = await served.connect();
  service = client.service(OrchestratorServiceDefinition);
});
afterEach(() => served[Symbol.asyncDispose]());

const create = async (request: Parameters<typeof CreateSessionRequest.fromPartial>[0] = {}) => {
  const answer = await service.createSession(
    CreateSessionRequest.fromPartial({ metadata: { name: 'work' }, ...request }),
  );
  return answer.session!;
};
const get = async (sessionId: string) => (await service.getSession({ sessionId })).session!;

describe('sessions', () => {
  it('are created with all that the seed sets, and shown whole', async () => {
    const session = await create({
      metadata: {
        name: 'my-session',
        description: 'Example session',
        ownerId: 'user-123',
        labels: { team: 'a' },
        tags: ['x'],
      },
      config: {
        maxContainers: 10,
        maxDurationNs: 7_200_000_000_000n,
        idleTimeoutNs: 3_600_000_000_000n,
        resourceLimits: { nanoCpus: 1_000_000_000n, memoryBytes: 1_073_741_824n, memorySwap: -1n },
        allowedImages: ['python:3.11'],
        policy: { allowNetwork: true, allowedPaths: ['/srv'] },
      },
    });
    expect(session.id).toMatch(/^[0-9a-f]{32}$/);
    expect(session).toMatchObject({
      state: SessionState.SESSION_STATE_ACTIVE,
      status: Status.STATUS_RUNNING,
      metadata: {
        name: 'my-session',
        description: 'Example session',
        ownerId: 'user-123',
        labels: { team: 'a' },
        tags: ['x'],
      },
      context: {
        messages: [],
        preferences: { timezone: '' },
        config: {
          maxContainers: 10,
          maxDurationNs: 7_200_000_000_000n,
          idleTimeoutNs: 3_600_000_000_000n,
          resourceLimits: { nanoCpus: 1_000_000_000n, memoryBytes: 1_073_741_824n, memorySwap: -1n },
          allowedImages: ['python:3.11'],
          policy: { allowNetwork: true, allowVolumeMount: false, allowedPaths: ['/srv'] },
        },
        resourceUsage: { cpuPercent: 0, memoryUsage: 0n },
      },
      containerIds: [],
      closedAt: undefined,
    });
    expect(session.expiresAt!.getTime() - session.createdAt!.getTime()).toBe(7_200_000);
    expect(await get(session.id)).toEqual(session);
  });

  it('are listed by every field of the filter, closed ones too', async () => {
    const [mine, closed] = [
      await create({ metadata: { ownerId: 'me', labels: { a: '1', b: '2' } } }),
      await create(),
    ];
    await service.closeSession({ sessionId: closed.id, reason: '' });
    const list = async (filter: Parameters<typeof SessionFilter.fromPartial>[0]) => {
      const { sessions, totalCount } = await service.listSessions({
        filter: SessionFilter.fromPartial(filter),
      });
      expect(totalCount).toBe(sessions.length);
      return sessions.map(({ id }) => id);
    };
    expect((await service.listSessions({ filter: undefined })).totalCount).toBe(2);
    expect(await list({})).toEqual([mine.id, closed.id]);
    expect(await list({ state: SessionState.SESSION_STATE_ACTIVE })).toEqual([mine.id]);
    expect(await list({ status: Status.STATUS_STOPPED })).toEqual([closed.id]);
    expect(await list({ ownerId: 'me' })).toEqual([mine.id]);
    expect(await list({ labels: { a: '1', b: '2' } })).toEqual([mine.id]);
    expect(await list({ labels: { a: '1', b: '3' } })).toEqual([]);
  });

  it('are updated as a whole, and only read without metadata', async () => {
    const { id } = await create({ metadata: { name: 'a', description: 'old', labels: { a: '1' } } });
    const { session } = await service.updateSession({
      sessionId: id,
      metadata: SessionMetadata.fromPartial({ name: 'b' }),
      context: undefined,
    });
    expect(session!.metadata).toMatchObject({ name: 'b', description: '', labels: {} });
    await service.closeSession({ sessionId: id, reason: '' });
    const read = await service.updateSession({ sessionId: id, metadata: undefined, context: undefined });
    expect(read.session!.state).toBe(SessionState.SESSION_STATE_CLOSED);
    await expect(
      service.updateSession({
        sessionId: id,
        metadata: SessionMetadata.fromPartial({ name: 'c' }),
        context: undefined,
      }),
    ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', message: 'cannot update closed session' });
  });

  it('are closed once and for all, and keep what was said', async () => {
    const { id } = await create();
    await service.sendMessage({ sessionId: id, message: Message.fromPartial({ content: 'hello' }) });
    const answer = await service.closeSession({ sessionId: id, reason: 'User logged out' });
    expect(answer).toEqual({ sessionId: id, state: SessionState.SESSION_STATE_CLOSED });
    expect((await service.closeSession({ sessionId: id, reason: '' })).state).toBe(
      SessionState.SESSION_STATE_CLOSED,
    );
    const session = await get(id);
    expect(session).toMatchObject({ status: Status.STATUS_STOPPED, closedAt: expect.any(Date) });
    expect(session.context!.messages.map(({ content }) => content)).toEqual(['hello']);
    await expect(
      service.sendMessage({ sessionId: id, message: Message.fromPartial({ content: 'x' }) }),
    ).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'cannot add message to closed session',
    });
  });

  it('are counted to their limit', async () => {
    for (let count = 0; count < 50; count += 1) await create();
    await expect(create()).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'maximum sessions limit reached: 50',
    });
    expect(await service.getStatus({})).toMatchObject({ activeSessions: 50, status: Status.STATUS_RUNNING });
  });

  it('of an agent are its own, and others are only looked at', async () => {
    const ours = await create();
    const agent = (await served.connect({ principal: 'orchestrator:a' })).service(
      OrchestratorServiceDefinition,
    );
    const { session } = await agent.createSession(CreateSessionRequest.fromPartial({ metadata: {} }));
    expect(session!.metadata!.ownerId).toBe('orchestrator:a');
    expect((await agent.getSession({ sessionId: ours.id })).session!.id).toBe(ours.id);
    const denied = { code: 'PERMISSION_DENIED' };
    await expect(agent.closeSession({ sessionId: ours.id, reason: '' })).rejects.toMatchObject(denied);
    await expect(
      agent.sendMessage({ sessionId: ours.id, message: Message.fromPartial({ content: 'x' }) }),
    ).rejects.toMatchObject(denied);
    await expect(
      agent.createSession(CreateSessionRequest.fromPartial({ metadata: { ownerId: 'user' } })),
    ).rejects.toMatchObject(denied);
    await agent.closeSession({ sessionId: session!.id, reason: '' });
  });
});

describe('messages', () => {
  it('are stored as they are sent, with what is missing filled in', async () => {
    const { id } = await create();
    const timestamp = new Date(1_700_000_000_000);
    const own = Message.fromPartial({
      id: 'mine',
      timestamp,
      role: MessageRole.MESSAGE_ROLE_TOOL,
      content: 'ü',
      metadata: { toolName: 'bash', toolCallId: 'c1', containerId: 'k', extra: { a: 'b' } },
    });
    expect(await service.sendMessage({ sessionId: id, message: own })).toEqual({
      messageId: 'mine',
      sessionId: id,
      timestamp,
    });
    const other = await service.sendMessage({
      sessionId: id,
      message: Message.fromPartial({ content: 'y' }),
    });
    expect(other.messageId).toMatch(/^[0-9a-f]{32}$/);
    const { messages } = (await get(id)).context!;
    expect(messages[0]).toEqual(own);
    expect(messages[1]).toMatchObject({ role: MessageRole.MESSAGE_ROLE_USER, metadata: { toolName: '' } });
    await expect(service.sendMessage({ sessionId: id, message: own })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  it('of a long session are shown as far as there is room, the newest', async () => {
    const { id } = await create();
    const content = 'x'.repeat(1_000_000);
    for (let count = 0; count < 12; count += 1) {
      await service.sendMessage({
        sessionId: id,
        message: Message.fromPartial({ id: `m${count}`, content }),
      });
    }
    expect((await get(id)).context!.messages.map((message) => message.id)).toEqual(
      [4, 5, 6, 7, 8, 9, 10, 11].map((count) => `m${count}`),
    );
    const { sessions } = await service.listSessions({ filter: undefined });
    expect(sessions[0]!.context!.messages).toHaveLength(8);
  });
});

describe('StreamMessages', () => {
  const heartbeat: StreamMessageRequest = { sessionId: '', payload: { $case: 'heartbeat', value: {} } };
  const say = (sessionId: string, content: string, role: MessageRole = 0): StreamMessageRequest => ({
    sessionId,
    payload: { $case: 'message', value: Message.fromPartial({ content, role }) },
  });
  const open = (with_ = service) => {
    const requests = new AsyncQueue<StreamMessageRequest>();
    const answers = iterate(with_.streamMessages(requests));
    return { requests, answers, next: async () => (await nextOf(answers)).payload };
  };
  const textOf = (payload: StreamMessageResponse['payload']): string =>
    payload?.$case === 'message' ? payload.value.content : `no message: ${payload?.$case}`;

  it('answers heartbeats, bound or not', async () => {
    const { id } = await create();
    const stream = open();
    stream.requests.push(heartbeat);
    expect(await stream.next()).toMatchObject({ $case: 'heartbeat' });
    stream.requests.push({ ...heartbeat, sessionId: 'nobody' });
    expect(await stream.next()).toMatchObject({ $case: 'heartbeat' });
    const second = open();
    for (const { requests } of [stream, second])
      requests.push(say(id, 'be kind', MessageRole.MESSAGE_ROLE_SYSTEM));
    // Both are bound once both messages are stored.
    await expect.poll(async () => (await get(id)).context!.messages.length).toBe(2);
    second.requests.push(heartbeat);
    expect(await stream.next()).toMatchObject({ $case: 'heartbeat' });
    expect(await second.next()).toMatchObject({ $case: 'heartbeat' });
    for (const { requests, answers } of [stream, second]) {
      requests.end();
      expect(await answers.next()).toMatchObject({ done: true });
    }
  });

  it('needs a session that is there and active', async () => {
    const failure = (request: StreamMessageRequest) => {
      const stream = open();
      stream.requests.push(request);
      return stream.next();
    };
    await expect(failure(say('', 'x'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'first message must contain session_id',
    });
    await expect(failure(say('nobody', 'x'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'session not found: nobody',
    });
    const { id } = await create();
    await service.closeSession({ sessionId: id, reason: '' });
    await expect(failure(say(id, 'x'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: `session is not active: ${id} (state: closed)`,
    });
  });

  it('tells by an event that nobody answers, stores nothing, and goes on', async () => {
    const { id } = await create();
    const stream = open();
    for (let count = 0; count < 2; count += 1) {
      stream.requests.push(say(id, 'hello'));
      const payload = await stream.next();
      expect(payload).toMatchObject({
        $case: 'event',
        value: {
          id: expect.stringMatching(/^[0-9a-f]{32}$/),
          type: EventType.EVENT_TYPE_TASK_FAILED,
          source: 'orchestrator',
          data: { error: 'NOT_FOUND: assistant agent not found' },
          metadata: { sessionId: id, priority: Priority.PRIORITY_NORMAL },
        },
      });
    }
    expect((await get(id)).context!.messages).toEqual([]);
    stream.requests.end();
    expect(await stream.answers.next()).toMatchObject({ done: true });
  });

  it('brings the answer to every stream of the session, and stores both', async () => {
    connectAssistant(served.core);
    const { id } = await create();
    const streams = [open(), open((await served.connect()).service(OrchestratorServiceDefinition))];
    for (const { requests } of streams) requests.push(say(id, '', MessageRole.MESSAGE_ROLE_SYSTEM));
    await expect.poll(async () => (await get(id)).context!.messages.length).toBe(2);
    streams[0]!.requests.push(say('ignored from now on', 'hello'));
    const answers = await Promise.all(streams.map(({ next }) => next()));
    expect(answers.map(textOf)).toEqual(['You said: hello', 'You said: hello']);
    expect(answers[0]).toMatchObject({ value: { role: MessageRole.MESSAGE_ROLE_ASSISTANT } });
    const stored = (await get(id)).context!.messages.slice(2);
    expect(stored.map(({ content }) => content)).toEqual(['hello', 'You said: hello']);
  });

  it("gives the answer to a client that has ended its side, as the seed's example does", async () => {
    connectAssistant(served.core);
    const { id } = await create();
    const stream = open();
    for (const text of ['one', 'two']) stream.requests.push(say(id, text));
    stream.requests.end();
    const texts: string[] = [];
    for (let next = await stream.answers.next(); next.done !== true; next = await stream.answers.next()) {
      texts.push(textOf(next.value.payload));
    }
    expect(texts).toEqual(['You said: one', 'You said: two']);
  });

  it('tells when no answer comes in time, and ends when its session does', async () => {
    connectAssistant(served.core, () => null);
    const { id } = await create();
    const stream = open();
    stream.requests.push(say(id, 'hello'));
    expect(textOf(await stream.next())).toBe('Timed out waiting for assistant response.');
    stream.requests.push(say(id, 'again'));
    stream.requests.end();
    await expect.poll(async () => (await get(id)).context!.messages.length).toBe(3);
    await service.closeSession({ sessionId: id, reason: '' });
    expect(await stream.answers.next()).toMatchObject({ done: true });
  });

  it('serves five clients at once, one answer to each message', async () => {
    connectAssistant(served.core);
    await Promise.all(
      [1, 2, 3, 4, 5].map(async (number) => {
        const own = (await served.connect()).service(OrchestratorServiceDefinition);
        const { sessionId } = await own.createSession(
          CreateSessionRequest.fromPartial({ metadata: { name: `client ${number}` } }),
        );
        const stream = open(own);
        for (const text of ['a', 'b', 'c']) {
          stream.requests.push(say(sessionId, `${text}${number}`));
          expect(textOf(await stream.next())).toBe(`You said: ${text}${number}`);
        }
        stream.requests.end();
        expect(await stream.answers.next()).toMatchObject({ done: true });
      }),
    );
  });
});

describe('the rest', () => {
  it('tells health and status', async () => {
    await create();
    expect(await service.healthCheck({})).toEqual({
      health: Health.HEALTH_HEALTHY,
      version: '1.2.3',
      subsystems: ['session_manager', 'event_bus', 'terminal_manager', 'run_manager', 'container_manager'],
    });
    const status = await service.getStatus({});
    expect(status).toMatchObject({ activeSessions: 1, activeContainers: 0 });
    expect(status.uptime!.getTime()).toBeLessThan(60_000);
    expect(Math.abs(Date.now() - status.startedAt!.getTime())).toBeLessThan(60_000);
  });

  it('has no containers while no engine is there', async () => {
    const { id } = await create();
    const refusal = { code: 'FAILED_PRECONDITION', message: expect.stringContaining('No container engine') };
    const config = ContainerConfig.fromPartial({ image: 'python:3.11' });
    await expect(service.createContainer({ sessionId: id, config })).rejects.toMatchObject(refusal);
    await expect(service.listContainers({ filter: undefined })).rejects.toMatchObject(refusal);
    await expect(service.createContainer({ sessionId: '', config })).rejects.toMatchObject({
      message: 'session_id is required',
    });
    await expect(service.createContainer({ sessionId: id, config: undefined })).rejects.toMatchObject({
      message: 'config is required',
    });
    await expect(service.getContainer({ containerId: '' })).rejects.toMatchObject({
      message: 'container ID cannot be empty',
    });
  });
});
