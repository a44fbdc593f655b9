import { Hono, type MiddlewareHandler } from 'hono';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Authenticator, type Caller, checkScope } from '../access/caller.ts';
import type { CallerUse } from './callerLimits.ts';
import { credentialsOf } from './credentials.ts';
import { detailResponse, isDetailPlace } from './detailErrors.ts';
import { errorResponse } from './httpErrors.ts';
import { checkOrigin, type OriginRules, pageHeaders } from './originRules.ts';

export interface HttpAppOptions {
  readonly rules: OriginRules;
  readonly authenticator: Authenticator;
  /** Tokens in `?token=` too. */
  readonly allowsQueryToken: boolean;
  readonly use: CallerUse;
  /** Without a token and from anywhere: they check for themselves who may come. */
  readonly openRoutes: readonly Hono<HttpEnv>[];
  /** What is served besides `/health`, all of it behind a token; they check scopes of their own. */
  readonly routes: readonly Hono<HttpEnv>[];
  /** Likewise, with `read` for looking and `drive` for everything else. */
  readonly taskRoutes: Hono;
  /** The sender of the request has shown a token. */
  readonly onTrusted: (request: IncomingMessage) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

/** What Node has of a request besides its `Request`, and who sent it. */
export interface HttpEnv {
  readonly Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };
  readonly Variables: { caller: Caller };
}

/**
 * The HTTP door without a socket. In this order, and before anything of a body is read: who asks from where, `/health`,
 * the token, how much the caller asks for, the routes with their scopes.
 */
export function createHttpApp(options: HttpAppOptions): Hono<HttpEnv> {
  const { rules, authenticator, use, now, logger } = options;
  const app = new Hono<HttpEnv>();
  app.onError((error, { req }) => {
    const known = OrchestratorError.from(error);
    if (known.code === 'INTERNAL') logger.error(`A request failed: ${known.message}`, known);
    return isDetailPlace(req.path) ? detailResponse(known) : errorResponse(known);
  });
  app.notFound(({ req }) => {
    const error = new OrchestratorError('NOT_FOUND', 'invalid_request', `There is nothing at ${req.path}.`);
    return isDetailPlace(req.path) ? detailResponse(error) : errorResponse(error);
  });
  for (const route of options.openRoutes) app.route('/', route);
  app.use(async ({ req }, next) => {
    const { host, origin, 'sec-fetch-site': fetchSite } = req.header();
    checkOrigin({ host, origin, fetchSite }, rules);
    await next();
  });
  app.use(answerAllowedPages);
  // Contract 002, section 2: exactly this, by any method.
  app.all('/health', async ({ env, json }, next) => {
    if (env.incoming.url !== '/health') return next();
    return json({ status: 'healthy', timestamp: new Date(now()).toISOString() });
  });
  app.use(async (context, next) => {
    const { incoming } = context.env;
    const caller = await authenticator.authenticate(credentialsOf(incoming, options.allowsQueryToken));
    options.onTrusted(incoming);
    context.set('caller', caller);
    const end = use.begin(caller.name, now());
    try {
      await next();
    } finally {
      end();
    }
  });
  for (const route of options.routes) app.route('/', route);
  app.use('/task/*', async ({ req, var: { caller } }, next) => {
    checkScope(caller, req.method === 'GET' || req.method === 'HEAD' ? 'read' : 'drive');
    await next();
  });
  app.route('/', options.taskRoutes);
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
  for (const [name, value] of Object.entries(pageHeaders(origin))) {
    if (name === 'Vary') context.res.headers.append(name, value);
    else context.res.headers.set(name, value);
  }
  if (origin !== undefined) context.res.headers.append('Access-Control-Expose-Headers', 'Mcp-Session-Id');
};

const preflightHeaders = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'Access-Control-Allow-Headers':
    'Authorization, X-API-Key, Content-Type, Idempotency-Key, Last-Event-ID, X-User-Id, X-Cancel-On-Disconnect, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name',
  'Access-Control-Max-Age': '600',
} as const;
