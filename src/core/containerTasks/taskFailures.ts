import { type ErrorReason, OrchestratorError } from '../../base/errors.ts';
import type { Run } from '../runs/run.ts';
import type { ContainerTask } from './containerTask.ts';
import type { TaskEnd } from './restartPolicy.ts';

/** What the next try would meet again. */
const permanentReasons: ReadonlySet<string> = new Set<ErrorReason>([
  'directory_missing',
  'shell_missing',
  'invalid_request',
  'permission_denied',
  'image_not_allowed',
  'policy_violation',
  'session_closed',
  'protocol_violation',
]);

function isPermanentFailure(run: Run): boolean {
  return run.error !== undefined && permanentReasons.has(run.error.reason);
}

/** How the execution ended, for the restart policy; of a run that was removed nothing is known. */
export function endOf(run: Run | undefined, isStopping: boolean): TaskEnd {
  const ranMs = run === undefined ? 0 : (run.endedAt ?? 0) - (run.startedAt ?? run.endedAt ?? 0);
  const isPermanent = run !== undefined && isPermanentFailure(run);
  switch (run?.status) {
    case 'succeeded':
      return { outcome: 'succeeded', isPermanent, isStopping, ranMs };
    case 'cancelled':
      return { outcome: 'stopped', isPermanent, isStopping, ranMs };
    default:
      return { outcome: 'failed', isPermanent, isStopping, ranMs };
  }
}

/** Why an execution failed, for a person; undefined where it did not. */
export function failureOf(run: Run): string | undefined {
  if (run.status === 'succeeded' || run.status === 'cancelled') return undefined;
  if (run.error !== undefined) return run.error.message;
  const { result, endMessage } = run.taskReport ?? {};
  if (result?.status === 'failed') return result.error ?? 'The task reported that it has failed.';
  if (endMessage !== undefined) return endMessage;
  if (run.status === 'timed_out') return 'It took longer than its time limit.';
  const exitCode = run.steps[0]?.exitCode;
  return typeof exitCode === 'number'
    ? `Its program ended with exit code ${exitCode}.`
    : 'Its program did not end by itself.';
}

export function noSuchTask(id: string): OrchestratorError {
  return new OrchestratorError(
    'NOT_FOUND',
    'task_not_found',
    `There is no container task ${id}. List the tasks to see which there are.`,
    { details: { id } },
  );
}

export function taskRunning({ id, name, state }: ContainerTask): OrchestratorError {
  return new OrchestratorError(
    'ALREADY_EXISTS',
    'task_running',
    state === 'waiting'
      ? `Task is already running: "${name}" (${id}) waits for its next try. Stop it first, or retry it now.`
      : `Task is already running: "${name}" (${id}). Stop it first.`,
  );
}

export function noTaskApi({ id, name }: ContainerTask): OrchestratorError {
  return new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `The task "${name}" (${id}) has no public API: its manifest does not ask for one.`,
  );
}
