import type { Command } from 'commander';
import type { AddCommand, CommonOptions } from './commandOptions.ts';

interface ToolFlags extends CommonOptions {
  readonly tools?: string;
}

/** `orchestrator tools …` */
export function addToolCommands(
  program: Command,
  addCommonOptions: (command: Command) => void,
  command: AddCommand,
): void {
  const tools = program
    .command('tools')
    .description('tools that runs may use, and the MCP servers that have them');
  addCommonOptions(tools);
  const file = ['--tools <file>', 'MCP servers (default: tools.json in the state directory)'] as const;

  command<ToolFlags>(
    'list',
    'list the tools that can be called',
    async (context, flags) => {
      const { listTools } = await import('./commands/tools.ts');
      return listTools(context, { file: flags.tools });
    },
    tools,
  ).option(...file);

  command<ToolFlags>(
    'servers',
    'list the providers of tools, and what is wrong with them',
    async (context, flags) => {
      const { listServers } = await import('./commands/tools.ts');
      return listServers(context, { file: flags.tools });
    },
    tools,
  ).option(...file);

  command<ToolFlags & { cwd?: string }>(
    'call <name> [arguments]',
    'call a tool, with its arguments as JSON, and print what it answers',
    async (context, flags, [name = '', json]) => {
      const { callTool } = await import('./commands/tools.ts');
      return callTool(context, { file: flags.tools, name, json, cwd: flags.cwd });
    },
    tools,
  )
    .option(...file)
    .option('--cwd <folder>', 'whose files it may read (default: here)');
}
