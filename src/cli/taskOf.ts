import { OrchestratorError } from '../base/errors.ts';
import { programName, shellFamilyOf } from '../workers/shell/shellDriver.ts';
import { commandLineOf } from './commandLine.ts';
import type { RunOptions } from './commands/run.ts';

export interface TaskSource {
  /** The words of one command. */
  readonly words: readonly string[];
  readonly task: string | undefined;
  readonly steps: readonly string[] | undefined;
  readonly shell: string | undefined;
  /** What carries it out, where that is not the shell: it gets the words as they are, with a blank between two. */
  readonly engine?: string | undefined;
}

/**
 * The task that a command line names, in one of its three ways. Words become one line of a POSIX shell, which /bin/sh
 * reads: there it means the same for everybody, and starts faster than anyone's own shell. Text goes to the user's
 * shell, as if typed there. Error: `invalid_request`.
 */
export function taskOf({
  words,
  task,
  steps,
  shell,
  engine = 'shell',
}: TaskSource): Pick<RunOptions, 'task' | 'commands' | 'shell'> {
  const ways = [words.length > 0, task !== undefined, steps !== undefined].filter(Boolean).length;
  if (ways !== 1) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      ways === 0
        ? 'There is nothing to run. Give a command (orchestrator run -- npm test), or text with --task or --step.'
        : 'Give either a command behind --, or --task, or --step.',
    );
  }
  if (engine !== 'shell' && steps !== undefined) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `Only the shell has steps. Give ${engine} its task behind --, or with --task.`,
    );
  }
  if (engine !== 'shell') return { task: task ?? words.join(' '), commands: undefined, shell };
  if (task !== undefined) return { task, commands: undefined, shell };
  if (steps !== undefined) return { task: steps.join('\n'), commands: steps, shell };
  if (shell === undefined && process.platform === 'win32') {
    throw cannotQuote('the shells of Windows');
  }
  if (shell !== undefined && shellFamilyOf(shell) === undefined) throw cannotQuote(programName(shell));
  const line = commandLineOf(words);
  return { task: line, commands: [line], shell: shell ?? '/bin/sh' };
}

function cannotQuote(shell: string): OrchestratorError {
  return new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    `The words of a command are put together for a POSIX shell, not for ${shell}. Give the command as text: --task "…"`,
  );
}
