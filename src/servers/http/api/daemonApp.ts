import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { invalidRequest } from '../../../core/text.ts';
import { checkScope } from '../../access/caller.ts';
import type { DaemonApi } from '../daemonApi.ts';
import { namedError } from '../httpErrors.ts';
import type { HttpEnv } from '../httpApp.ts';
import { readJsonBody } from '../jsonBody.ts';
import { metricsContentType, metricsText } from '../metrics.ts';
import { alreadyAnswered, type ApiRoute, type DescribedRoute } from './apiRoute.ts';
import { apiBase, openApiDocument } from './openApi.ts';

/**
 * `/api/daemon`, `/metrics` and the document that describes them, for callers who have shown a token.
 *
 * @param others what is served besides, for the document
 */
export function daemonApp(
  api: DaemonApi,
  routes: readonly ApiRoute[],
  version: string,
  others: readonly DescribedRoute[] = [],
): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  let document: string | undefined;
  const openApi = (context: Context<HttpEnv>): Response => {
    checkScope(context.var.caller, 'read');
    document ??= JSON.stringify(openApiDocument(routes, version, others));
    return context.body(document, 200, { 'Content-Type': 'application/json' });
  };
  app.get('/openapi.json', openApi);
  app.get(`${apiBase}/openapi.json`, openApi);
  app.get('/metrics', async (context) => {
    checkScope(context.var.caller, 'read');
    return context.body(metricsText(await api.status()), 200, { 'Content-Type': metricsContentType });
  });
  serveRoutes(app, routes);
  return app;
}

/** Each route, and on its path, for every other method, what there is. */
export function serveRoutes(app: Hono<HttpEnv>, routes: readonly ApiRoute[]): void {
  for (const route of routes) {
    app.on(route.method, placesOf(route), (context) => answer(context, route));
  }
  for (const place of new Set(routes.map((route) => placesOf(route)[0] ?? ''))) {
    const allowed = routes.filter((route) => placesOf(route)[0] === place).map(({ method }) => method);
    app.all(place, () => notAllowed(allowed));
  }
}

async function answer(context: Context<HttpEnv>, route: ApiRoute): Promise<Response> {
  const { req, env, var: known } = context;
  checkScope(known.caller, route.scope);
  let json: unknown;
  if (route.body !== undefined && (hasBody(req.raw) || !route.body.safeParse(undefined).success)) {
    const body = await readJsonBody(req.raw);
    if (body instanceof Response) return body;
    json = body.json;
  }
  const result = await route.handle({
    caller: known.caller,
    exchange: env,
    params: req.param(),
    query: queryOf(req.queries()),
    json,
    requestId: requestIdOf(req.header('idempotency-key')),
  });
  // A new one each time: headers for allowed pages are added to what is returned.
  if (result === alreadyAnswered) return new Response(null, RESPONSE_ALREADY_SENT);
  if (result instanceof Response) return result;
  return Response.json(result, { status: route.status, headers: { 'Cache-Control': 'no-store' } });
}

function hasBody({ headers }: Request): boolean {
  return headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0';
}

/** What is given twice is a list. */
function queryOf(queries: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  return Object.fromEntries(Object.entries(queries).map(([name, values]) => [name, values.join(',')]));
}

function requestIdOf(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  if (header.length > 200) throw invalidRequest('The Idempotency-Key is longer than 200 characters.');
  return header;
}

/** As hono writes them; the root with and without a slash. */
function placesOf({ base = apiBase, path }: Pick<ApiRoute, 'base' | 'path'>): string[] {
  const place = `${base}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
  return path === '' ? [place, `${place}/`] : [place];
}

function notAllowed(allowed: readonly string[]): Response {
  const response = namedError(405, 'METHOD_NOT_ALLOWED', `Here is only ${allowed.join(', ')}.`);
  response.headers.set('Allow', allowed.join(', '));
  return response;
}
