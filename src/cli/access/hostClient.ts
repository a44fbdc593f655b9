import { systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ProcessHost } from '../../core/ports/processHost.ts';
import { createProcessHostClient } from '../../processHost/client.ts';
import { version } from '../version.ts';

/** A client of the directory's process host. Connects to nothing until asked. */
export function openProcessHost(stateDir: string, logger: Logger): ProcessHost {
  // The bundle is dist/cli.js: the programs that the host starts lie beside it.
  return createProcessHostClient({ stateDir, distDir: __dirname, version, logger, clock: systemClock });
}
