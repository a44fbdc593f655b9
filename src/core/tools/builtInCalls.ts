import { OrchestratorError } from '../../base/errors.ts';
import { type BuiltInTools, type CommandOutcome, commandTimeLimit, type RunCommand } from './builtInTools.ts';

const maxLines = 2_000;
const maxMatches = 200;

/** Carries out a built-in tool; `args` fit its schema. @returns what the model is told. Errors: those of the tool. */
export async function callBuiltIn(
  tools: BuiltInTools,
  name: string,
  args: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly value: unknown; readonly isError: boolean }> {
  const text = (key: string, missing = ''): string => {
    const value = args[key];
    return typeof value === 'string' ? value : missing;
  };
  const number = (key: string, missing: number): number => {
    const value = args[key];
    return typeof value === 'number' ? value : missing;
  };
  const { files, terminal, container } = tools;
  const command = (): RunCommand => ({
    command: text('command'),
    timeoutMs: number('timeout_seconds', commandTimeLimit.defaultSeconds) * 1_000,
  });
  switch (name) {
    case 'files_read_file':
      return plain(
        await needed(files).readFile(text('path'), {
          from: number('from_line', 1),
          count: number('lines', maxLines),
        }),
      );
    case 'files_list_directory':
      return plain(await needed(files).listDirectory(text('path', '.')));
    case 'files_search_text':
      return plain(
        await needed(files).searchText(text('text'), text('path', '.'), number('limit', maxMatches), signal),
      );
    case 'terminal_run_command':
      return commandAnswer(await needed(terminal).run(command(), signal));
    case 'container_run_command':
      return commandAnswer(await needed(container).run(text('container'), command(), signal));
    default:
      throw new OrchestratorError('NOT_FOUND', 'tool_not_found', `There is no tool ${name}.`);
  }
}

function plain(text: string): { text: string; value: unknown; isError: boolean } {
  return { text, value: { text }, isError: false };
}

/** A command that fails has still answered: the model is to read what it said. */
function commandAnswer({ exitCode, isTimedOut, output, terminalId }: CommandOutcome): {
  text: string;
  value: unknown;
  isError: boolean;
} {
  const end = isTimedOut
    ? 'It took too long and was ended.'
    : exitCode === null
      ? 'It was ended by a signal.'
      : `Exit code ${exitCode}.`;
  return {
    text: output.trim() === '' ? end : `${output.trimEnd()}\n\n${end}`,
    value: { output, exit_code: exitCode, timed_out: isTimedOut, terminal_id: terminalId ?? null },
    isError: false,
  };
}

function needed<T>(part: T | undefined): T {
  if (part !== undefined) return part;
  throw new OrchestratorError('FAILED_PRECONDITION', 'tool_failed', 'This tool cannot be used here.');
}
