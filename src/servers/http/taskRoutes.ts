import { type Context, Hono } from 'hono';
import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerTaskManager } from '../../core/containerTasks/containerTaskManager.ts';
import type { TaskHttpResponse } from '../../core/ports/containerTasks.ts';
import { tooLargeResponse } from './httpErrors.ts';
import { readBody } from './requestBody.ts';

export type TaskApi = Pick<ContainerTaskManager, 'request'>;

export interface TaskRouteLimits {
  /** Of a body, in bytes. */
  readonly maxBodyBytes: number;
  /** For the task's whole answer, in milliseconds. */
  readonly taskTimeoutMs: number;
  /** Requests that wait for one task's answer, at a time. */
  readonly maxRequestsPerTask: number;
}

/** What is between the client and us, and no business of a task's: our token above all. */
const ownHeaders: ReadonlySet<string> = new Set(['authorization', 'cookie', 'origin', 'referer', 'expect']);
const ownHeaderFamilies = /^(?:sec-|proxy-|access-control-)/;
/** Statuses that have no body by definition, and for which `Response` takes none. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);
/**
 * A task's answer comes from our origin, and must get none of its rights in a browser. Contract 000 has tasks serve
 * whatever they like.
 */
const safetyHeaders = {
  'Content-Security-Policy': 'sandbox',
  'X-Content-Type-Options': 'nosniff',
} as const;

/**
 * `/task/<id>/…`: the routes that a task's executable has registered, with the prefix taken away (contract 000,
 * section 3). Whether the task has any to show is decided by the core.
 */
export function taskRoutes(tasks: TaskApi | undefined, limits: TaskRouteLimits): Hono {
  const waiting = new Map<string, number>();
  const app = new Hono();
  app.all('/task/:id/*', async (context) => {
    const id = context.req.param('id');
    if (tasks === undefined) return notRunning(id);
    const count = waiting.get(id) ?? 0;
    if (count >= limits.maxRequestsPerTask) throw tooMany(id);
    waiting.set(id, count + 1);
    try {
      return await forward(context, tasks, id, limits);
    } finally {
      const left = (waiting.get(id) ?? 1) - 1;
      if (left === 0) waiting.delete(id);
      else waiting.set(id, left);
    }
  });
  return app;
}

async function forward(
  { req: { raw, method } }: Context,
  tasks: TaskApi,
  id: string,
  { maxBodyBytes, taskTimeoutMs }: TaskRouteLimits,
): Promise<Response> {
  const body = await readBody(raw, maxBodyBytes);
  if (body === undefined) return tooLargeResponse(maxBodyBytes);
  const { pathname, search } = new URL(raw.url);
  const path = pathname.replace(/^\/task\/[^/]+/, '');
  try {
    const answer = await tasks.request(id, {
      method,
      path: `${path === '' ? '/' : path}${search}`,
      headers: forwarded(raw.headers),
      body,
      timeoutMs: taskTimeoutMs,
      signal: raw.signal,
    });
    return responseOf(answer);
  } catch (error) {
    const { code, reason } = OrchestratorError.from(error);
    if (reason === 'task_not_running' || reason === 'task_not_found') return notRunning(id);
    if (reason !== 'task_call_failed' || code === 'DEADLINE_EXCEEDED') throw error;
    return badGateway(OrchestratorError.from(error));
  }
}

function forwarded(headers: Headers): Record<string, string> {
  const hops = new Set((headers.get('connection') ?? '').toLowerCase().split(/\s*,\s*/));
  return Object.fromEntries(
    [...headers].filter(
      ([name]) => !ownHeaders.has(name) && !ownHeaderFamilies.test(name) && !hops.has(name),
    ),
  );
}

function responseOf({ status, headers, body }: TaskHttpResponse): Response {
  // A copy: what the adapter hands over may be a part of something larger.
  const content = bodiless.has(status) ? null : Uint8Array.from(body);
  const shown = Object.entries(headers).filter(([name]) => !ownHeaderFamilies.test(name.toLowerCase()));
  return new Response(content, { status, headers: { ...Object.fromEntries(shown), ...safetyHeaders } });
}

/** As the node says it, of a task that is not there too. */
function notRunning(id: string): Response {
  return Response.json({ message: `Task ${id} not running` }, { status: 422 });
}

function badGateway({ message, reason }: OrchestratorError): Response {
  return Response.json({ error: message, code: 'BAD_GATEWAY', reason }, { status: 502 });
}

function tooMany(id: string): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'task_limit',
    `The task ${id} is being asked too much at a time. Wait for an answer before the next request.`,
  );
}
