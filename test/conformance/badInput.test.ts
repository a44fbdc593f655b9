import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { type Priority, Status } from '../../src/protocol/gen/common/v1/common.ts';
import {
  CreateGatewaySessionRequest,
  GatewayEventFilter,
  type GatewayEventType,
  GatewayServiceDefinition,
  StreamResponsesRequest,
} from '../../src/protocol/gen/gateway/v1/gateway.ts';
import {
  CreateSessionRequest,
  EventFilter,
  type EventType,
  ListSessionsRequest,
  Message,
  OrchestratorServiceDefinition,
  SessionMetadata,
  type SessionState,
  type StreamMessageRequest,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { iterate, nextOf, ServedCore } from '../harness/servedCore.ts';

type OrchestratorClient = RpcClient<typeof OrchestratorServiceDefinition>;

let served: ServedCore;
let service: OrchestratorClient;
let gateway: RpcClient<typeof GatewayServiceDefinition>;
let sessionId: string;

const create = async (request: Parameters<typeof CreateSessionRequest.fromPartial>[0] = {}) =>
  (await service.createSession(CreateSessionRequest.fromPartial({ metadata: { name: 'x' }, ...request })))
    .sessionId;

beforeEach(async () => {
  served = new ServedCore();
  await served.start();
  const client = await served.connect();
  service = client.service(OrchestratorServiceDefinition);
  gateway = client.service(GatewayServiceDefinition);
  sessionId = await create();
});
// Whatever was sent, the next client is served.
afterEach(async () => {
  const next = (await served.connect()).service(OrchestratorServiceDefinition);
  expect((await next.getStatus({})).status).toBe(Status.STATUS_RUNNING);
  await served[Symbol.asyncDispose]();
});

const first = <T>(stream: AsyncIterable<T>): Promise<T> => nextOf(iterate(stream));
const message = Message.fromPartial({ content: 'x' });
const long = 'x'.repeat(200);

const table: readonly [what: string, call: () => Promise<unknown>, code: string, text: string | RegExp][] = [
  [
    'no metadata',
    () => service.createSession(CreateSessionRequest.fromPartial({})),
    'INVALID_ARGUMENT',
    'metadata is required',
  ],
  ['a long name', () => create({ metadata: { name: long } }), 'INVALID_ARGUMENT', /too long/],
  [
    'many labels',
    () =>
      create({
        metadata: { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ''])) },
      }),
    'INVALID_ARGUMENT',
    /too many labels/,
  ],
  [
    'a negative time',
    () => create({ config: { idleTimeoutNs: -1n } }),
    'INVALID_ARGUMENT',
    'idle_timeout_ns cannot be negative',
  ],
  [
    'negative limits',
    () => create({ config: { resourceLimits: { memoryBytes: -5n } } }),
    'INVALID_ARGUMENT',
    'resource limits cannot be negative',
  ],
  [
    'no session id',
    () => service.getSession({ sessionId: '' }),
    'INVALID_ARGUMENT',
    'session_id is required',
  ],
  [
    'no session id to close',
    () => service.closeSession({ sessionId: '', reason: '' }),
    'INVALID_ARGUMENT',
    'session_id is required',
  ],
  [
    'no session id to send to',
    () => service.sendMessage({ sessionId: '', message }),
    'INVALID_ARGUMENT',
    'session_id is required',
  ],
  [
    'no message',
    () => service.sendMessage({ sessionId, message: undefined }),
    'INVALID_ARGUMENT',
    'message is required',
  ],
  [
    'an unknown session',
    () => service.getSession({ sessionId: 'nobody' }),
    'NOT_FOUND',
    'session not found: nobody',
  ],
  [
    'an unknown session to update',
    () =>
      service.updateSession({
        sessionId: 'nobody',
        metadata: SessionMetadata.fromPartial({}),
        context: undefined,
      }),
    'NOT_FOUND',
    'session not found: nobody',
  ],
  [
    'an unknown session to close',
    () => service.closeSession({ sessionId: 'nobody', reason: '' }),
    'NOT_FOUND',
    'session not found: nobody',
  ],
  [
    'an unknown session to send to',
    () => service.sendMessage({ sessionId: 'nobody', message }),
    'NOT_FOUND',
    'session not found: nobody',
  ],
  [
    'a long message',
    () => service.sendMessage({ sessionId, message: { ...message, content: 'x'.repeat(1_000_001) } }),
    'INVALID_ARGUMENT',
    /too long/,
  ],
  [
    'a long id of a message',
    () => service.sendMessage({ sessionId, message: { ...message, id: long } }),
    'INVALID_ARGUMENT',
    /id of a message/,
  ],
  [
    'a state that is none',
    () => service.listSessions(ListSessionsRequest.fromPartial({ filter: { state: 42 as SessionState } })),
    'INVALID_ARGUMENT',
    'state has no value 42',
  ],
  [
    'an event type that is none',
    () => first(service.subscribeEvents({ filter: EventFilter.fromPartial({ type: 42 as EventType }) })),
    'INVALID_ARGUMENT',
    'type has no value 42',
  ],
  [
    'a priority that is none',
    () => first(service.subscribeEvents({ filter: EventFilter.fromPartial({ priority: 42 as Priority }) })),
    'INVALID_ARGUMENT',
    'priority has no value 42',
  ],
  [
    'an image that is none',
    () => service.createContainer({ sessionId, config: undefined }),
    'INVALID_ARGUMENT',
    'config is required',
  ],
  ['an unknown container', () => service.getContainer({ containerId: 'c9' }), 'NOT_FOUND', /c9/],
  [
    'a negative grace',
    () => service.stopContainer({ containerId: '', timeoutNs: -1n }),
    'INVALID_ARGUMENT',
    'container ID cannot be empty',
  ],
  [
    'no gateway metadata',
    () => gateway.createGatewaySession(CreateGatewaySessionRequest.fromPartial({})),
    'INVALID_ARGUMENT',
    'metadata is required',
  ],
  [
    "an orchestrator's session for a gateway's",
    () => gateway.getGatewaySession({ sessionId }),
    'NOT_FOUND',
    'gateway session not found',
  ],
  [
    'a response in no session',
    () => first(gateway.streamResponses(StreamResponsesRequest.fromPartial({}))),
    'INVALID_ARGUMENT',
    'session_id is required',
  ],
  [
    'a gateway event type that is none',
    () =>
      first(
        gateway.subscribeToEvents({
          sessionId: '',
          filter: GatewayEventFilter.fromPartial({ type: 42 as GatewayEventType }),
        }),
      ),
    'INVALID_ARGUMENT',
    'type has no value 42',
  ],
];

it.each(table)('%s is refused', async (_what, call, code, message) => {
  const error: unknown = await call().catch((failure: unknown) => failure);
  expect(error).toMatchObject({
    code,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
});

describe('bad peers', () => {
  it('a message of 200 MB is refused, and other calls of the connection are served', async () => {
    const client = await served.connect({ maxSendBytes: 300_000_000, rpcTimeoutMs: 60_000 });
    const own = client.service(OrchestratorServiceDefinition);
    const sending = own.sendMessage({ sessionId, message: { ...message, content: 'x'.repeat(200_000_000) } });
    const refused = expect(sending).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect((await service.getSession({ sessionId })).session!.id).toBe(sessionId);
    await refused;
    expect((await own.getSession({ sessionId })).session!.context!.messages).toEqual([]);
  });

  it('streams that are opened and left alone, or half closed, hold up nothing', async () => {
    const left = (await served.connect()).service(OrchestratorServiceDefinition);
    const leaving = new AbortController();
    const silent = Array.from({ length: 100 }, () =>
      left.streamMessages(new AsyncQueue<StreamMessageRequest>(), { signal: leaving.signal }),
    );
    const nexts = silent.map((stream) =>
      iterate(stream)
        .next()
        .catch((error: unknown) => error),
    );
    const ended = new AsyncQueue<StreamMessageRequest>();
    ended.end();
    expect(await iterate(service.streamMessages(ended)).next()).toMatchObject({ done: true });
    expect((await service.getSession({ sessionId })).session!.id).toBe(sessionId);
    leaving.abort();
    for (const end of await Promise.all(nexts)) expect(end).toMatchObject({ code: 'CANCELLED' });
  });

  it('HTTP spoken to the socket is told what it speaks', async () => {
    const socket = connectSocket(served.socketPath);
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 505 /);
  });

  it('a client that breaks off in the middle of a frame harms nobody', async () => {
    const socket = connectSocket(served.socketPath);
    await once(socket, 'connect');
    socket.write(
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 99, 4, 0])]),
    );
    await once(socket, 'readable');
    socket.destroy();
    expect((await service.getSession({ sessionId })).session!.id).toBe(sessionId);
  });
});
