import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';

export interface HttpDoorOptions {
  readonly orchestrator: Orchestrator;
  readonly stateDir: string;
  /** The next free one where another program has it. */
  readonly port: number;
  readonly logger: Logger;
}

export interface HttpDoor {
  /** Resolves when nothing listens any more. */
  close(): Promise<void>;
}

/** A window that takes over waits for this one. */
const stopTimeoutMs = 1_000;

/** Opens the HTTP door. Where it cannot be opened the log says why, and everything else goes on. */
export function openHttpDoor(options: HttpDoorOptions): HttpDoor {
  const { orchestrator, stateDir, port, logger } = options;
  const open = async (): Promise<(() => Promise<void>) | undefined> => {
    try {
      const { startHttpServer } = await import('../../servers/http/httpServer.ts');
      const server = await startHttpServer({
        stateDir,
        port,
        tasks: orchestrator.containerTasks,
        limits: { stopTimeoutMs },
        logger,
      });
      const taken = server.isWantedPort ? '' : `, since another program has port ${port}`;
      logger.info(`HTTP at ${server.url}${taken}; the token is in ${server.tokenPath}`);
      return () => server.stop();
    } catch (error) {
      logger.warn('HTTP is not served', error);
      return undefined;
    }
  };
  const opening = open();
  return {
    async close() {
      const stop = await opening;
      await stop?.();
    },
  };
}
