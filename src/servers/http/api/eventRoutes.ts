import * as z from 'zod/mini';
import { OrchestratorError } from '../../../base/errors.ts';
import { invalidRequest } from '../../../core/text.ts';
import { authLimitMs, cborProtocol, grpcProtocol, jsonProtocol } from '../../../protocol/daemon/handshake.ts';
import { type DaemonRequest, topics } from '../../../protocol/daemon/requests.ts';
import { anyRecord, idText } from '../../../protocol/daemon/shapes.ts';
import type { Access } from '../../access/access.ts';
import type { Caller } from '../../access/caller.ts';
import type { CallerUse } from '../callerLimits.ts';
import type { DaemonApi } from '../daemonApi.ts';
import { Acknowledgements } from '../events/acknowledgements.ts';
import { type EventStream, type EventStreamLimits, openEventStream } from '../events/eventStream.ts';
import { type Place, parsePlace, placeText } from '../events/place.ts';
import { pageHeaders } from '../originRules.ts';
import { type ApiRoute, alreadyAnswered, apiRoute, type Exchange, numberText } from './apiRoute.ts';

/** Where nothing is said, a poll tells of the last five minutes (contract 002, section 1). */
const pollSpanMs = 5 * 60_000;
const pollLimit = 100;

export interface EventRouteOptions {
  readonly api: DaemonApi;
  readonly access: Access;
  readonly use: CallerUse;
  readonly limits: EventStreamLimits;
  readonly now: () => number;
}

const eventQuery = z.object({
  /** Several with commas; `*` for all, also when missing. */
  sessionId: z.optional(z.string().check(z.maxLength(10_000))),
  /** Several with commas. */
  topics: z.optional(z.string().check(z.maxLength(200))),
  /** A poll: behind this event's id, or since this ISO time. */
  since: z.optional(z.string().check(z.maxLength(100))),
  limit: z.optional(z.pipe(numberText, z.int().check(z.minimum(1), z.maximum(pollLimit)))),
  /** For who cannot send the header `Last-Event-ID`. */
  lastEventId: z.optional(z.string()),
});
type EventQuery = z.infer<typeof eventQuery>;

/** The stream of frames: as server-sent events, or polled. */
export class EventRoutes {
  readonly routes: readonly ApiRoute[];
  private readonly options: EventRouteOptions;
  private readonly open = new Set<EventStream>();
  private readonly acknowledged = new Acknowledgements();

  constructor(options: EventRouteOptions) {
    this.options = options;
    this.routes = [
      apiRoute({
        method: 'GET',
        path: '/events',
        scope: 'read',
        summary:
          'The stream of frames: server-sent events, or a page of them as JSON (Accept: application/json, or since)',
        query: eventQuery,
        answer: z.object({
          events: z.array(z.object({ id: z.string(), type: z.string(), data: anyRecord })),
          /** For `since`. */
          next: z.string(),
          hasMore: z.boolean(),
        }),
        isStream: true,
        handle: ({ query, caller, exchange }) =>
          isPoll(query, exchange) ? this.poll(query, caller) : this.stream(query, caller, exchange),
      }),
      apiRoute({
        method: 'DELETE',
        path: '/events',
        scope: 'read',
        summary: 'Not to be told these events again when polling',
        body: z.object({ eventIds: z.array(idText).check(z.maxLength(1_000)) }),
        answer: z.object({ success: z.literal(true), acknowledged: z.number() }),
        handle: ({ body, caller }) => ({
          success: true,
          acknowledged: this.acknowledged.add(caller.name, body.eventIds),
        }),
      }),
      apiRoute({
        method: 'GET',
        path: '/ws',
        scope: 'read',
        summary: 'How to connect by WebSocket',
        answer: z.object({
          url: z.string(),
          protocols: z.array(z.string()),
          authentication: z.array(z.string()),
          authLimitMs: z.number(),
        }),
        handle: ({ exchange: { incoming } }) => ({
          url: `${'encrypted' in incoming.socket ? 'wss' : 'ws'}://${incoming.headers.host ?? ''}/`,
          protocols: [jsonProtocol, cborProtocol, grpcProtocol],
          authentication: ['header', 'subprotocol', 'first frame {"type":"auth","token":"…"}'],
          authLimitMs,
        }),
      }),
    ];
  }

  /** Ends all streams: the server goes. */
  endAll(): void {
    for (const stream of [...this.open]) stream.end();
  }

  private async poll(query: EventQuery, caller: Caller): Promise<unknown> {
    const page = await this.options.api.readFrames({
      ...this.beginOf(query.since),
      ...selection(query),
      limit: query.limit ?? pollLimit,
    });
    const events = page.frames
      .map((frame) => ({ id: placeText(frame), type: frame.type, data: frame }))
      .filter(({ id }) => !this.acknowledged.has(caller.name, id));
    return { events, next: placeText(page.next), hasMore: page.hasMore };
  }

  private beginOf(since: string | undefined): { readonly after: Place } | { readonly sinceMs: number } {
    if (since === undefined) return { sinceMs: this.options.now() - pollSpanMs };
    const after = parsePlace(since);
    if (after !== undefined) return { after };
    const sinceMs = Date.parse(since);
    if (Number.isNaN(sinceMs)) throw invalidRequest("since is an event's id or an ISO time.");
    return { sinceMs };
  }

  private async stream(query: EventQuery, caller: Caller, exchange: Exchange): Promise<unknown> {
    const { api, access, use, limits, now } = this.options;
    const { incoming, outgoing } = exchange;
    const begin = beginRequest(query, incoming.headers['last-event-id']);
    if (incoming.method === 'HEAD')
      return new Response(null, { headers: { 'Content-Type': 'text/event-stream' } });
    const endUse = use.beginStream(caller.name, now());
    outgoing.once('close', endUse);
    const stream = await openEventStream({
      accept: api.accept,
      caller,
      begin,
      outgoing,
      headers: pageHeaders(incoming.headers.origin),
      limits,
    });
    if ('type' in stream) throw new OrchestratorError('OUT_OF_RANGE', 'invalid_request', stream.error);
    this.open.add(stream);
    const watch = access.watch(caller, () => stream.end());
    outgoing.once('close', () => {
      this.open.delete(stream);
      watch.dispose();
    });
    return alreadyAnswered;
  }
}

function isPoll({ since }: EventQuery, { incoming }: Exchange): boolean {
  const { accept = '' } = incoming.headers;
  return (
    !accept.includes('text/event-stream') && (since !== undefined || accept.includes('application/json'))
  );
}

function beginRequest(query: EventQuery, header: string | string[] | undefined): DaemonRequest {
  const id = header === undefined ? query.lastEventId : String(header);
  const payload = selection(query);
  // As EventSource has it: an empty id is none.
  if (id === undefined || id === '') return { type: 'subscribe', payload };
  const place = parsePlace(id);
  if (place === undefined) throw invalidRequest('Last-Event-ID is none of ours.');
  return { type: 'resume', payload: { ...payload, after: place.seq, part: place.part } };
}

type Topic = (typeof topics)[number];

function selection({ sessionId, topics: named }: EventQuery): { sessionIds: string[]; topics: Topic[] } {
  const words = (text: string): string[] => text.split(',').filter((word) => word !== '');
  const wanted = words(named ?? '');
  const unknown = wanted.find((word) => !topics.some((topic) => topic === word));
  if (unknown !== undefined) throw invalidRequest(`There is no topic "${unknown}": ${topics.join(', ')}.`);
  return {
    sessionIds: sessionId === undefined ? ['*'] : words(sessionId).slice(0, 1_000),
    topics: topics.filter((topic) => wanted.includes(topic)),
  };
}
