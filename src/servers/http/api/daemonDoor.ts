import type { Hono } from 'hono';
import type { HttpEnv } from '../httpApp.ts';
import { daemonApp } from './daemonApp.ts';
import type { ApiRoute } from './apiRoute.ts';
import { DaemonRegistry } from './daemonRegistry.ts';
import { daemonRoutes } from './daemonRoutes.ts';
import { type EventRouteOptions, EventRoutes } from './eventRoutes.ts';
import { sessionRoutes } from './sessionRoutes.ts';

/** Everything of the daemon that is served by HTTP. */
export function daemonDoor(
  options: EventRouteOptions & {
    readonly version: string;
    /** Served elsewhere, and described with the others. */
    readonly otherRoutes: readonly ApiRoute[];
  },
): {
  readonly app: Hono<HttpEnv>;
  readonly events: EventRoutes;
} {
  const { api, now, version, otherRoutes } = options;
  const events = new EventRoutes(options);
  const routes = [...daemonRoutes(api, new DaemonRegistry(now)), ...sessionRoutes(api), ...events.routes];
  return { app: daemonApp(api, routes, otherRoutes, version), events };
}
