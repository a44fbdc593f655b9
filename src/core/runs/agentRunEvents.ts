import type { LogTransaction, RecordingTransaction } from '../events/logTransaction.ts';
import type { AgentTask } from '../tasks/task.ts';
import { isRunEnded, type Run } from './run.ts';
import { appendRunEnd, appendRunEvent } from './runEnd.ts';
import type { RunEvent } from './runEvents.ts';
import { contractEnding, resultFromState, type RunOutcome } from './runResult.ts';

/**
 * Tells in a run's own events what its agent's task has become, in the very transaction that changes the task: the two
 * cannot drift, and a core that ends leaves nothing to be made good.
 */
export function settleAgentRuns(tx: RecordingTransaction, now: number): void {
  for (const change of [...tx.changes.values()]) {
    if (change.kind !== 'task' || change.value?.runId === undefined) continue;
    const run = tx.get('run', change.value.runId);
    // Its run is being created in this transaction, or has ended.
    if (run?.taskId !== change.id || isRunEnded(run)) continue;
    const settled = followTask(tx, run, change.value, now);
    if (settled !== run) tx.put('run', settled);
  }
}

function followTask(tx: LogTransaction, before: Run, task: AgentTask, now: number): Run {
  let run = before;
  const tell = (event: RunEvent): void => void (run = appendRunEvent(tx, run, event, now));
  const { command } = task.config;
  if (task.startedAt !== undefined && run.status === 'queued') {
    tell({ type: 'response.in_progress', data: { status: 'running', run_id: run.id } });
    tell({ type: 'runner.started', data: { task: command, max_steps: 1, platform: null } });
    tell({ type: 'runner.steps.planned', data: { commands: [command] } });
    tell({ type: 'runner.step.started', data: { step: 1 } });
    const mode = 'controller_execute';
    tell({ type: 'runner.step.execution.started', data: { step: 1, mode, exec_code: command } });
  }
  const [step] = run.steps;
  const told = step?.taskOutput?.to ?? 0;
  if (task.outputEnd > told) {
    const data = { step: 1, task_id: task.id, from: told, to: task.outputEnd };
    tell({ type: 'runner.task.output', data });
  }
  if (task.state === 'running' && task.progress !== (step?.progress ?? 0)) {
    const message = task.progressMessage ?? null;
    tell({ type: 'runner.step.progress', data: { step: 1, progress: task.progress, message } });
  }
  return endWith(tx, run, task, now);
}

function endWith(tx: LogTransaction, run: Run, task: AgentTask, now: number): Run {
  switch (task.state) {
    case 'pending':
    case 'queued':
    case 'running':
      return run;
    case 'cancelled':
      return appendRunEnd(tx, run, { kind: 'cancelled' }, now);
    case 'completed':
      return appendResult(tx, run, task, 'succeeded', now);
    case 'timed_out':
      return appendResult(tx, run, task, 'timed_out', now);
    case 'failed': {
      if (task.result !== undefined) return appendResult(tx, run, task, 'failed', now);
      const { code, message = 'The agent did not say why.' } = task.error ?? {};
      const reason = code === 'UNAVAILABLE' ? 'agent_lost' : 'agent_failed';
      return appendRunEnd(tx, run, { kind: 'failed', reason, message }, now);
    }
  }
}

function appendResult(
  tx: LogTransaction,
  before: Run,
  task: AgentTask,
  outcome: RunOutcome,
  now: number,
): Run {
  let run = before;
  const tell = (event: RunEvent): void => void (run = appendRunEvent(tx, run, event, now));
  const ending = contractEnding(outcome);
  if (task.startedAt !== undefined) {
    const result = {
      exit_code: task.result?.exitCode ?? null,
      duration_ms: now - task.startedAt,
      task_id: task.id,
      output_from: 0,
      output_to: task.outputEnd,
      outcome,
    };
    const mode = 'controller_execute';
    tell({ type: 'runner.step.execution.completed', data: { step: 1, mode, did_click: false, result } });
    const status = outcome === 'succeeded' ? 'success' : 'failed';
    const { completion_reason: reason } = ending;
    const completion_reason = reason === 'MAX_STEPS_REACHED' ? null : reason;
    const action = task.config.command;
    tell({ type: 'runner.step.completed', data: { step: 1, status, action, completion_reason } });
  }
  const { status, completion_reason } = ending;
  const steps = task.startedAt === undefined ? 0 : 1;
  tell({ type: 'runner.completed', data: { status, completion_reason, steps } });
  tell({ type: 'response', data: resultFromState(run, outcome) });
  tell({ type: 'response.completed', data: ending });
  return run;
}
