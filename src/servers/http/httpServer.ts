import { getRequestListener } from '@hono/node-server';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { checkInteger, invalidRequest } from '../../core/text.ts';
import type { ToolRegistry } from '../../core/tools/toolRegistry.ts';
import { type Access, openAccess } from '../access/access.ts';
import { daemonDoor } from './api/daemonDoor.ts';
import { type CallerLimits, CallerUse, defaultCallerLimits } from './callerLimits.ts';
import type { DaemonApi } from './daemonApi.ts';
import { defaultEventStreamLimits, type EventStreamLimits } from './events/eventStream.ts';
import { createHttpApp } from './httpApp.ts';
import { type McpRouteOptions, McpRoutes } from './mcpRoutes.ts';
import { OpenConnections } from './openConnections.ts';
import { orchestrateDoor } from './orchestrate/orchestrateDoor.ts';
import type { RunSource } from './orchestrate/runStreams.ts';
import { refuseRequest, refuseUpgrade } from './rawRequests.ts';
import { isLoopback, originRules, urlHost } from './originRules.ts';
import { callbackApp, toolApp } from './tools/toolApp.ts';
import { toolBase, toolRoutes } from './tools/toolRoutes.ts';
import { type TaskApi, type TaskRouteLimits, taskRoutes } from './taskRoutes.ts';

export interface HttpServerOptions {
  /** Where the token is kept: private, and held by this core. */
  readonly stateDir: string;
  /** Default: 127.0.0.1. Anything but a loopback address needs `tls`. */
  readonly host?: string | undefined;
  /** Default: 8787, or the next one that is free. 0 for any. */
  readonly port?: number | undefined;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Names besides `localhost` and `host` by which clients call it, without a port. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of pages that may use it, e.g. `http://localhost:3000`. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Undefined where the core has no container tasks. */
  readonly tasks: TaskApi | undefined;
  /** What is behind `/api/daemon` and `/metrics`; without it there is neither. */
  readonly daemon?: DaemonApi | undefined;
  /** What is behind `/orchestrate`; without it there is none. */
  readonly runs?: RunSource | undefined;
  /** What is behind `/api/mcp/auth`; without it there is none. */
  readonly tools?: ToolRegistry | undefined;
  /** What is behind `/mcp`; without it there is none. */
  readonly mcp?: McpRouteOptions | undefined;
  /** Who may come in; closed by whoever opened it. Default: the tokens of the state directory. */
  readonly access?: Access | undefined;
  /** Takes tokens from the query too, where logs and histories show them. Default: no. */
  readonly allowsQueryToken?: boolean | undefined;
  /** For WebSockets, on any path; what asks from a foreign page or for a foreign name never gets here. */
  readonly onUpgrade?: UpgradeHandler | undefined;
  /** Of the product, for the OpenAPI document. */
  readonly version?: string | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly logger: Logger;
}

/** @param trust to be called when the client has shown a token: it is then not pushed out by strangers. */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  trust: () => void,
) => void;

export interface HttpLimits extends TaskRouteLimits, CallerLimits {
  /** Connections at a time; beyond them those go that have shown no token. */
  readonly maxConnections: number;
  /** From a connection's beginning to the end of a request's headers, in milliseconds. */
  readonly headersTimeoutMs: number;
  /** To the end of its body, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** After so long without a byte in either direction a connection is closed, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** How long requests under way may take at the end, in milliseconds. */
  readonly stopTimeoutMs: number;
  readonly events: EventStreamLimits;
}

export const defaultHttpLimits: HttpLimits = {
  ...defaultCallerLimits,
  maxBodyBytes: 16 * 1024 * 1024,
  taskTimeoutMs: 60_000,
  maxRequestsPerTask: 32,
  maxConnections: 256,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  stopTimeoutMs: 5_000,
  events: defaultEventStreamLimits,
};

export const defaultHttpPort = 8787;

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** E.g. `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Whether it got the port that was asked for; if not, tell the person which it is. */
  readonly isWantedPort: boolean;
  /** The file that holds the token. */
  readonly tokenPath: string;
  /** Takes no more requests, lets those under way finish within the limit, then cuts what is left. */
  stop(): Promise<void>;
}

const headerLimitBytes = 16 * 1024;
const keepAliveMs = 5_000;
const checkIntervalMs = 1_000;
/** How many ports are tried, one after the other, before any is taken. */
const portAttempts = 20;

/** Opens the HTTP door. Errors: `invalid_request` (the address), `listen_failed`, `state_dir_unsafe`, `disk_full`. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host = '127.0.0.1', port: wantedPort = defaultHttpPort, stateDir, tls, logger } = options;
  checkAddress(host, wantedPort, tls !== undefined);
  const limits = { ...defaultHttpLimits, ...options.limits };
  const access = options.access ?? openAccess({ stateDir, logger });
  const connections = new OpenConnections(limits.maxConnections);
  const rules = originRules(host, options.allowedHosts, options.allowedOrigins);
  const use = new CallerUse(limits);
  const { daemon: api, runs: source, tools, version = '' } = options;
  const common = { access, use, limits: limits.events, now: Date.now };
  const orchestrate = source === undefined ? undefined : orchestrateDoor({ ...common, source, logger });
  const toolApi = tools === undefined ? [] : toolRoutes(tools, rules);
  const others = [
    ...(orchestrate?.routes ?? []),
    ...toolApi.map((route) => ({ ...route, path: `${toolBase}${route.path}` })),
  ];
  const daemon = api === undefined ? undefined : daemonDoor({ ...common, api, version, others });
  const mcp = options.mcp === undefined ? undefined : new McpRoutes(options.mcp, access);
  const app = createHttpApp({
    rules,
    authenticator: access,
    allowsQueryToken: options.allowsQueryToken === true,
    use,
    openRoutes: tools === undefined ? [] : [callbackApp(tools, rules)],
    routes: [
      ...[daemon, orchestrate, mcp].flatMap((door) => (door === undefined ? [] : [door.app])),
      toolApp(toolApi),
    ],
    taskRoutes: taskRoutes(options.tasks, limits),
    onTrusted: ({ socket }) => connections.trust(socket),
    now: Date.now,
    logger,
  });
  const server = createNodeServer(limits, tls, options.onUpgrade !== undefined);
  server.on('connection', (socket: Socket) => {
    connections.admit(socket);
    socket.setTimeout(limits.idleTimeoutMs, () => socket.destroy());
  });
  const { onUpgrade } = options;
  if (onUpgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // A request's limits are not those of what it becomes.
      socket.setTimeout(0);
      if (!refuseUpgrade(request, socket, rules))
        onUpgrade(request, socket, head, () => connections.trust(socket));
    });
  }
  const handle = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  let isStopping = false;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    response.once('finish', () => {
      if (isStopping) setImmediate(() => server.closeIdleConnections());
    });
    if (!refuseRequest(request, response)) void handle(request, response);
  });
  const port = await listenOnNextFree(server, host, wantedPort);
  const url = `${tls === undefined ? 'http' : 'https'}://${urlHost(host)}:${port}`;
  return {
    host,
    port,
    url,
    isWantedPort: wantedPort === 0 || port === wantedPort,
    tokenPath: access.tokenPath,
    async stop() {
      isStopping = true;
      const closing = closeWithin(server, connections, limits.stopTimeoutMs);
      daemon?.events.endAll();
      orchestrate?.endAll();
      await mcp?.close();
      await closing;
      if (options.access === undefined) access.dispose();
    },
  };
}

function createNodeServer(limits: HttpLimits, tls: HttpServerOptions['tls'], upgrades: boolean): Server {
  const settings = {
    maxHeaderSize: headerLimitBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: checkIntervalMs,
    // An `Upgrade: h2c` is an offer that may be ignored.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
      upgrades && headers.upgrade?.toLowerCase() === 'websocket',
  };
  if (tls === undefined) return createServer(settings);
  return createSecureServer({ ...settings, ...tls, handshakeTimeout: limits.headersTimeoutMs });
}

/** @returns the port. */
async function listenOnNextFree(server: Server, host: string, wanted: number): Promise<number> {
  for (let attempt = 0; ; attempt += 1) {
    const candidate = wanted + attempt;
    const isLast = attempt === portAttempts || candidate > 65_535;
    try {
      await listen(server, host, isLast ? 0 : candidate);
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (isTaken && !isLast) continue;
      const { message } = OrchestratorError.from(error);
      throw new OrchestratorError(
        'INTERNAL',
        'listen_failed',
        `The HTTP server cannot listen on ${urlHost(host)}:${wanted}: ${message}`,
        { cause: error },
      );
    }
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      // Out of descriptors, for one: it goes on with those it has.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function closeWithin(server: Server, connections: OpenConnections, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => connections.destroyAll(), limitMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function checkAddress(host: string, port: number, hasTls: boolean): void {
  checkInteger(port, 0, 65_535, 'The port of the HTTP server');
  if (hasTls || isLoopback(host)) return;
  throw invalidRequest(
    `The HTTP server on ${host} needs TLS: without it only loopback addresses are served. Forward a port to it instead.`,
  );
}
