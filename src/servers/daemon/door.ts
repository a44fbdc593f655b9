import { checkScope } from '../access/caller.ts';
import { openAccess } from '../access/access.ts';
import type { JwtOptions } from '../access/jwt.ts';
import type { Logger } from '../../base/logger.ts';
import { reportDeniedAccess } from '../../core/events/deniedAccess.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { DaemonStatus } from '../../protocol/daemon/shapes.ts';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../http/httpServer.ts';
import { originRules } from '../http/originRules.ts';
import { createDaemonLogic } from './daemonLogic.ts';
import { type AcceptGrpc, grpcTunnel } from './grpcTunnel.ts';
import { createSocketDoor, type SocketDoor } from './socket/socketDoor.ts';
import type { SocketLimits } from './socket/socketLimits.ts';

type AddressOptions = Pick<
  HttpServerOptions,
  'stateDir' | 'host' | 'port' | 'tls' | 'allowedHosts' | 'allowedOrigins' | 'allowsQueryToken'
>;

export interface DaemonDoorOptions extends AddressOptions {
  /** Was started. */
  readonly orchestrator: Orchestrator;
  readonly version: string;
  /** Taken besides the tokens of the state directory. */
  readonly jwt?: JwtOptions | undefined;
  /** What requests under way may take at the end, in milliseconds. */
  readonly stopTimeoutMs?: number | undefined;
  readonly socketLimits?: Partial<SocketLimits> | undefined;
  readonly httpLimits?: HttpServerOptions['limits'];
  readonly logger: Logger;
}

/** The daemon of seed 002, on one port: HTTP, server-sent events, WebSockets, and gRPC through them. */
export interface DaemonDoor extends Pick<HttpServer, 'host' | 'port' | 'url' | 'isWantedPort' | 'tokenPath'> {
  status(): DaemonStatus;
  /** Tells clients to go, lets requests under way finish, then cuts what is left. */
  stop(): Promise<void>;
}

/** Above that of WebSockets, which have limits of their own, so that these never take the room of a request. */
const maxConnections = 1_280;

/** Errors: those of `startHttpServer` and of `openAccess`. */
export async function openDaemonDoor(options: DaemonDoorOptions): Promise<DaemonDoor> {
  const { orchestrator, version, stateDir, host = '127.0.0.1', jwt, logger, stopTimeoutMs } = options;
  const access = openAccess({
    stateDir,
    jwt,
    onDidDeny: (denials) => reportDeniedAccess(orchestrator.events, denials, logger),
    logger,
  });
  const tunnel = lazyTunnel(options);
  let isOpen = false;
  const logic = createDaemonLogic({
    orchestrator,
    version,
    logger,
    subsystems: () => ({
      websocket: isOpen
        ? { status: 'running', detail: `${sockets.figures().clients} clients` }
        : { status: 'stopped' },
      http: { status: isOpen ? 'running' : 'stopped' },
    }),
    connections: () => sockets.figures(),
  });
  const sockets: SocketDoor = createSocketDoor({
    rules: originRules(host, options.allowedHosts, options.allowedOrigins),
    authenticator: access,
    accept: (link) => logic.accept(link),
    acceptGrpc: tunnel.accept,
    watch: (caller, onGone) => access.watch(caller, onGone),
    allowsQueryToken: options.allowsQueryToken,
    limits: options.socketLimits,
    sequence: () => orchestrator.events.lastSequence,
    logger,
  });
  const stopAll = async (server?: HttpServer): Promise<void> => {
    isOpen = false;
    await Promise.all([sockets.stop(), server?.stop()]);
    await tunnel.stop();
    logic.dispose();
    access.dispose();
  };
  try {
    const server = await startHttpServer({
      ...options,
      access,
      tasks: orchestrator.containerTasks,
      daemon: logic,
      onUpgrade(request, socket, head, trust) {
        // From here on the limits of WebSockets hold, those for strangers too.
        trust();
        sockets.handleUpgrade(request, socket, head);
      },
      limits: {
        maxConnections,
        ...options.httpLimits,
        ...(stopTimeoutMs === undefined ? {} : { stopTimeoutMs }),
      },
    });
    isOpen = true;
    return { ...server, status: () => logic.readStatus(), stop: () => stopAll(server) };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

interface Tunnel {
  readonly accept: AcceptGrpc;
  stop(): Promise<void>;
}

/** gRPC is loaded by the first who asks for it. */
function lazyTunnel({ orchestrator, version, logger }: DaemonDoorOptions): Tunnel {
  const open = async (): Promise<{ readonly accept: AcceptGrpc; stop(): Promise<void> }> => {
    const { openGrpcDoor } = await import('../grpc/door.ts');
    const server = await openGrpcDoor({ orchestrator, version, logger });
    return { accept: grpcTunnel({ server, now: Date.now }), stop: () => server.stop() };
  };
  let opening: ReturnType<typeof open> | undefined;
  return {
    accept(connection, caller) {
      checkScope(caller, 'admin');
      opening ??= open();
      opening
        .then(({ accept }) => accept(connection, caller))
        .catch((error: unknown) => {
          logger.error('A gRPC connection over a WebSocket could not be served', error);
          connection.destroy();
        });
    },
    async stop() {
      const opened = await opening?.catch(() => undefined);
      await opened?.stop();
    },
  };
}
