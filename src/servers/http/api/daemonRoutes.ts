import * as z from 'zod/mini';
import { anyRecord, daemonStatus, idText } from '../../../protocol/daemon/shapes.ts';
import type { DaemonApi } from '../daemonApi.ts';
import { namedError } from '../httpErrors.ts';
import { type ApiRoute, apiRoute } from './apiRoute.ts';
import {
  type DaemonRegistry,
  heartbeatIntervalMs,
  heartbeatStatus,
  registeredDaemon,
  registration,
} from './daemonRegistry.ts';

const instanceId = z.optional(idText);
const registered = z.object({
  success: z.literal(true),
  daemonId: z.string(),
  heartbeatInterval: z.number(),
  healthCheckEndpoint: z.string(),
});

/** This daemon's status, and others that register here: contract 002, section 7. */
export function daemonRoutes(api: DaemonApi, registry: DaemonRegistry): ApiRoute[] {
  const register = (path: string): ApiRoute =>
    apiRoute({
      method: 'POST',
      path,
      scope: 'admin',
      summary: 'Register another daemon, so that clients find it here',
      body: registration,
      status: 201,
      answer: registered,
      errors: [409],
      handle({ caller, body }) {
        const { instanceId: daemonId } = body.daemonInfo;
        if (!registry.register(caller.name, body)) {
          return namedError(
            409,
            'DAEMON_ALREADY_REGISTERED',
            `The daemon ${daemonId} is registered and online.`,
          );
        }
        return {
          success: true,
          daemonId,
          heartbeatInterval: heartbeatIntervalMs,
          healthCheckEndpoint: '/api/daemon/heartbeat',
        };
      },
    });
  const status = (path: string): ApiRoute =>
    apiRoute({
      method: 'GET',
      path,
      scope: 'read',
      summary: "This daemon's status, and the daemons that have registered here",
      answer: z.object({ ...daemonStatus.shape, daemons: z.array(registeredDaemon) }),
      handle: async () => ({ ...(await api.status()), daemons: registry.list() }),
    });
  return [
    register(''),
    register('/register'),
    status(''),
    status('/status'),
    apiRoute({
      method: 'DELETE',
      path: '',
      scope: 'admin',
      summary: 'Forget a registered daemon: that of the query, or the only one of this token',
      query: z.object({ instanceId }),
      answer: z.object({ success: z.literal(true), daemonId: z.string() }),
      errors: [404],
      handle({ caller, query }) {
        const daemonId = registry.find(caller.name, query.instanceId);
        if (daemonId === undefined) return notRegistered();
        registry.remove(daemonId);
        return { success: true, daemonId };
      },
    }),
    apiRoute({
      method: 'POST',
      path: '/heartbeat',
      scope: 'drive',
      summary: 'A sign of life of a registered daemon, which is online for 90 s after each',
      body: z.object({
        instanceId,
        status: z.optional(heartbeatStatus),
        metrics: z.optional(anyRecord),
      }),
      answer: z.object({
        success: z.literal(true),
        serverTime: z.string(),
        nextHeartbeat: z.string(),
        heartbeatIntervalMs: z.number(),
      }),
      errors: [404],
      handle({ caller, body }) {
        const daemonId = registry.find(caller.name, body.instanceId);
        if (daemonId === undefined) return notRegistered();
        registry.note(daemonId, body);
        const now = Date.now();
        return {
          success: true,
          serverTime: new Date(now).toISOString(),
          nextHeartbeat: new Date(now + heartbeatIntervalMs).toISOString(),
          heartbeatIntervalMs,
        };
      },
    }),
    apiRoute({
      method: 'PUT',
      path: '/status',
      scope: 'drive',
      summary: 'What a registered daemon says of itself',
      body: z.object({ instanceId, status: z.enum(['active', 'paused', 'error']) }),
      answer: z.object({ success: z.literal(true), status: z.string() }),
      errors: [404],
      handle({ caller, body }) {
        const daemonId = registry.find(caller.name, body.instanceId);
        if (daemonId === undefined) return notRegistered();
        registry.note(daemonId, { status: body.status });
        return { success: true, status: body.status };
      },
    }),
  ];
}

function notRegistered(): Response {
  return namedError(404, 'DAEMON_NOT_REGISTERED', 'No such daemon is registered here: register it first.');
}
