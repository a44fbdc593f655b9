import { Hono } from 'hono';
import type { ToolRegistry } from '../../../core/tools/toolRegistry.ts';
import type { ApiRoute } from '../api/apiRoute.ts';
import { serveRoutes } from '../api/daemonApp.ts';
import type { HttpEnv } from '../httpApp.ts';
import { checkOrigin, type OriginRules } from '../originRules.ts';
import { toolBase } from './toolRoutes.ts';

/** The routes of tools, for callers who have shown a token. */
export function toolApp(routes: readonly ApiRoute[]): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  serveRoutes(app, routes);
  return app;
}

/**
 * Where an authorization server sends a browser back to. It carries no token of ours and comes from a foreign page: what
 * lets it in is the state, which was given to one sign-in, can be used once, and cannot be guessed.
 */
export function callbackApp(registry: ToolRegistry, rules: OriginRules): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get(`${toolBase}/:provider/callback`, async ({ req }) => {
    checkOrigin({ host: req.header('host'), origin: undefined, fetchSite: undefined }, rules);
    const { provider } = req.param();
    const text = (name: string): string | undefined => req.query(name)?.slice(0, 4_096);
    const { isSignedIn, problem, returnTo } = await registry.finishSignIn({
      server: provider,
      state: text('state') ?? '',
      code: text('code'),
      issuer: text('iss'),
      error: text('error_description') ?? text('error'),
    });
    if (returnTo !== undefined) {
      const target = new URL(returnTo);
      target.searchParams.set('provider', provider);
      if (!isSignedIn) target.searchParams.set('error', problem ?? 'It failed.');
      return new Response(null, { status: 303, headers: { ...pageHeaders, Location: target.href } });
    }
    const message = isSignedIn
      ? `Signed in to ${provider}. You can close this page.`
      : `The sign-in failed. ${problem ?? ''}`;
    return new Response(`${message}\n`, {
      status: isSignedIn ? 200 : 400,
      headers: { ...pageHeaders, 'Content-Type': 'text/plain; charset=utf-8' },
    });
  });
  return app;
}

/** The address holds the code: it is neither kept nor told to whoever comes next. */
const pageHeaders = {
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy': "default-src 'none'",
  'X-Content-Type-Options': 'nosniff',
} as const;
