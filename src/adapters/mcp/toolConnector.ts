import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ToolConnector } from '../../core/ports/toolParts.ts';
import { connectToServer, ServerFailure } from './mcpConnection.ts';
import { defaultMcpLimits, type McpLimits } from './mcpLimits.ts';
import { openToolSet } from './toolSet.ts';

export interface ToolConnectorOptions {
  /** Of servers that say nothing of their directory: absolute. */
  readonly cwd: () => string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<McpLimits> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Reaches MCP servers for the core; each only as long as it is asked something. */
export function createToolConnector(options: ToolConnectorOptions): ToolConnector {
  const { cwd, environment, clock, logger } = options;
  const limits = { ...defaultMcpLimits, ...options.limits };
  return {
    async probe(server, secrets, signal) {
      try {
        const connection = await connectToServer(
          { server, secrets, cwd: cwd(), environment, limits, clock },
          signal,
        );
        const { tools, problem } = connection;
        await connection.close();
        return { kind: 'ready', tools, problem };
      } catch (error) {
        if (error instanceof ServerFailure)
          return { kind: 'failed', reason: error.reason, problem: error.message };
        return { kind: 'failed', reason: 'unreachable', problem: String(error) };
      }
    },
    open: (set) => openToolSet({ ...set, environment, limits, clock, logger }),
  };
}
