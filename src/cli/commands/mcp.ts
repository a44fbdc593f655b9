import { StdioServerTransport, serveStdio } from '../../servers/mcp/mcpServerLibrary.ts';
import { resolve } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { invalidRequest } from '../../core/text.ts';
import { type Scope, scopes } from '../../protocol/daemon/handshake.ts';
import { localCaller } from '../../servers/mcp/caller.ts';
import { defaultMcpLimits } from '../../servers/mcp/limits.ts';
import { createMcpServer } from '../../servers/mcp/mcpServer.ts';
import { DrivenCore } from '../access/drivenCore.ts';
import type { CommandContext } from '../commandContext.ts';
import type { CommonOptions } from '../commandOptions.ts';
import { exitCode } from '../exitCodes.ts';
import { untilStopped } from '../untilStopped.ts';
import { version } from '../version.ts';

export interface McpFlags extends CommonOptions {
  readonly readOnly?: boolean;
  readonly admin?: boolean;
  readonly owner?: string;
  readonly cwd?: string;
}

/** Serves MCP on standard input and output, which has nothing else on it, until the client closes it. */
export async function serveMcp(context: CommandContext, options: McpFlags): Promise<number> {
  const { owner, cwd = '.' } = options;
  if (owner?.trim() === '') throw invalidRequest('The owner (--owner) needs a name.');
  const highest: Scope = options.admin === true ? 'admin' : options.readOnly === true ? 'read' : 'drive';
  const granted = new Set(scopes.slice(0, scopes.indexOf(highest) + 1));
  const core = new DrivenCore(context);
  const closed = Promise.withResolvers<void>();
  // A client that has gone without a word breaks the pipe.
  process.stdout.once('error', () => closed.resolve());
  process.stdin.once('close', () => closed.resolve()).once('end', () => closed.resolve());
  const stop = new AbortController();
  stop.signal.addEventListener('abort', () => closed.resolve());
  const handle = serveStdio(
    () =>
      createMcpServer(
        {
          orchestrator: () => core.orchestrator(),
          defaultDirectory: resolve(cwd),
          version,
          limits: defaultMcpLimits,
          clock: systemClock,
          logger: context.logger,
        },
        (clientName) => localCaller(clientName, granted, owner),
      ),
    {
      transport: new StdioServerTransport(process.stdin, process.stdout, {
        maxBufferSize: defaultMcpLimits.requestBytes,
      }),
      onerror: (error) => context.logger.debug('What came on standard input is no MCP', error),
    },
  );
  try {
    await untilStopped(stop, closed.promise);
  } finally {
    await handle.close();
    await core.close();
  }
  return exitCode.ok;
}
