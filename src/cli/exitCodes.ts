import { OrchestratorError } from '../base/errors.ts';
import type { Run } from '../core/runs/run.ts';

/** What `orchestrator` exits with, besides the code of the task that `run` ran. docs/cli.md has the same table. */
export const exitCode = {
  ok: 0,
  /** Something of ours failed; `doctor` found a problem. */
  error: 1,
  /** The command line is wrong: an unknown option, an empty task, a directory or a shell that is not there. */
  usage: 2,
  /** `status`: nothing runs. */
  notRunning: 3,
  notFound: 4,
  /** The state does not allow it: another core serves the directory, what is to be killed has ended already. */
  failedPrecondition: 5,
  timedOut: 124,
  cancelled: 130,
  /** Who read our output went away: 128 + SIGPIPE. */
  outputClosed: 141,
} as const;

export const exitCodeHelp = `
Exit codes:
  0    done; with run: the task succeeded
  N    run: the exit code of the step that failed (128 + signal where a signal ended it);
       attach: that of the program
  1    an error of the orchestrator; doctor: a problem was found
  2    the command line is wrong, or names a directory or a shell that is not there
  3    status: no orchestrator runs there
  4    there is no session, terminal or run with that id
  5    the state does not allow it: an orchestrator that takes no commands serves this state directory, or it has
       ended already
  124  run: the time-out was reached
  130  run: cancelled by Ctrl-C, SIGTERM or an abort
  141  run: the reader of its output went away`;

/** The exit code for an error of ours. */
export function exitCodeOfError(error: unknown): number {
  const { code, reason } = OrchestratorError.from(error);
  // Not there, but named on the command line.
  if (reason === 'directory_missing' || reason === 'shell_missing') return exitCode.usage;
  switch (code) {
    case 'INVALID_ARGUMENT':
    case 'OUT_OF_RANGE':
      return exitCode.usage;
    case 'NOT_FOUND':
      return exitCode.notFound;
    case 'FAILED_PRECONDITION':
      return exitCode.failedPrecondition;
    case 'CANCELLED':
      return exitCode.cancelled;
    default:
      return exitCode.error;
  }
}

/** What `run` exits with after this run. */
export function exitCodeOfRun(run: Pick<Run, 'status' | 'steps' | 'error'>): number {
  switch (run.status) {
    case 'succeeded':
      return exitCode.ok;
    case 'cancelled':
      return exitCode.cancelled;
    case 'timed_out':
      return exitCode.timedOut;
    case 'failed': {
      const failed = run.steps.find((step) => step.status === 'failed');
      const code = run.error === undefined ? failed?.exitCode : undefined;
      // A process's code is one byte to whoever waits for it, and a failure must not look like success.
      return (code ?? exitCode.error) & 0xff || exitCode.error;
    }
    case 'queued':
    case 'running':
      return exitCode.error;
  }
}
