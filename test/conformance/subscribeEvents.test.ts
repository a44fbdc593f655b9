import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Priority } from '../../src/protocol/gen/common/v1/common.ts';
import {
  CreateSessionRequest,
  type Event,
  EventFilter,
  EventType,
  Message,
  OrchestratorServiceDefinition,
  SessionMetadata,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { iterate, nextOf, ServedCore } from '../harness/servedCore.ts';

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

describe('SubscribeEvents', () => {
  const subscribe = (
    filter: Parameters<typeof EventFilter.fromPartial>[0],
    after?: number,
  ): AsyncIterator<Event> =>
    iterate(
      service.subscribeEvents(
        { filter: EventFilter.fromPartial(filter) },
        after === undefined ? {} : { metadata: { 'orchestrator-after-sequence': String(after) } },
      ),
    );

  it.each<[string, (id: string) => Parameters<typeof EventFilter.fromPartial>[0], string[]]>([
    [
      'everything',
      () => ({}),
      ['session.created', 'message.sent', 'session.updated', 'session.created', 'session.closed'],
    ],
    [
      'a type',
      () => ({ type: EventType.EVENT_TYPE_SESSION_CREATED }),
      ['session.created', 'session.created'],
    ],
    [
      'a source',
      () => ({ source: 'orchestrator', type: EventType.EVENT_TYPE_SESSION_CLOSED }),
      ['session.closed'],
    ],
    [
      'a session',
      (id) => ({ sessionId: id }),
      ['session.created', 'message.sent', 'session.updated', 'session.closed'],
    ],
    [
      'the usual priority',
      () => ({ priority: Priority.PRIORITY_NORMAL, labels: { n: '2' } }),
      ['session.created'],
    ],
    ['labels', () => ({ labels: { n: '1' } }), ['session.created', 'message.sent']],
    [
      'times',
      () => ({ startTime: new Date(1), endTime: new Date(4e12), labels: { n: '2' } }),
      ['session.created'],
    ],
  ])('honours a filter by %s', async (_name, filter, wanted) => {
    const { id } = await create({ metadata: { labels: { n: '1' } } });
    await service.sendMessage({ sessionId: id, message: Message.fromPartial({ content: 'x' }) });
    await service.updateSession({
      sessionId: id,
      metadata: SessionMetadata.fromPartial({}),
      context: undefined,
    });
    await create({ metadata: { labels: { n: '2' } } });
    await service.closeSession({ sessionId: id, reason: '' });
    const events = subscribe(filter(id), 0);
    const seen: string[] = [];
    while (seen.length < wanted.length) {
      const { data } = await nextOf(events);
      if (data['state'] !== 'closing') seen.push(data['event_type']!);
    }
    expect(seen).toEqual(wanted);
    await events.return?.();
  });

  it('tells what happened, with the texts of the contract', async () => {
    const stream = service.subscribeEvents(
      { filter: undefined },
      { metadata: { 'orchestrator-after-sequence': '0' } },
    );
    const events = iterate(stream);
    const session = await create({ metadata: { name: 'n', ownerId: 'o', labels: { a: 'b' } } });
    expect(await nextOf(events)).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      type: EventType.EVENT_TYPE_SESSION_CREATED,
      source: 'orchestrator',
      data: { session_id: session.id, name: 'n', owner_id: 'o', sequence: '1' },
      metadata: { sessionId: session.id, labels: { a: 'b' }, priority: Priority.PRIORITY_NORMAL },
    });
    const message = Message.fromPartial({ id: 'm', content: 'x' });
    await service.sendMessage({ sessionId: session.id, message });
    expect(await nextOf(events)).toMatchObject({
      type: EventType.EVENT_TYPE_UNSPECIFIED,
      data: { message_id: 'm', role: 'user', session_id: session.id, event_type: 'message.sent' },
    });
    await service.closeSession({ sessionId: session.id, reason: 'done' });
    expect(await nextOf(events)).toMatchObject({ data: { state: 'closing' } });
    expect(await nextOf(events)).toMatchObject({
      type: EventType.EVENT_TYPE_SESSION_CLOSED,
      data: { session_id: session.id, reason: 'done', state: 'closed' },
    });
  });

  it('begins with what comes, and resumes after a sequence without loss', async () => {
    await create();
    const live = subscribe({ type: EventType.EVENT_TYPE_SESSION_CREATED });
    const first = live.next();
    // The answer to a later call on the same connection: the subscription stands by now.
    await service.getStatus({});
    const { id } = await create();
    expect((await first).value).toMatchObject({ data: { session_id: id, sequence: '2' } });
    await live.return?.();
    const ids = [];
    for (let count = 0; count < 40; count += 1) ids.push((await create()).id);
    const again = subscribe({}, 2);
    const seen: string[] = [];
    while (seen.length < 40) seen.push((await nextOf(again)).metadata!.sessionId);
    expect(seen).toEqual(ids);
    await expect(nextOf(subscribe({}, 10_000))).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
    const wrong = service.subscribeEvents(
      { filter: undefined },
      { metadata: { 'orchestrator-after-sequence': 'x' } },
    );
    await expect(nextOf(iterate(wrong))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
