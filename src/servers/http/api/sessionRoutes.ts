import * as z from 'zod/mini';
import { executePayload, spawnPayload } from '../../../protocol/daemon/requests.ts';
import { daemonRun, daemonSession, daemonSessionStatus, idText } from '../../../protocol/daemon/shapes.ts';
import type { DaemonApi } from '../daemonApi.ts';
import { type ApiRoute, apiRoute, numberText } from './apiRoute.ts';

/** A session's life where the contract's body does not say: seven days. */
const defaultLifeSeconds = 7 * 24 * 60 * 60;
/** A year. */
const longestLifeSeconds = 365 * 24 * 60 * 60;
const seconds = z.int().check(z.minimum(1), z.maximum(longestLifeSeconds));
const pageText = z.optional(z.pipe(numberText, z.int().check(z.minimum(1), z.maximum(1_000))));
const cursorText = z.optional(z.string().check(z.maxLength(200)));
const sessionAnswer = z.object({ session: daemonSession });

const { task, timeoutMs, ...sessionFields } = spawnPayload.shape;

/**
 * With a task it is `spawn_session` of the WebSocket. Without one it is the contract's: a session of `type` `daemon`,
 * `user` or `system` that ends by itself; `type` is then its `orchestratorId` where none is given.
 */
const newSession = z.object({
  ...sessionFields,
  task: z.optional(task),
  timeoutMs,
  type: z.optional(z.enum(['daemon', 'user', 'system'])),
  /** Its life, in seconds. */
  timeoutSeconds: z.optional(seconds),
});

const sessionChange = z.object({
  status: z.optional(z.enum(['active', 'idle', 'expired', 'terminated'])),
  /** Ends at the earliest so many seconds from now. */
  extendTTL: z.optional(seconds),
  name: z.optional(z.string().check(z.minLength(1), z.maxLength(120))),
});

/** Sessions of the one core, as the seed's clients know them. */
export function sessionRoutes(api: DaemonApi): ApiRoute[] {
  const change = async (id: string, body: z.infer<typeof sessionChange>): Promise<unknown> => {
    const { status, extendTTL, name } = body;
    if (name !== undefined || extendTTL !== undefined) {
      await api.update(id, { name, extendMs: extendTTL === undefined ? undefined : extendTTL * 1_000 });
    }
    // `active` and `idle` are what the core finds by itself: whoever says so is shown how it is.
    const isEnd = status === 'terminated' || status === 'expired';
    return { session: await (isEnd ? api.stop(id) : api.getSession(id)) };
  };
  return [
    apiRoute({
      method: 'GET',
      path: '/sessions',
      scope: 'read',
      summary: 'Sessions, a page at a time',
      query: z.object({
        limit: pageText,
        cursor: cursorText,
        status: z.optional(daemonSessionStatus),
        orchestratorId: z.optional(z.string()),
      }),
      answer: z.object({
        sessions: z.array(daemonSession),
        total: z.number(),
        nextCursor: z.optional(z.string()),
      }),
      handle: ({ query }) => api.listSessions(query),
    }),
    apiRoute({
      method: 'POST',
      path: '/sessions',
      scope: 'drive',
      summary: 'Make a session, and start its task where it has one',
      body: newSession,
      status: 201,
      answer: sessionAnswer,
      errors: [409],
      async handle({ caller, body, requestId }) {
        const { task: first, timeoutMs: limit, type, timeoutSeconds, ...fields } = body;
        if (first !== undefined) {
          const taskLimit = limit ?? (timeoutSeconds === undefined ? undefined : timeoutSeconds * 1_000);
          const payload = { ...fields, task: first, timeoutMs: taskLimit };
          return { session: await api.spawn(payload, { caller, requestId }) };
        }
        const session = await api.createSession(
          {
            ...fields,
            orchestratorId: fields.orchestratorId ?? type,
            sessionType: fields.sessionType ?? 'shell',
            maxDurationMs: (timeoutSeconds ?? defaultLifeSeconds) * 1_000,
          },
          { caller, requestId },
        );
        return { session };
      },
    }),
    apiRoute({
      method: 'PATCH',
      path: '/sessions',
      scope: 'drive',
      summary: 'Rename a session, let it live longer, or end it',
      body: z.object({ ...sessionChange.shape, sessionId: idText }),
      answer: sessionAnswer,
      errors: [404, 409],
      handle: ({ body: { sessionId, ...body } }) => change(sessionId, body),
    }),
    apiRoute({
      method: 'DELETE',
      path: '/sessions',
      scope: 'drive',
      summary: 'End a session with everything in it',
      query: z.object({ sessionId: idText }),
      answer: z.object({ success: z.literal(true), session: daemonSession }),
      errors: [404],
      handle: async ({ query }) => ({ success: true, session: await api.stop(query.sessionId) }),
    }),
    apiRoute({
      method: 'GET',
      path: '/sessions/{id}',
      scope: 'read',
      summary: 'A session',
      answer: sessionAnswer,
      errors: [404],
      handle: async ({ id }) => ({ session: await api.getSession(id) }),
    }),
    apiRoute({
      method: 'PATCH',
      path: '/sessions/{id}',
      scope: 'drive',
      summary: 'Rename a session, let it live longer, or end it',
      body: sessionChange,
      answer: sessionAnswer,
      errors: [404, 409],
      handle: ({ id, body }) => change(id, body),
    }),
    apiRoute({
      method: 'DELETE',
      path: '/sessions/{id}',
      scope: 'drive',
      summary: 'End a session with everything in it',
      answer: z.object({ success: z.literal(true), session: daemonSession }),
      errors: [404],
      handle: async ({ id }) => ({ success: true, session: await api.stop(id) }),
    }),
    apiRoute({
      method: 'GET',
      path: '/sessions/{id}/tasks',
      scope: 'read',
      summary: 'Tasks of a session, the newest first, a page at a time',
      query: z.object({ limit: pageText, cursor: cursorText }),
      answer: z.object({ runs: z.array(daemonRun), nextCursor: z.optional(z.string()) }),
      errors: [404],
      handle: ({ id, query }) => api.listRuns({ ...query, sessionId: id }),
    }),
    apiRoute({
      method: 'POST',
      path: '/sessions/{id}/tasks',
      scope: 'drive',
      summary: 'Start a task in a session, as execute_task does',
      body: z.omit(executePayload, { sessionId: true, streamResponse: true }),
      status: 202,
      answer: z.object({
        sessionId: z.string(),
        taskId: z.string(),
        queuePosition: z.optional(z.number()),
      }),
      errors: [404, 409],
      handle: ({ id, body, caller, requestId }) =>
        api.execute({ ...body, sessionId: id }, { caller, requestId }),
    }),
  ];
}
