import { type Container, type ContainerExit, isContainerLive } from '../containers/container.ts';
import type { LogTransaction, RecordingTransaction } from '../events/logTransaction.ts';
import type { StateMirror } from '../events/stateMirror.ts';
import type { ContainerRecords } from '../ports/containerRecords.ts';
import { isRunEnded, type Run, type RunnerResult } from './run.ts';
import { appendRunEnd, appendRunEvent } from './runEnd.ts';
import type { RunEvent } from './runEvents.ts';
import { contractEnding, resultFromState } from './runResult.ts';

export const containerEngine = 'container';

/** On the container of a run: its id. It is how the two find each other, whatever core made them. */
export const containerRunLabel = 'orchestrator.run';

export function isContainerRun({ request }: Pick<Run, 'request'>): boolean {
  return request.engine === containerEngine;
}

/**
 * Tells in a run's own events what its container has become, in the very transaction that changes the container: the two
 * cannot drift, and a core that ends leaves nothing to be made good.
 */
export function settleContainerRuns(
  tx: RecordingTransaction,
  state: StateMirror,
  records: Pick<ContainerRecords, 'find'> | undefined,
  now: number,
): void {
  for (const change of [...tx.changes.values()]) {
    if (change.kind !== 'container') continue;
    const container = change.value ?? state.containers.get(change.id);
    const run = runOf(tx, container);
    if (run === undefined || container === undefined) continue;
    const end = records?.find(container.id)?.end ?? 0;
    // Removed by somebody, or gone with its engine.
    const settled =
      change.value === undefined
        ? appendRunEnd(tx, run, lostEnd, now)
        : followContainer(tx, run, change.value, end, now);
    if (settled !== run) tx.put('run', settled);
  }
}

/** Tells that the container of a live run has printed up to `to`. The caller stores the answer. */
export function appendContainerOutput(
  tx: LogTransaction,
  run: Run,
  containerId: string,
  to: number,
  now: number,
): Run {
  if (isRunEnded(run) || run.steps[0]?.status !== 'running') return run;
  if (to <= (run.steps[0].containerOutput?.to ?? 0)) return run;
  const data = { step: 1, container_id: containerId, from: 0, to } as const;
  return appendRunEvent(tx, run, { type: 'runner.container.output', data }, now);
}

const lostEnd = {
  kind: 'failed',
  reason: 'container_not_found',
  message: 'The container of this run was removed before the run was over.',
} as const;

function runOf(tx: RecordingTransaction, container: Container | undefined): Run | undefined {
  const runId = container?.config.labels[containerRunLabel];
  const run = runId === undefined ? undefined : tx.get('run', runId);
  return run === undefined || isRunEnded(run) || !isContainerRun(run) ? undefined : run;
}

function followContainer(
  tx: RecordingTransaction,
  before: Run,
  container: Container,
  outputEnd: number,
  now: number,
): Run {
  let run = before;
  const tell = (event: RunEvent): void => void (run = appendRunEvent(tx, run, event, now));
  if (run.status === 'queued' && (container.startedAt !== undefined || container.exit !== undefined)) {
    const { task } = run.request;
    tell({ type: 'response.in_progress', data: { status: 'running', run_id: run.id } });
    tell({ type: 'runner.started', data: { task, max_steps: 1, platform: null } });
    tell({ type: 'runner.steps.planned', data: { commands: [task] } });
    tell({ type: 'runner.step.started', data: { step: 1 } });
    const mode = 'controller_execute';
    tell({ type: 'runner.step.execution.started', data: { step: 1, mode, exec_code: task } });
    const output = { step: 1, container_id: container.id, from: 0, to: 0 } as const;
    tell({ type: 'runner.container.output', data: output });
  }
  if (container.exit === undefined || isContainerLive(container)) return run;
  return endWith(tx, run, container, container.exit, outputEnd, now);
}

function endWith(
  tx: RecordingTransaction,
  before: Run,
  { id }: Container,
  exit: ContainerExit,
  outputEnd: number,
  now: number,
): Run {
  if (exit.reason === 'start_failed' || exit.reason === 'lost') {
    const message = exit.error ?? 'The container of this run is gone.';
    return appendRunEnd(tx, before, { kind: 'failed', reason: exit.reason, message }, now);
  }
  let run = appendContainerOutput(tx, before, id, outputEnd, now);
  const tell = (event: RunEvent): void => void (run = appendRunEvent(tx, run, event, now));
  const outcome = outcomeOf(run, exit);
  const verdict = contractEnding(outcome);
  const result = {
    exit_code: exit.exitCode,
    duration_ms: Math.max(0, exit.exitedAt - (run.startedAt ?? exit.exitedAt)),
    terminal_id: null,
    output_from: 0,
    output_to: outputEnd,
    outcome,
  };
  const mode = 'controller_execute';
  tell({ type: 'runner.step.execution.completed', data: { step: 1, mode, did_click: false, result } });
  const ending =
    outcome === 'succeeded'
      ? ({ status: 'success', completion_reason: 'DONE' } as const)
      : ({ status: 'failed', completion_reason: 'FAIL' } as const);
  tell({ type: 'runner.step.completed', data: { step: 1, action: run.request.task, ...ending } });
  const { status, completion_reason } = verdict;
  tell({ type: 'runner.completed', data: { status, completion_reason, steps: 1 } });
  tell({ type: 'response', data: resultFromState(run, outcome) });
  tell({ type: 'response.completed', data: verdict });
  return run;
}

/** From what is stored alone, so that every core comes to the same. */
function outcomeOf({ isAborting, startedAt, request }: Run, exit: ContainerExit): RunnerResult['outcome'] {
  if (isAborting) return 'cancelled';
  if (exit.reason === 'exited') return exit.exitCode === 0 ? 'succeeded' : 'failed';
  const { timeoutMs } = request;
  const isLate = timeoutMs !== undefined && startedAt !== undefined && exit.exitedAt >= startedAt + timeoutMs;
  return isLate ? 'timed_out' : 'failed';
}
