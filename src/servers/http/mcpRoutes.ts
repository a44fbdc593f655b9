import { Hono } from 'hono';
import { systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { Access } from '../access/access.ts';
import { checkScope } from '../access/caller.ts';
import { callerOfToken } from '../mcp/caller.ts';
import { defaultMcpLimits, type McpLimits } from '../mcp/limits.ts';
import type { McpEndpoint } from '../mcp/mcpEndpoint.ts';
import type { HttpEnv } from './httpApp.ts';

export interface McpRouteOptions {
  readonly orchestrator: Orchestrator;
  readonly version: string;
  readonly limits?: Partial<McpLimits> | undefined;
  readonly logger: Logger;
}

/** MCP on the HTTP door: what a token may do elsewhere, it may do here. Loaded by the first who asks for it. */
export class McpRoutes {
  readonly app = new Hono<HttpEnv>();
  private endpoint: Promise<McpEndpoint> | undefined;

  constructor(options: McpRouteOptions, access: Access) {
    this.app.all('/mcp', async ({ req, var: { caller } }) => {
      checkScope(caller, 'read');
      this.endpoint ??= openEndpoint(options).catch((error: unknown) => {
        this.endpoint = undefined;
        throw error;
      });
      const endpoint = await this.endpoint;
      return endpoint.handle(req.raw, {
        key: caller.name,
        who: (clientName) => callerOfToken(caller, clientName),
        watch: (onGone) => access.watch(caller, onGone),
      });
    });
  }

  /** Ends every session; what was started goes on. */
  async close(): Promise<void> {
    await (await this.endpoint)?.close();
  }
}

async function openEndpoint({
  orchestrator,
  version,
  limits,
  logger,
}: McpRouteOptions): Promise<McpEndpoint> {
  const [{ McpEndpoint }, { localOrchestrator }] = await Promise.all([
    import('../mcp/mcpEndpoint.ts'),
    import('../mcp/localOrchestrator.ts'),
  ]);
  const driven = localOrchestrator(orchestrator);
  return new McpEndpoint({
    orchestrator: () => Promise.resolve(driven),
    version,
    limits: { ...defaultMcpLimits, ...limits },
    clock: systemClock,
    logger,
  });
}
