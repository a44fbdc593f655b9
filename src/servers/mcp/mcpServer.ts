import { McpServer, type ServerContext } from './mcpServerLibrary.ts';
import type { Clock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { DrivenOrchestrator } from '../../core/drivenOrchestrator.ts';
import type { ToolCaller } from './caller.ts';
import { instructions, workbenchTools } from './catalogue.ts';
import type { McpLimits } from './limits.ts';
import { addResources } from './resources.ts';
import type { ToolContext, WorkbenchTool } from './tool.ts';
import { failureText, ToolCalls } from './toolCalls.ts';

export interface McpOptions {
  /** Asked for at each call: where its core has gone, another one may have come. */
  readonly orchestrator: () => Promise<DrivenOrchestrator>;
  /** Where things start whose directory nobody names; the orchestrator's own choice when missing. */
  readonly defaultDirectory?: string | undefined;
  readonly version: string;
  readonly limits: McpLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** @param clientName as the client calls itself */
export type WhoCalls = (clientName: string | undefined) => ToolCaller;

/**
 * One connection's MCP server: the workbench's tools and resources, with the rights of who is connected. Nothing is
 * started before a tool is called.
 * @param calls shared by all connections of one client
 */
export function createMcpServer(
  options: McpOptions,
  who: WhoCalls,
  calls = new ToolCalls(options.limits.callsAtATime),
): McpServer {
  const { version, limits, clock, logger } = options;
  const server = new McpServer(
    { name: 'orchestration-workbench', title: 'Orchestration Workbench', version },
    { instructions, maxToolInputElements: 10_000 },
  );
  const contextOf = async (request: ServerContext): Promise<ToolContext> => ({
    orchestrator: await options.orchestrator(),
    defaultDirectory: options.defaultDirectory,
    caller: who(clientNameOf(server)),
    signal: request.mcpReq.signal,
    report: progressReport(request),
    clock,
    limits,
  });
  const register = (tool: WorkbenchTool): void => {
    const { name, title, description, input, output, annotations } = tool;
    server.registerTool(
      name,
      { title, description, inputSchema: input, outputSchema: output, annotations },
      async (args, request) => {
        try {
          const result = await calls.call(tool, args, await contextOf(request));
          return { content: [{ type: 'text', text: JSON.stringify(result) }], structuredContent: result };
        } catch (error) {
          if (OrchestratorError.from(error).reason === 'internal')
            logger.error(`The tool ${name} failed`, error);
          return { content: [{ type: 'text', text: failureText(error) }], isError: true };
        }
      },
    );
  };
  for (const tool of workbenchTools) register(tool);
  addResources(server, contextOf);
  server.server.onerror = (error) => logger.debug('An MCP client sent what is not understood', error);
  return server;
}

/** In the newer protocol each request says who sends it, in the older one the connection's beginning: both are here. */
function clientNameOf({ server }: McpServer): string | undefined {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only place where a client of 2025 has its name
  return server.getClientVersion()?.name;
}

/** Undefined where the client has not asked for it. */
function progressReport({ mcpReq }: ServerContext): ToolContext['report'] {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let progress = 0;
  return (message) => {
    progress += 1;
    const params = { progressToken, progress, message };
    // Whoever does not listen any more does not have to.
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined);
  };
}
