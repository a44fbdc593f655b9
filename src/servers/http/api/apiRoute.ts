import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import { invalidRequest } from '../../../core/text.ts';
import type { Scope } from '../../../protocol/daemon/handshake.ts';
import type { Caller } from '../../access/caller.ts';

/** What the OpenAPI document says of a route. */
export interface DescribedRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** E.g. `/orchestrate/runs/{id}`. */
  readonly path: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly query?: z.ZodMiniObject | undefined;
  readonly body?: z.ZodMiniType | undefined;
  /** Of what was done. */
  readonly status: number;
  readonly answer: z.ZodMiniType;
  /** `text/event-stream` besides JSON. */
  readonly isStream?: boolean | undefined;
  /** Further statuses beside those that every route has. */
  readonly errors?: readonly number[] | undefined;
}

/**
 * A route of `/api/daemon` or beside it, with a path below that (`/sessions/{id}`; empty for itself): what is served and
 * what the OpenAPI document says of it are made from this one thing, so that they cannot differ.
 */
export interface ApiRoute extends DescribedRoute {
  /** What its path is below. Default: `/api/daemon`. */
  readonly base?: string | undefined;
  readonly handle: (request: ApiRequest) => unknown;
}

/** What Node has of a request and its answer. */
export interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** Returned by a route that has written its answer itself. */
export const alreadyAnswered = Symbol('already answered');

export interface ApiRequest {
  readonly caller: Caller;
  readonly exchange: Exchange;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly json: unknown;
  /** From `Idempotency-Key`. */
  readonly requestId: string | undefined;
}

/** What a route's own function is given: everything in the shape that it asked for. */
interface TypedRequest<Q, B> {
  readonly caller: Caller;
  readonly exchange: Exchange;
  /** The `{id}` of the path; empty where it has none. */
  readonly id: string;
  /** All of the path's, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  readonly body: B;
  readonly requestId: string | undefined;
}

type Options<Q extends z.ZodMiniObject, B extends z.ZodMiniType> = Omit<
  ApiRoute,
  'query' | 'body' | 'status' | 'handle'
> & {
  /** 200 when missing. */
  readonly status?: number;
  readonly query?: Q;
  readonly body?: B;
  readonly handle: (request: TypedRequest<z.infer<Q>, z.infer<B>>) => unknown;
};

/** @param options.handle returns the answer, or a `Response` for another status. */
export function apiRoute<
  Q extends z.ZodMiniObject = z.ZodMiniObject<Record<string, never>>,
  B extends z.ZodMiniType = z.ZodMiniUndefined,
>(options: Options<Q, B>): ApiRoute {
  const { handle, ...route } = options;
  return {
    status: 200,
    ...route,
    handle: ({ caller, exchange, params, query, json, requestId }) =>
      handle({
        caller,
        exchange,
        id: params['id'] ?? '',
        params,
        query: parsed(options.query, query, 'the query') as z.infer<Q>,
        body: parsed(options.body, json, 'the body') as z.infer<B>,
        requestId,
      }),
  };
}

function parsed(schema: z.ZodMiniType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  throw invalidRequest(
    `${where[0]?.toUpperCase() ?? ''}${where.slice(1)} is wrong${path === '' ? '' : ` at "${path}"`}: ${issue?.message ?? 'unknown'}.`,
  );
}

/** Of a query: digits. */
export const numberText = z.pipe(
  z.string().check(z.regex(/^\d{1,15}$/, 'a whole number')),
  z.transform(Number),
);
