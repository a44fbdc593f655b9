import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { openAccess } from '../access/access.ts';
import { reportDeniedAccess } from '../../core/events/deniedAccess.ts';
import type { JwtOptions } from '../access/jwt.ts';
import {
  type HttpLimits,
  type HttpServer,
  type HttpServerOptions,
  startHttpServer,
} from '../http/httpServer.ts';
import { originRules } from '../http/originRules.ts';
import { createDaemonLogic } from './daemonLogic.ts';
import { lazyGrpcTunnel } from './grpcTunnel.ts';
import type { SubsystemState } from './daemonStatus.ts';
import { createSocketDoor, type SocketDoor } from './socket/socketDoor.ts';
import { defaultSocketLimits, type SocketLimits } from './socket/socketLimits.ts';

export interface DaemonDoorOptions
  extends Pick<
    HttpServerOptions,
    'host' | 'port' | 'tls' | 'allowedHosts' | 'allowedOrigins' | 'allowsQueryToken'
  > {
  /** Started. */
  readonly orchestrator: Orchestrator;
  /** Private, and held by this core. */
  readonly stateDir: string;
  readonly version: string;
  /** Besides the tokens of the state directory. */
  readonly jwt?: JwtOptions | undefined;
  /** Of doors besides this one, for the status: `grpc`. */
  readonly subsystems?: (() => Readonly<Record<string, SubsystemState>>) | undefined;
  /** What requests under way may take at the end, in milliseconds. */
  readonly stopTimeoutMs?: number | undefined;
  readonly httpLimits?: Partial<HttpLimits> | undefined;
  readonly socketLimits?: Partial<SocketLimits> | undefined;
  readonly logger: Logger;
}

/** The daemon while it is open: HTTP, WebSockets, and gRPC through these, on one port. */
export interface DaemonDoor extends Pick<HttpServer, 'host' | 'port' | 'url' | 'isWantedPort' | 'tokenPath'> {
  status(): DaemonStatus;
  /** Clients are told to go; what they have started goes on. Resolves when nothing listens any more. */
  stop(): Promise<void>;
}

/** Requests of HTTP besides the WebSockets. */
const httpConnections = 256;

/**
 * Opens the daemon: who may come in, what it does, and the two ways to it. Errors: those of `openAccess` and of
 * `startHttpServer`; after an error nothing is open.
 */
export async function openDaemonDoor(options: DaemonDoorOptions): Promise<DaemonDoor> {
  const { orchestrator, stateDir, version, host = '127.0.0.1', stopTimeoutMs, logger } = options;
  const access = openAccess({
    stateDir,
    jwt: options.jwt,
    onDidDeny: (denials) => reportDeniedAccess(orchestrator.events, denials, logger),
    logger,
  });
  // Loaded by the first who asks for it.
  const grpc = lazyGrpcTunnel(async () => {
    const { openGrpcDoor } = await import('../grpc/door.ts');
    return openGrpcDoor({ orchestrator, version, logger });
  }, logger);
  let http: HttpServer | undefined;
  const logic = createDaemonLogic({
    orchestrator,
    version,
    logger,
    subsystems: () => ({ ...options.subsystems?.(), ...ownSubsystems(sockets, http) }),
    limits: () => {
      const { maxActiveSessions: maxSessions, maxConcurrentRuns: maxTasks } = orchestrator.runLimits;
      return { maxSessions, maxTasks };
    },
    connections: () => {
      const { clients, framesSent, bytesSent, framesReceived, bytesReceived } = sockets.figures();
      return { clients, framesSent, bytesSent, framesReceived, bytesReceived };
    },
  });
  const sockets: SocketDoor = createSocketDoor({
    rules: originRules(host, options.allowedHosts, options.allowedOrigins),
    authenticator: access,
    watch: (caller, onGone) => access.watch(caller, onGone),
    accept: logic.accept,
    acceptGrpc: grpc.accept,
    allowsQueryToken: options.allowsQueryToken,
    limits: options.socketLimits,
    sequence: () => orchestrator.events.lastSequence,
    logger,
  });
  const { maxConnections } = { ...defaultSocketLimits, ...options.socketLimits };
  try {
    http = await startHttpServer({
      ...options,
      tasks: orchestrator.containerTasks,
      daemon: logic,
      runs: orchestrator,
      tools: orchestrator.tools,
      mcp: { orchestrator, version, logger },
      access,
      onUpgrade: (request, socket, head, trust) => {
        // The door of sockets has limits of its own for those that show no token.
        trust();
        sockets.handleUpgrade(request, socket, head);
      },
      limits: {
        maxConnections: httpConnections + maxConnections,
        ...(stopTimeoutMs === undefined ? {} : { stopTimeoutMs }),
        ...options.httpLimits,
      },
    });
  } catch (error) {
    logic.dispose();
    access.dispose();
    throw error;
  }
  const server = http;
  return {
    host: server.host,
    port: server.port,
    url: server.url,
    isWantedPort: server.isWantedPort,
    tokenPath: server.tokenPath,
    status: () => logic.readStatus(),
    async stop() {
      await Promise.all([sockets.stop(), server.stop()]);
      await grpc.stop();
      logic.dispose();
      access.dispose();
    },
  };
}

function ownSubsystems(sockets: SocketDoor, http: HttpServer | undefined): Record<string, SubsystemState> {
  const state = http === undefined ? 'stopped' : 'running';
  const { clients } = sockets.figures();
  return {
    websocket: { status: state, detail: `${clients} ${clients === 1 ? 'client' : 'clients'}` },
    http: { status: state, ...(http === undefined ? {} : { detail: http.url }) },
    securityGate: { status: state, detail: 'A token is asked for before anything else.' },
  };
}
