import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import * as z from 'zod/mini';
import { OrchestratorError } from '../../../base/errors.ts';
import { isRunEnded, type Run } from '../../../core/runs/run.ts';
import { invalidRequest } from '../../../core/text.ts';
import {
  type OrchestrateBody,
  orchestrateBody,
  parseOrchestrateBody,
} from '../../../protocol/orchestrate.ts';
import { anyRecord } from '../../../protocol/daemon/shapes.ts';
import type { DescribedRoute } from '../api/apiRoute.ts';
import { numberText } from '../api/apiRoute.ts';
import { namedDetail } from '../detailErrors.ts';
import { type Place, parsePlace } from '../events/place.ts';
import type { HttpEnv } from '../httpApp.ts';
import { pageHeaders } from '../originRules.ts';
import { orchestrateConfig } from './config.ts';
import { runRequestOf } from './runRequest.ts';
import type { RunSource, RunStreams } from './runStreams.ts';
import { resultOf, resultView, runStatuses, runView, viewOf } from './runViews.ts';
import { missingTask, readJsonObject } from './unreadable.ts';

/** A route with its whole path, which reads its request by itself. */
export interface OrchestrateRoute extends DescribedRoute {
  readonly handle: (context: Context<HttpEnv>) => Response | Promise<Response>;
}

const defaultPage = 100;
const largestPage = 1_000;

const listQuery = z.object({
  limit: z.optional(z.pipe(numberText, z.int().check(z.minimum(1), z.maximum(largestPage)))),
  /** `next` of the page before. */
  before: z.optional(z.string().check(z.maxLength(200))),
  status: z.optional(z.enum(runStatuses)),
  session_id: z.optional(z.string().check(z.maxLength(200))),
  /** Text that the task contains, without regard to case. */
  search: z.optional(z.string().check(z.maxLength(1_000))),
});
const runsPage = z.object({ runs: z.array(runView), next: z.nullable(z.string()) });
const runAnswer = z.object({ ...runView.shape, result: z.nullable(resultView) });
const eventsQuery = z.object({
  /** The id of the last event that arrived, for who cannot send the header `Last-Event-ID`. */
  after: z.optional(z.string()),
});
const resultQuery = z.object({
  /** `true` waits for the end of the run. */
  wait: z.optional(z.enum(['true', 'false'])),
});
const retryBody = z.looseObject({ from_step: z.optional(z.int().check(z.minimum(1))) });

const startStatus = 202;

/** `/orchestrate` and `/config`: seed 004 and contract 004, and what is ours. Errors are `{"detail": …}`. */
export function orchestrateRoutes(source: RunSource, streams: RunStreams): readonly OrchestrateRoute[] {
  const { runs } = source;

  const find = (context: Context<HttpEnv>): Run => runs.get(context.req.param('id') ?? '');
  const see = (run: Run): z.infer<typeof runView> => viewOf(run, runs.queuePosition(run.id));

  const start = async (context: Context<HttpEnv>, body: OrchestrateBody): Promise<Run> => {
    const { req, var: known } = context;
    const sender = {
      caller: known.caller,
      userId: req.header('x-user-id'),
      requestKey: req.header('idempotency-key'),
    };
    return runs.start(runRequestOf(body, sender));
  };

  /** @param begin makes or finds the run: only once there is a place for the stream */
  const stream = async (
    context: Context<HttpEnv>,
    begin: () => Run | Promise<Run>,
    { after, cancels = false }: { readonly after?: Place | undefined; readonly cancels?: boolean } = {},
  ): Promise<Response> => {
    const { req, env, var: known } = context;
    const place = streams.reserve(known.caller);
    let run: Run;
    try {
      run = await begin();
    } catch (error) {
      place.dispose();
      throw error;
    }
    streams.start({
      place,
      run,
      caller: known.caller,
      outgoing: env.outgoing,
      headers: {
        ...pageHeaders(req.header('origin')),
        'X-Run-Id': run.id,
        Location: `/orchestrate/runs/${run.id}/events`,
      },
      after,
      cancelsOnDisconnect: cancels,
    });
    return new Response(null, RESPONSE_ALREADY_SENT);
  };

  const startStream = async (context: Context<HttpEnv>, json: Readonly<Record<string, unknown>>) => {
    const parsed = parseOrchestrateBody(json);
    if (parsed.kind === 'wrong') return namedDetail(400, parsed.detail);
    const { request } = parsed;
    const cancels = cancelsOnDisconnect(context, request);
    return stream(context, () => start(context, request), { cancels });
  };

  const waitForEnd = async (context: Context<HttpEnv>, run: Run, cancels: boolean): Promise<Run> => {
    const { outgoing, incoming } = context.env;
    const gone = new AbortController();
    if (outgoing.closed) gone.abort();
    outgoing.once('close', () => gone.abort());
    // Nothing goes over this connection until the run has ended, however long that takes.
    incoming.socket.setTimeout(0);
    try {
      return await runs.waitForEnd(run.id, gone.signal);
    } finally {
      if (gone.signal.aborted && cancels) streams.abandon(run.id);
    }
  };

  return [
    {
      method: 'POST',
      path: '/orchestrate/stream',
      scope: 'drive',
      summary: 'Start a run, and follow it by server-sent events to its end',
      body: orchestrateBody,
      status: 200,
      answer: z.string(),
      isStream: true,
      errors: [404, 409, 413, 422],
      async handle(context) {
        const body = await readJsonObject(context.req.raw);
        return body instanceof Response ? body : startStream(context, body.object);
      },
    },
    {
      method: 'GET',
      path: '/orchestrate/stream',
      scope: 'drive',
      summary: 'The same for a task alone',
      query: z.object({ task: z.string() }),
      status: 200,
      answer: z.string(),
      isStream: true,
      errors: [422],
      handle(context) {
        const task = context.req.query('task');
        // Looking must not start anything.
        if (isHead(context)) return streamHead();
        return task === undefined ? missingTask() : startStream(context, { task });
      },
    },
    {
      method: 'POST',
      path: '/orchestrate',
      scope: 'drive',
      summary: 'Start a run, wait for its end, and get its result; 500 where it failed without one',
      body: orchestrateBody,
      status: 200,
      answer: resultView,
      errors: [404, 409, 413, 422, 500],
      async handle(context) {
        const body = await readJsonObject(context.req.raw);
        if (body instanceof Response) return body;
        const parsed = parseOrchestrateBody(body.object);
        if (parsed.kind === 'wrong') return namedDetail(400, parsed.detail);
        const { request } = parsed;
        const run = await start(context, request);
        const ended = await waitForEnd(context, run, cancelsOnDisconnect(context, request));
        if (ended.error !== undefined) return namedDetail(500, ended.error.message, { 'X-Run-Id': run.id });
        return answer(resultOf(ended), 200, { 'X-Run-Id': run.id });
      },
    },
    {
      method: 'GET',
      path: '/config',
      scope: 'read',
      summary: 'What a request is given where it says nothing, and the engine types',
      status: 200,
      answer: anyRecord,
      handle: () => answer(orchestrateConfig),
    },
    {
      method: 'GET',
      path: '/orchestrate/runs',
      scope: 'read',
      summary: 'The runs, newest first, ended ones too',
      query: listQuery,
      status: 200,
      answer: runsPage,
      handle({ req }) {
        const query = listQuery.safeParse(req.query());
        if (!query.success) return namedDetail(400, queryProblem(query.error.issues));
        const { limit = defaultPage, session_id: sessionId, ...filter } = query.data;
        // One more tells whether there is a next page.
        const page = runs.list({ ...filter, sessionId, limit: limit + 1 });
        const shown = page.slice(0, limit);
        return answer({
          runs: shown.map(see),
          next: page.length > limit ? (shown.at(-1)?.id ?? null) : null,
        });
      },
    },
    {
      method: 'GET',
      path: '/orchestrate/runs/{id}',
      scope: 'read',
      summary: 'A run, with its result once it has ended',
      status: 200,
      answer: runAnswer,
      errors: [404],
      handle(context) {
        const run = find(context);
        return answer({ ...see(run), result: isRunEnded(run) ? resultOf(run) : null });
      },
    },
    {
      method: 'GET',
      path: '/orchestrate/runs/{id}/events',
      scope: 'read',
      summary:
        'Its events by server-sent events, from the first on or behind one; 204 where there are no more',
      query: eventsQuery,
      status: 200,
      answer: z.string(),
      isStream: true,
      errors: [404],
      handle(context) {
        const run = find(context);
        const after = placeOf(context);
        if (after !== undefined && streams.isAllBehind(run, after))
          return new Response(null, { status: 204 });
        return isHead(context) ? streamHead() : stream(context, () => run, { after });
      },
    },
    {
      method: 'GET',
      path: '/orchestrate/runs/{id}/result',
      scope: 'read',
      summary: 'Its result; 409 while it goes on, unless asked to wait',
      query: resultQuery,
      status: 200,
      answer: resultView,
      errors: [404, 409],
      async handle(context) {
        const found = find(context);
        const run = context.req.query('wait') === 'true' ? await waitForEnd(context, found, false) : found;
        if (isRunEnded(run)) return answer(resultOf(run));
        return namedDetail(409, 'This run is still going on. Follow its events, or ask with ?wait=true.');
      },
    },
    {
      method: 'POST',
      path: '/orchestrate/runs/{id}/abort',
      scope: 'drive',
      summary: 'Abort a run; it ends by its events, within 11 s',
      status: startStatus,
      answer: runView,
      errors: [404, 409],
      async handle(context) {
        const { id } = find(context);
        await runs.abort(id);
        return answer(see(runs.get(id)), startStatus);
      },
    },
    {
      method: 'DELETE',
      path: '/orchestrate/runs/{id}',
      scope: 'drive',
      summary: 'Abort a run that goes on (202); take one that has ended out of the history (204)',
      status: startStatus,
      answer: runView,
      errors: [404],
      async handle(context) {
        const run = find(context);
        if (isRunEnded(run)) {
          await runs.remove(run.id);
          return new Response(null, { status: 204 });
        }
        await runs.abort(run.id);
        return answer(see(runs.get(run.id)), startStatus);
      },
    },
    {
      method: 'POST',
      path: '/orchestrate/runs/{id}/retry',
      scope: 'drive',
      summary:
        'Run the task of an ended run again, as a new run; its events where server-sent events are accepted',
      body: retryBody,
      status: 201,
      answer: runView,
      errors: [404, 409, 422],
      async handle(context) {
        const { id } = find(context);
        const fromStep = await fromStepOf(context);
        const retry = (): Promise<Run> => runs.retry(id, { fromStep });
        if (context.req.header('accept')?.includes('text/event-stream') === true)
          return stream(context, retry);
        const run = await retry();
        return answer(see(run), 201, { Location: `/orchestrate/runs/${run.id}` });
      },
    },
  ];
}

/** An empty body asks for the whole task. */
async function fromStepOf({ req }: Context<HttpEnv>): Promise<number | undefined> {
  const hasBody =
    req.header('transfer-encoding') !== undefined || Number(req.header('content-length') ?? 0) > 0;
  if (!hasBody) return undefined;
  const body = await readJsonObject(req.raw);
  const parsed = body instanceof Response ? undefined : retryBody.safeParse(body.object);
  if (parsed?.success === true) return parsed.data.from_step;
  throw invalidRequest(
    'The body must be a JSON object with from_step, a whole number from 1, or be left out.',
  );
}

function placeOf({ req }: Context<HttpEnv>): Place | undefined {
  const id = req.header('last-event-id') ?? req.query('after');
  // As EventSource has it: an empty id is none.
  if (id === undefined || id === '') return undefined;
  const place = parsePlace(id);
  if (place !== undefined) return place;
  throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'Last-Event-ID is none of ours.');
}

function cancelsOnDisconnect({ req }: Context<HttpEnv>, request: OrchestrateBody): boolean {
  return request.cancel_on_disconnect ?? req.header('x-cancel-on-disconnect')?.toLowerCase() === 'true';
}

function queryProblem(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  const [issue] = issues;
  return `${issue?.path.map(String).join('.') ?? 'The query'}: ${issue?.message ?? 'wrong'}`;
}

/** Routes of GET are asked for HEAD too. */
function isHead({ env }: Context<HttpEnv>): boolean {
  return env.incoming.method === 'HEAD';
}

function streamHead(): Response {
  return new Response(null, { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } });
}

/** A new one each time: headers for allowed pages are added to what is returned. */
function answer(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { 'Cache-Control': 'no-store', ...headers } });
}
