import { type Command, Option } from 'commander';
import { type AddCommand, type CommonOptions, duration } from './commandOptions.ts';

/** `orchestrator token …` */
export function addTokenCommands(
  program: Command,
  addCommonOptions: (command: Command) => void,
  command: AddCommand,
): void {
  const token = program.command('token').description('tokens for HTTP and WebSockets');
  addCommonOptions(token);

  command<CommonOptions & { name: string; scope?: string; expires?: number }>(
    'create',
    'make a further token, and print it this once',
    async (context, options) => {
      const { createToken } = await import('./commands/token.ts');
      return createToken(context, { ...options, expiresInMs: options.expires });
    },
    token,
  )
    .requiredOption('--name <name>', 'what it is called')
    .addOption(
      new Option('--scope <scope>', 'what it allows, with those before it').choices([
        'read',
        'drive',
        'admin',
      ]),
    )
    .addOption(new Option('--expires <time>', 'when it ends: 12h, 30d (default: never)').argParser(duration));

  command(
    'list',
    'list the further tokens',
    async (context) => {
      const { listTokens } = await import('./commands/token.ts');
      return listTokens(context);
    },
    token,
  );

  command(
    'revoke <name...>',
    'end further tokens; who is connected with them is cut',
    async (context, _, names) => {
      const { revokeTokens } = await import('./commands/token.ts');
      return revokeTokens(context, names);
    },
    token,
  );

  command(
    'rotate',
    'replace the main token; who is connected with the old one is cut',
    async (context) => {
      const { rotateToken } = await import('./commands/token.ts');
      return rotateToken(context);
    },
    token,
  );
}
