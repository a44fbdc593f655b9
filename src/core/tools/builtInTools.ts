import type { Tool } from './tool.ts';

/** Who of the orchestrator's own has tools. */
export const builtInProviders = ['files', 'terminal', 'container'] as const;
export type BuiltInProvider = (typeof builtInProviders)[number];

/**
 * What carries the built-in tools out, for one session; whoever hosts a ToolSet passes it. A provider that is missing
 * cannot be used there.
 */
export interface BuiltInTools {
  /** Confined to the session's directory. */
  readonly files?: SessionFiles | undefined;
  readonly terminal?: CommandRunner | undefined;
  /** In a container of the session, by its name or id. */
  readonly container?: ContainerCommandRunner | undefined;
}

/**
 * Paths are relative to the session's directory, or absolute below it; what a link leads out of it is refused.
 * Errors: `permission_denied`, `invalid_request`, with messages for the model.
 */
export interface SessionFiles {
  /** @param range lines, from 1. */
  readFile(path: string, range: { readonly from: number; readonly count: number }): Promise<string>;
  listDirectory(path: string): Promise<string>;
  /** Plain text, not a pattern; at most `limit` lines of `path:line: text`. */
  searchText(text: string, path: string, limit: number, signal: AbortSignal): Promise<string>;
}

export interface CommandRunner {
  /** Ends it at the time limit and with the signal. Errors: those of starting it. */
  run(command: RunCommand, signal: AbortSignal): Promise<CommandOutcome>;
}

export interface ContainerCommandRunner {
  run(container: string, command: RunCommand, signal: AbortSignal): Promise<CommandOutcome>;
}

export interface RunCommand {
  readonly command: string;
  /** In milliseconds. */
  readonly timeoutMs: number;
}

export interface CommandOutcome {
  /** Null where it did not end by itself. */
  readonly exitCode: number | null;
  readonly isTimedOut: boolean;
  /** As text, without control sequences; the end of it, at most 64 KiB. */
  readonly output: string;
  /** Where a person can watch it. */
  readonly terminalId?: string | undefined;
}

export const commandTimeLimit = { defaultSeconds: 60, maxSeconds: 600 } as const;

const path = { type: 'string', description: "Relative to the session's directory." } as const;
const timeout = {
  type: 'integer',
  minimum: 1,
  maximum: commandTimeLimit.maxSeconds,
  description: `Seconds until it is ended; ${commandTimeLimit.defaultSeconds} where missing.`,
} as const;
const command = { type: 'string', minLength: 1, maxLength: 65_536 } as const;

export const builtInTools: readonly (Tool & { readonly provider: BuiltInProvider })[] = [
  {
    name: 'files_read_file',
    provider: 'files',
    description: "Read a text file of the session's directory: at most 2,000 lines a call.",
    inputSchema: schema(['path'], {
      path,
      from_line: { type: 'integer', minimum: 1 },
      lines: { type: 'integer', minimum: 1, maximum: 2_000 },
    }),
  },
  {
    name: 'files_list_directory',
    provider: 'files',
    description: "List a directory of the session's directory.",
    inputSchema: schema([], { path }),
  },
  {
    name: 'files_search_text',
    provider: 'files',
    description: "Find lines that contain a text, in the files of the session's directory.",
    inputSchema: schema(['text'], {
      text: { type: 'string', minLength: 1, maxLength: 1_000 },
      path,
      limit: { type: 'integer', minimum: 1, maximum: 500 },
    }),
  },
  {
    name: 'terminal_run_command',
    provider: 'terminal',
    description: "Run a shell command in the session's directory, in a terminal that people can watch.",
    inputSchema: schema(['command'], { command, timeout_seconds: timeout }),
  },
  {
    name: 'container_run_command',
    provider: 'container',
    description: 'Run a shell command in a running container of the session.',
    inputSchema: schema(['container', 'command'], {
      container: { type: 'string', minLength: 1, maxLength: 200, description: 'Its name or id.' },
      command,
      timeout_seconds: timeout,
    }),
  },
];

export const builtInToolNames: ReadonlySet<string> = new Set(builtInTools.map(({ name }) => name));

export const builtInNames: Readonly<Record<BuiltInProvider, string>> = {
  files: 'Files',
  terminal: 'Terminal',
  container: 'Container',
};

/**
 * Reading is on for everybody. What runs commands must be named by the run's constraints, or be allowed for all runs by
 * the owner (`toolsAllowed`).
 */
export function isOnByDefault(provider: string, toolsAllowed: readonly string[]): boolean {
  const isBuiltIn = builtInProviders.some((name) => name === provider);
  return !isBuiltIn || provider === 'files' || toolsAllowed.includes(provider);
}

export function isBuiltIn(provider: string): provider is BuiltInProvider {
  return builtInProviders.some((name) => name === provider);
}

function schema(
  required: readonly string[],
  properties: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { type: 'object', required, properties, additionalProperties: false };
}
