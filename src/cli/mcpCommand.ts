import { Option } from 'commander';
import type { AddCommand } from './commandOptions.ts';
import type { McpFlags } from './commands/mcp.ts';

/** `orchestrator mcp` */
export function addMcpCommand(command: AddCommand): void {
  command<McpFlags>(
    'mcp',
    'serve the tools of the workbench to an MCP client on standard input and output (docs/mcp.md)',
    async (context, flags) => {
      const { serveMcp } = await import('./commands/mcp.ts');
      return serveMcp(context, flags);
    },
  )
    .addOption(new Option('--read-only', 'only tools that look').conflicts('admin'))
    .option('--admin', 'also end, and type into, what a person or another program started')
    .option('--owner <name>', "whose what it starts is: mcp:NAME (default: the client's own name)")
    .option('--cwd <folder>', 'where things start whose directory is not named (default: here)');
}
