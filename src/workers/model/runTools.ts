import { openToolSet } from '../../adapters/mcp/toolSet.ts';
import { createSessionFiles } from '../../adapters/system/sessionFiles.ts';
import { nullLogger } from '../../base/logger.ts';
import type { ModelRunSpec } from '../../core/runs/modelRunSpec.ts';
import type { BuiltInTools } from '../../core/tools/builtInTools.ts';
import type { ToolSecrets } from '../../core/tools/toolServer.ts';
import type { ToolSet } from '../../core/tools/toolSet.ts';
import { runInTerminal, type TerminalCodeDependencies } from './terminalCode.ts';

export interface RunToolsDependencies extends Omit<TerminalCodeDependencies, 'cwd'> {
  /** Ends the opening. */
  readonly signal: AbortSignal;
}

/** The tools of a model's run: MCP servers that it starts and ends itself, the session's files, and terminals. */
export function openRunTools(
  { servers, tools, toolsAllowed, cwd }: ModelRunSpec,
  secrets: ToolSecrets,
  dependencies: RunToolsDependencies,
): Promise<ToolSet> {
  const { environment, clock, signal } = dependencies;
  return openToolSet({
    servers,
    secrets,
    constraints: tools,
    toolsAllowed,
    builtIns: { files: createSessionFiles(cwd), terminal: commandsInTerminals(cwd, dependencies) },
    cwd,
    environment,
    clock,
    // What a server says on standard error is told where a person looks at it: among the problems of the tools.
    logger: nullLogger,
    signal,
  });
}

function commandsInTerminals(
  cwd: string,
  dependencies: RunToolsDependencies,
): NonNullable<BuiltInTools['terminal']> {
  return {
    async run({ command, timeoutMs }, signal) {
      const program = { argv: ['/bin/sh', '-c', command], env: {}, limitMs: timeoutMs };
      const outcome = await runInTerminal(program, signal, { ...dependencies, cwd });
      signal.throwIfAborted();
      return outcome;
    },
  };
}
