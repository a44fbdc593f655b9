import { Hono } from 'hono';
import { checkScope } from '../../access/caller.ts';
import { namedDetail } from '../detailErrors.ts';
import type { HttpEnv } from '../httpApp.ts';
import { type OrchestrateRoute, orchestrateRoutes } from './orchestrateRoutes.ts';
import { RunStreams, type RunStreamsOptions } from './runStreams.ts';

/** The run stream over HTTP, for callers who have shown a token. */
export interface OrchestrateDoor {
  readonly app: Hono<HttpEnv>;
  /** For the OpenAPI document. */
  readonly routes: readonly OrchestrateRoute[];
  /** Ends all streams: the server goes. */
  endAll(): void;
}

export function orchestrateDoor(options: RunStreamsOptions): OrchestrateDoor {
  const streams = new RunStreams(options);
  const routes = orchestrateRoutes(options.source, streams);
  const app = new Hono<HttpEnv>();
  for (const { method, path, scope, handle } of routes) {
    app.on(method, honoPath(path), (context) => {
      checkScope(context.var.caller, scope);
      return handle(context);
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allowed = routes.filter((route) => route.path === path).map(({ method }) => method);
    app.all(honoPath(path), () =>
      namedDetail(405, `Here is only ${allowed.join(', ')}.`, { Allow: allowed.join(', ') }),
    );
  }
  return { app, routes, endAll: () => streams.endAll() };
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
