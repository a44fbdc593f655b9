import { Hono, type MiddlewareHandler } from 'hono';
import type { IncomingMessage } from 'node:http';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { checkBearer } from './accessToken.ts';
import { errorResponse } from './httpErrors.ts';
import { checkOrigin, type OriginRules } from './originRules.ts';

export interface HttpAppOptions {
  readonly rules: OriginRules;
  readonly token: string;
  /** What is served besides `/health`; all of it behind the token. */
  readonly routes: readonly Hono[];
  /** The sender of the request has shown the token. */
  readonly onTrusted: (request: IncomingMessage) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

/** What Node has of a request besides its `Request`. */
export interface HttpBindings {
  readonly incoming: IncomingMessage;
}

type App = Hono<{ Bindings: HttpBindings }>;

/**
 * The HTTP door without a socket. In this order, and before anything of a body is read: who asks from where, `/health`,
 * the token, the routes.
 */
export function createHttpApp(options: HttpAppOptions): App {
  const { rules, token, routes, now, logger } = options;
  const app: App = new Hono();
  app.onError((error) => {
    const known = OrchestratorError.from(error);
    if (known.code === 'INTERNAL') logger.error(`A request failed: ${known.message}`, known);
    return errorResponse(known);
  });
  app.notFound(({ req }) =>
    errorResponse(new OrchestratorError('NOT_FOUND', 'invalid_request', `There is nothing at ${req.path}.`)),
  );
  app.use(async ({ req }, next) => {
    const { host, origin, 'sec-fetch-site': fetchSite } = req.header();
    checkOrigin({ host, origin, fetchSite }, rules);
    await next();
  });
  app.use(answerAllowedPages);
  // Contract 002, section 2: any method.
  app.all('/health', ({ json }) => json({ status: 'healthy', timestamp: new Date(now()).toISOString() }));
  app.use(async ({ req, env }, next) => {
    checkBearer(req.header('authorization'), token);
    options.onTrusted(env.incoming);
    await next();
  });
  for (const route of routes) app.route('/', route);
  return app;
}

/** CORS, for the pages that `checkOrigin` has let through: a preflight can carry no token. */
const answerAllowedPages: MiddlewareHandler = async (context, next) => {
  const { req } = context;
  const origin = req.header('origin');
  const isPreflight = req.method === 'OPTIONS' && req.header('access-control-request-method') !== undefined;
  if (origin === undefined || !isPreflight) {
    await next();
  } else {
    context.res = new Response(null, { status: 204, headers: preflightHeaders });
  }
  if (origin === undefined) return;
  context.res.headers.set('Access-Control-Allow-Origin', origin);
  context.res.headers.append('Vary', 'Origin');
};

const preflightHeaders = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Last-Event-ID',
  'Access-Control-Max-Age': '600',
} as const;
