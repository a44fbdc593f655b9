import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { CoreHolder } from '../../processHost/coreHolder.ts';
import { grpcSocketPath } from '../../processHost/paths.ts';

export interface GrpcDoorOptions {
  readonly orchestrator: Orchestrator;
  readonly stateDir: string;
  readonly version: string;
  readonly logger: Logger;
  /** Tells other programs where the door is. */
  readonly announce: (grpc: NonNullable<CoreHolder['grpc']>) => void;
}

export interface GrpcDoor {
  /** Resolves when nothing listens any more, also where it had not begun to. */
  close(): Promise<void>;
}

/** The window that is being opened has better things to do first: loading grpc takes some 50 ms. */
const openAfterMs = 300;
/** A window that takes over waits for this one. */
const shutdownTimeoutMs = 1_000;

/** Opens the gRPC door in a moment. Where it cannot be opened the log says why, and everything else goes on. */
export function openGrpcDoorSoon(options: GrpcDoorOptions): GrpcDoor {
  const { orchestrator, stateDir, version, logger } = options;
  const announce: GrpcDoorOptions['announce'] = (grpc) => {
    try {
      options.announce(grpc);
    } catch (error) {
      logger.warn('other programs are not told of the gRPC door', error);
    }
  };
  const open = async (): Promise<(() => Promise<void>) | undefined> => {
    try {
      const { openGrpcDoor } = await import('../../servers/grpc/door.ts');
      const socket = grpcSocketPath(stateDir);
      const server = await openGrpcDoor({
        orchestrator,
        socketPath: socket,
        limits: { shutdownTimeoutMs },
        version,
        logger,
      });
      logger.info(`gRPC at unix:${socket}`);
      announce({ state: 'open', socket });
      return () => server.stop();
    } catch (error) {
      logger.warn('gRPC is not served', error);
      announce({ state: 'off' });
      return undefined;
    }
  };
  let opening: ReturnType<typeof open> | undefined;
  const timer = setTimeout(() => (opening = open()), openAfterMs);
  return {
    async close() {
      clearTimeout(timer);
      const stop = await opening;
      await stop?.();
    },
  };
}
