import type { Duplex } from 'node:stream';
import type { Logger } from '../../base/logger.ts';
import { checkScope, type Caller } from '../access/caller.ts';
import type { GrpcServer } from '../grpc/grpcServer.ts';

/**
 * Called with the byte stream of each WebSocket that offered `orchestrator.grpc.v1`, once its client has shown its
 * token. Error: `permission_denied` without the scope `admin`, and the stream is closed: every service of the gRPC door
 * is behind it.
 */
export type AcceptGrpc = (connection: Duplex, caller: Caller) => void;

export interface GrpcTunnelOptions {
  /** The one that listens on the socket; where there is none, one without `socketPath` that was started. */
  readonly server: Pick<GrpcServer, 'attach'>;
  readonly now: () => number;
}

/** gRPC over the daemon's one port. A token that ends while it is connected ends the connection. */
export function grpcTunnel({ server, now }: GrpcTunnelOptions): AcceptGrpc {
  return (connection, caller) => {
    try {
      checkScope(caller, 'admin');
    } catch (error) {
      connection.destroy();
      throw error;
    }
    endAt(connection, caller.expiresAt, now);
    server.attach(connection);
  };
}

/** A tunnel whose server is opened for its first client, and stopped with it. `open` may reject: then that client is cut. */
export function lazyGrpcTunnel(
  open: () => Promise<GrpcServer>,
  logger: Logger,
): { readonly accept: AcceptGrpc; stop(): Promise<void> } {
  let opening: Promise<GrpcServer> | undefined;
  return {
    accept(connection, caller) {
      opening ??= open();
      opening
        .then((server) => grpcTunnel({ server, now: Date.now })(connection, caller))
        .catch((error: unknown) => {
          logger.error('gRPC over a WebSocket could not be served', error);
          connection.destroy();
        });
    },
    async stop() {
      const server = await opening?.catch(() => undefined);
      await server?.stop();
    },
  };
}

/** The longest time that a timer takes. */
const maxTimerMs = 2 ** 31 - 1;

function endAt(connection: Duplex, expiresAt: number | undefined, now: () => number): void {
  if (expiresAt === undefined) return;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const left = expiresAt - now();
    if (left <= 0) connection.destroy();
    else timer = setTimeout(wait, Math.min(left, maxTimerMs));
  };
  connection.once('close', () => clearTimeout(timer));
  wait();
}
