import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Health, Status } from '../../src/protocol/gen/common/v1/common.ts';
import {
  CreateGatewaySessionRequest,
  type GatewayEvent,
  GatewayEventFilter,
  GatewayEventType,
  GatewayMessage,
  GatewayMessageRole,
  GatewayServiceDefinition,
  GatewaySessionFilter,
  GatewaySessionState,
  type ResponseChunk,
  StreamOptions,
  StreamResponsesRequest,
  StreamState,
  type StreamChatRequest,
  type StreamResponsesResponse,
} from '../../src/protocol/gen/gateway/v1/gateway.ts';
import {
  OrchestratorServiceDefinition,
  SessionMetadata,
  SessionState,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { connectAssistant, iterate, nextOf, ServedCore } from '../harness/servedCore.ts';

let served: ServedCore;
let gateway: RpcClient<typeof GatewayServiceDefinition>;
let orchestrator: RpcClient<typeof OrchestratorServiceDefinition>;

beforeEach(async () => {
  served = await new ServedCore({ limits: { replyLimitMs: 5_000 } }).start();
  const client = await served.connect();
  gateway = client.service(GatewayServiceDefinition);
  orchestrator = client.service(OrchestratorServiceDefinition);
});
afterEach(() => served[Symbol.asyncDispose]());

type Wanted = Parameters<typeof CreateGatewaySessionRequest.fromPartial>[0];

const create = async (wanted: Wanted = {}) => {
  const request = CreateGatewaySessionRequest.fromPartial({ metadata: { name: 'web' }, ...wanted });
  return (await gateway.createGatewaySession(request)).session!;
};
const said = (content: string, over: Parameters<typeof GatewayMessage.fromPartial>[0] = {}) =>
  GatewayMessage.fromPartial({ content, role: GatewayMessageRole.GATEWAY_MESSAGE_ROLE_USER, ...over });
const messagesOf = async (sessionId: string) =>
  (await orchestrator.getSession({ sessionId })).session!.context!.messages;

describe('gateway sessions', () => {
  it('are linked with one of the orchestrator, and say all that the seed sets', async () => {
    const session = await create({
      metadata: {
        name: 'web-session',
        clientType: 'web',
        clientVersion: '1.0.0',
        userId: 'user-123',
        labels: { a: 'b' },
        tags: ['t'],
      },
      config: {
        timeoutNs: 60_000_000_000n,
        idleTimeoutNs: 30_000_000_000n,
        enableStreaming: true,
        streamConfig: { chunkSize: 1024n, enableDelta: true },
        security: { allowedOrigins: ['https://example.org'] },
      },
    });
    expect(session).toMatchObject({
      state: GatewaySessionState.GATEWAY_SESSION_STATE_ACTIVE,
      status: Status.STATUS_RUNNING,
      metadata: { name: 'web-session', clientType: 'web', clientVersion: '1.0.0', userId: 'user-123' },
      config: {
        enableStreaming: true,
        streamConfig: { chunkSize: 1024n, enableDelta: true },
        security: { allowedOrigins: ['https://example.org'] },
      },
    });
    expect(session.metadata!.labels).toEqual({ a: 'b' });
    expect(session.expiresAt!.getTime() - session.createdAt!.getTime()).toBe(60_000);
    const { id, orchestratorSessionId } = session;
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(id).not.toBe(orchestratorSessionId);
    const linked = await orchestrator.getSession({ sessionId: orchestratorSessionId });
    expect(linked.session).toMatchObject({
      metadata: { name: 'web-session', ownerId: 'user-123', labels: { a: 'b' } },
      context: { config: { maxDurationNs: 60_000_000_000n, idleTimeoutNs: 30_000_000_000n } },
    });
    expect((await gateway.getGatewaySession({ sessionId: id })).session).toEqual(session);
  });

  it('are listed by the filter, outlive the server, and stay what they are when they are renamed', async () => {
    const [one, two] = [await create({ metadata: { userId: 'me', labels: { a: '1' } } }), await create()];
    await orchestrator.updateSession({
      sessionId: two.orchestratorSessionId,
      metadata: SessionMetadata.fromPartial({ name: 'renamed', labels: { 'gateway.id': 'forged', b: '2' } }),
      context: undefined,
    });
    const list = async (filter: Parameters<typeof GatewaySessionFilter.fromPartial>[0]) =>
      (await gateway.listGatewaySessions({ filter: GatewaySessionFilter.fromPartial(filter) })).sessions.map(
        ({ id }) => id,
      );
    expect(await list({})).toEqual([one.id, two.id]);
    expect(await list({ userId: 'me' })).toEqual([one.id]);
    expect(await list({ labels: { a: '1' } })).toEqual([one.id]);
    expect(await list({ labels: { b: '2' } })).toEqual([two.id]);
    expect(await list({ state: GatewaySessionState.GATEWAY_SESSION_STATE_IDLE })).toEqual([]);
    expect(await list({ status: Status.STATUS_RUNNING })).toEqual([one.id, two.id]);
    expect((await gateway.getGatewaySession({ sessionId: two.id })).session!.metadata!.name).toBe('renamed');
  });

  it('are gone when they are closed, and the linked one is closed', async () => {
    const { id, orchestratorSessionId } = await create();
    expect(await gateway.closeGatewaySession({ sessionId: id, reason: 'bye' })).toEqual({
      sessionId: id,
      state: GatewaySessionState.GATEWAY_SESSION_STATE_CLOSED,
    });
    await expect(gateway.getGatewaySession({ sessionId: id })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'gateway session not found',
    });
    const linked = await orchestrator.getSession({ sessionId: orchestratorSessionId });
    expect(linked.session!.state).toBe(SessionState.SESSION_STATE_CLOSED);
  });

  it('are counted', async () => {
    await create();
    const { id } = await create();
    await gateway.closeGatewaySession({ sessionId: id, reason: '' });
    const status = await gateway.getStatus({});
    expect(status).toMatchObject({ status: Status.STATUS_RUNNING, activeSessions: 1, activeStreams: 0 });
    expect(status.uptime!.getTime()).toBeLessThan(60_000);
    expect(await gateway.healthCheck({})).toEqual({
      health: Health.HEALTH_HEALTHY,
      version: '1.2.3',
      subsystems: ['session_manager', 'event_bus', 'gateway_registry'],
    });
  });
});

describe('GatewaySendMessage and StreamResponses', () => {
  const responses = async (request: Parameters<typeof StreamResponsesRequest.fromPartial>[0]) => {
    const payloads: NonNullable<StreamResponsesResponse['payload']>[] = [];
    for await (const { payload } of gateway.streamResponses(StreamResponsesRequest.fromPartial(request))) {
      payloads.push(payload!);
    }
    const chunks = payloads.flatMap((payload) => (payload.$case === 'chunk' ? [payload.value] : []));
    const statuses = payloads.flatMap((payload) => (payload.$case === 'status' ? [payload.value] : []));
    return { payloads, chunks, statuses };
  };

  it('stores where nobody answers', async () => {
    const { id, orchestratorSessionId } = await create();
    const message = said('hello', {
      metadata: { correlationId: 'c', model: 'm', tokensUsed: 7, extra: { a: 'b' } },
    });
    const { messageId } = await gateway.gatewaySendMessage({ sessionId: id, message });
    expect(await messagesOf(orchestratorSessionId)).toMatchObject([
      { id: messageId, content: 'hello', metadata: { extra: { a: 'b', model: 'm', tokens_used: '7' } } },
    ]);
    const { statuses, chunks } = await responses({ sessionId: id, messageId });
    expect(chunks).toEqual([]);
    expect(statuses.map(({ state }) => state)).toEqual([
      StreamState.STREAM_STATE_ACTIVE,
      StreamState.STREAM_STATE_ERROR,
    ]);
    expect(statuses[1]!.message).toContain('no answer');
  });

  it('streams the answer in chunks that break no character', async () => {
    const answer = `${'äöü€🙂'.repeat(20)}.`;
    connectAssistant(served.core, () => answer);
    const { id } = await create();
    const { messageId } = await gateway.gatewaySendMessage({ sessionId: id, message: said('hello') });
    const options = StreamOptions.fromPartial({ chunkSize: 10n, includeMetadata: true });
    const { payloads, chunks, statuses } = await responses({ sessionId: id, messageId, options });
    expect(payloads.map(({ $case }) => $case)).toEqual(['status', ...chunks.map(() => 'chunk'), 'status']);
    expect(chunks.map(({ text }) => text).join('')).toBe(answer);
    expect(Buffer.concat(chunks.map(({ data }) => data)).toString()).toBe(answer);
    expect(chunks.every(({ data, isDelta }) => data.length <= 10 && isDelta)).toBe(true);
    expect(chunks.map(({ sequence }) => sequence)).toEqual(chunks.map((_chunk, index) => index));
    expect(chunks.map(({ isFinal }) => isFinal)).toEqual([...chunks.slice(1).map(() => false), true]);
    const bytes = Buffer.byteLength(answer);
    expect(chunks.at(-1)!.metadata).toMatchObject({ contentType: 'text/plain', progress: 1 });
    expect(statuses.map(({ state }) => state)).toEqual([
      StreamState.STREAM_STATE_ACTIVE,
      StreamState.STREAM_STATE_COMPLETE,
    ]);
    expect(statuses[1]).toMatchObject({ bytesSent: BigInt(bytes), chunksSent: BigInt(chunks.length) });
    // Again, and without saying which: it is the last one.
    expect((await responses({ sessionId: id })).chunks.map(({ text }) => text).join('')).toBe(answer);
    expect(
      (await responses({ sessionId: id, options: { chunkSize: 5n } })).chunks[0]!.metadata,
    ).toBeUndefined();
  });

  it('waits for an answer under way, and says when the session ends before', async () => {
    const assistant = connectAssistant(served.core, () => null);
    const { id } = await create();
    await gateway.gatewaySendMessage({ sessionId: id, message: said('hello') });
    const streaming = responses({ sessionId: id });
    await expect.poll(async () => (await gateway.getStatus({})).activeStreams).toBe(1);
    await gateway.closeGatewaySession({ sessionId: id, reason: '' });
    const { statuses } = await streaming;
    expect(statuses.at(-1)).toMatchObject({
      state: StreamState.STREAM_STATE_ERROR,
      message: 'FAILED_PRECONDITION: the session was closed',
    });
    expect(assistant.questions).toHaveLength(1);
    await expect.poll(async () => (await gateway.getStatus({})).activeStreams).toBe(0);
  });

  it('refuses what it cannot do', async () => {
    const { id } = await create({ config: { maxMessageSize: 4 } });
    const send = (sessionId: string, message: GatewayMessage | undefined) =>
      gateway.gatewaySendMessage({ sessionId, message });
    await expect(send('', said('x'))).rejects.toMatchObject({ message: 'session_id is required' });
    await expect(send(id, undefined)).rejects.toMatchObject({ message: 'message is required' });
    await expect(send('nobody', said('x'))).rejects.toMatchObject({ message: 'gateway session not found' });
    await expect(send(id, said('hello'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(responses({ sessionId: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(responses({ sessionId: id, messageId: 'none' })).rejects.toMatchObject({
      message: 'message not found: none',
    });
    await expect(
      gateway.createGatewaySession({ metadata: undefined, config: undefined }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: 'metadata is required' });
  });
});

describe('StreamChat', () => {
  const open = (sessionId: string) => {
    const requests = new AsyncQueue<StreamChatRequest>();
    const answers = iterate(gateway.streamChat(requests));
    const push = (payload: StreamChatRequest['payload']): void => requests.push({ sessionId, payload });
    return {
      requests,
      answers,
      push,
      say: (content: string): void => push({ $case: 'message', value: said(content) }),
      next: async () => (await nextOf(answers)).payload,
    };
  };

  it('brings answers as chunks, of the size that the session sets', async () => {
    connectAssistant(served.core, (question) => `${question}, and more`);
    const { id, orchestratorSessionId } = await create({
      config: { enableStreaming: true, streamConfig: { chunkSize: 8n, enableDelta: true } },
    });
    const chat = open(id);
    chat.push({ $case: 'heartbeat', value: {} });
    expect(await chat.next()).toMatchObject({ $case: 'heartbeat' });
    chat.say('one');
    chat.requests.end();
    const chunks: ResponseChunk[] = [];
    for (let next = await chat.answers.next(); next.done !== true; next = await chat.answers.next()) {
      if (next.value.payload?.$case === 'chunk') chunks.push(next.value.payload.value);
    }
    expect(chunks.map(({ text, isFinal, sequence }) => [text, isFinal, sequence])).toEqual([
      ['one, and', false, 0],
      [' more', true, 1],
    ]);
    expect((await messagesOf(orchestratorSessionId)).map(({ content }) => content)).toEqual([
      'one',
      'one, and more',
    ]);
  });

  it('brings an answer whole where the session sets no size, and tells what fails', async () => {
    connectAssistant(served.core);
    const { id } = await create({ config: { maxMessageSize: 10 } });
    const chat = open(id);
    chat.say('much too long');
    expect(await chat.next()).toMatchObject({
      $case: 'status',
      value: {
        state: StreamState.STREAM_STATE_ERROR,
        message: expect.stringContaining('INVALID_ARGUMENT: message is larger'),
      },
    });
    chat.say('hello');
    expect(await chat.next()).toMatchObject({
      $case: 'chunk',
      value: {
        sequence: 0,
        isFinal: true,
        isDelta: false,
        text: 'You said: hello',
        metadata: { contentType: 'text/plain' },
      },
    });
    expect(await gateway.getStatus({})).toMatchObject({ activeStreams: 1 });
    chat.push({ $case: 'cancel', value: { reason: 'enough', force: false } });
    expect(await chat.next()).toMatchObject({
      $case: 'status',
      value: { state: StreamState.STREAM_STATE_CANCELLED, message: 'enough', chunksSent: 1n },
    });
    expect(await chat.answers.next()).toMatchObject({ done: true });
    expect(await gateway.getStatus({})).toMatchObject({ activeStreams: 0 });
  });

  it('ends with its session, and needs one', async () => {
    connectAssistant(served.core);
    const { id } = await create();
    const chat = open(id);
    chat.say('hello');
    await chat.next();
    await gateway.closeGatewaySession({ sessionId: id, reason: 'bye' });
    expect(await chat.next()).toMatchObject({
      $case: 'event',
      value: {
        type: GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_CLOSED,
        data: { reason: 'bye' },
        metadata: { sessionId: id },
      },
    });
    expect(await chat.answers.next()).toMatchObject({ done: true });
    const unbound = open('');
    unbound.say('x');
    await expect(unbound.next()).rejects.toMatchObject({ message: 'first message must contain session_id' });
    const unknown = open('nobody');
    unknown.say('x');
    await expect(unknown.next()).rejects.toMatchObject({ message: 'gateway session not found' });
  });
});

describe('SubscribeToEvents', () => {
  it('tells what happens in a session, by its gateway id and by the whole filter', async () => {
    connectAssistant(served.core);
    const other = await create();
    const { id, orchestratorSessionId } = await create({ metadata: { labels: { a: 'b' } } });
    await gateway.gatewaySendMessage({ sessionId: other.id, message: said('elsewhere') });
    await gateway.gatewaySendMessage({ sessionId: id, message: said('hello') });
    await expect.poll(async () => (await messagesOf(orchestratorSessionId)).length).toBe(2);
    await gateway.closeGatewaySession({ sessionId: id, reason: '' });
    const read = async (
      sessionId: string,
      filter: Parameters<typeof GatewayEventFilter.fromPartial>[0] | undefined,
      count: number,
    ): Promise<GatewayEvent[]> => {
      const events = iterate(
        gateway.subscribeToEvents(
          { sessionId, filter: filter && GatewayEventFilter.fromPartial(filter) },
          { metadata: { 'orchestrator-after-sequence': '0' } },
        ),
      );
      const seen: GatewayEvent[] = [];
      while (seen.length < count) seen.push(await nextOf(events));
      await events.return?.();
      return seen;
    };
    const types = (events: readonly GatewayEvent[]) => events.map(({ type }) => type);
    expect(types(await read('', { labels: { a: 'b' } }, 4))).toEqual([
      GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_CREATED,
      GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_SENT,
      GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_RECEIVED,
      GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_UPDATED,
    ]);
    const [received] = await read(
      '',
      { type: GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_RECEIVED, labels: { a: 'b' } },
      1,
    );
    expect(received).toMatchObject({
      data: { orchestrator_session_id: orchestratorSessionId, role: 'assistant' },
      metadata: { sessionId: id, messageId: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    const inOther = await read(other.id, undefined, 2);
    expect(inOther.map(({ metadata }) => metadata!.sessionId)).toEqual([other.id, other.id]);
    await expect(read('nobody', undefined, 1)).rejects.toMatchObject({
      message: 'gateway session not found',
    });
  });
});
