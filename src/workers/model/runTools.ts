import { openToolSet } from '../../adapters/mcp/toolSet.ts';
import { createSessionFiles } from '../../adapters/system/sessionFiles.ts';
import type { Event } from '../../base/emitter.ts';
import { nullLogger } from '../../base/logger.ts';
import type { WorkerCommand } from '../../core/ports/processHost.ts';
import type { ModelRunSpec } from '../../core/runs/modelRunSpec.ts';
import type { ToolSecrets } from '../../core/tools/toolServer.ts';
import type { ToolSet } from '../../core/tools/toolSet.ts';
import { createContainerCommands } from '../tools/containerCommands.ts';
import { createTerminalCommands } from '../tools/terminalCommands.ts';
import { ownVariables, type TerminalCodeDependencies } from './terminalCode.ts';

export interface RunToolsDependencies extends Omit<TerminalCodeDependencies, 'cwd'> {
  readonly onCommand: Event<WorkerCommand>;
  /** Ends the opening. */
  readonly signal: AbortSignal;
}

/** The tools of a model's run: MCP servers that it starts and ends itself, the session's files, and terminals. */
export function openRunTools(
  { servers, tools, toolsAllowed, cwd }: ModelRunSpec,
  secrets: ToolSecrets,
  { terminals, environment, clock, ids, emit, onCommand, signal }: RunToolsDependencies,
): Promise<ToolSet> {
  const terminal = createTerminalCommands({
    terminals,
    shell: '/bin/sh',
    cwd,
    env: ownVariables(environment),
    clock,
    ids,
    onTerminal: (started) => void emit('runner.terminal', started).catch(() => undefined),
  });
  return openToolSet({
    servers,
    secrets,
    constraints: tools,
    toolsAllowed,
    builtIns: {
      files: createSessionFiles(cwd),
      terminal,
      container: createContainerCommands({ emit, onCommand, clock, ids }),
    },
    cwd,
    environment,
    clock,
    // What a server says is told where a person looks for it: among the problems of the tools.
    logger: nullLogger,
    signal,
  });
}
