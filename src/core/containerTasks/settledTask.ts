import type { Run } from '../runs/run.ts';
import type { ContainerTask } from './containerTask.ts';
import { decideRestart } from './restartPolicy.ts';
import { endOf, failureOf } from './taskFailures.ts';

/**
 * What becomes of a running task whose execution has ended. Pure.
 * @param run its execution; undefined where nothing is known of it any more.
 */
export function settledTask(
  task: ContainerTask,
  run: Run | undefined,
  { isSessionOpen, now }: { readonly isSessionOpen: boolean; readonly now: number },
): ContainerTask {
  const end = endOf(run, task.isStopping === true);
  const decision = decideRestart(task.manifest.restart, task.failures, end);
  const error = run === undefined ? undefined : failureOf(run);
  const ended = { ...task, isStopping: undefined, failures: decision.failures };
  if (decision.next === 'restart' && isSessionOpen) {
    return { ...ended, state: 'waiting', nextStartAt: now + decision.delayMs, error };
  }
  const state = decision.next === 'end' ? decision.state : 'stopped';
  return { ...ended, state, error: state === 'failed' ? error : undefined };
}
