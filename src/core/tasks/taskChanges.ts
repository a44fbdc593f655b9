import type { Agent } from '../agents/agent.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { StateMirror } from '../events/stateMirror.ts';
import { boundAgent, type AgentTask, isTaskEnded, type TaskError, type TaskResult } from './task.ts';

const historyLimit = 100;
const longestRetryDelayMs = 60_000;

export type TaskEnd =
  | { readonly state: 'completed'; readonly result: TaskResult }
  | {
      readonly state: 'failed' | 'cancelled' | 'timed_out';
      readonly error: TaskError;
      readonly result?: TaskResult | undefined;
    };

export function createTask(tx: LogTransaction, task: AgentTask): void {
  tx.put('task', task);
  tx.report('task.created', scopeOf(tx, task), dataOf(task));
  const session = tx.get('session', task.sessionId);
  if (session !== undefined) tx.put('session', { ...session, currentTaskId: task.id });
}

/** Stores a changed task that goes on, with the event that tells of it. @returns it. */
export function updateTask(tx: LogTransaction, task: AgentTask, change: Partial<AgentTask>): AgentTask {
  const changed: AgentTask = { ...task, ...change };
  tx.put('task', changed);
  const error = change.error === undefined ? {} : { error: change.error.message };
  tx.report('task.updated', scopeOf(tx, changed), { ...dataOf(changed), ...error });
  return changed;
}

/** Ends a task, unless it has ended. @returns whether this ended it. */
export function endTask(tx: LogTransaction, task: AgentTask, end: TaskEnd, now: number): boolean {
  if (isTaskEnded(task)) return false;
  const progress = end.state === 'completed' ? 1 : task.progress;
  const ended: AgentTask = { ...task, ...end, progress, endedAt: now, retryAt: undefined };
  tx.put('task', ended);
  const scope = scopeOf(tx, ended);
  if (end.state === 'completed') {
    tx.report('task.completed', scope, { ...dataOf(ended), exit_code: end.result.exitCode });
  } else {
    const { code, message } = end.error;
    tx.report('task.failed', scope, { ...dataOf(ended), code, error: message });
  }
  const session = tx.get('session', task.sessionId);
  if (session !== undefined) {
    const currentTaskId = session.currentTaskId === task.id ? undefined : session.currentTaskId;
    const taskHistory = [...session.taskHistory, task.id].slice(-historyLimit);
    tx.put('session', { ...session, currentTaskId, taskHistory });
  }
  return true;
}

/** An attempt did not succeed: the task waits for the next one where its retry policy allows one, else it has failed. */
export function failAttempt(
  tx: LogTransaction,
  task: AgentTask,
  failure: { readonly error: TaskError; readonly result?: TaskResult | undefined },
  now: number,
): void {
  const { maxRetries, retryOnFailure, retryDelayMs } = task.config;
  if (!retryOnFailure || task.failures >= maxRetries) {
    endTask(tx, task, { state: 'failed', ...failure }, now);
    return;
  }
  const delay = Math.min(longestRetryDelayMs, retryDelayMs * 2 ** task.failures);
  const retry = { retryAt: now + delay, failures: task.failures + 1, error: failure.error };
  updateTask(tx, task, { ...waiting, ...retry });
}

/**
 * Takes an agent's tasks from it: what it had not begun waits again, what it had begun is a failed attempt. What is
 * bound to an agent that has left fails, because nobody else may do it.
 */
export function releaseTasks(
  tx: LogTransaction,
  state: StateMirror,
  agent: Agent,
  why: 'lost' | 'unregistered',
  now: number,
): void {
  const how = why === 'lost' ? 'was lost: it gave no sign of life' : 'has left';
  const error = taskError('UNAVAILABLE', `The agent "${agent.name}" ${how}.`, now);
  for (const { id } of [...state.liveTasks.values()]) {
    const task = tx.get('task', id);
    if (task === undefined || isTaskEnded(task)) continue;
    const isBound = boundAgent(task) === agent.id;
    if (isBound && why === 'unregistered') endTask(tx, task, { state: 'failed', error }, now);
    else if (task.agentId !== agent.id) continue;
    else if (task.state === 'running') failAttempt(tx, task, { error }, now);
    else updateTask(tx, task, waiting);
  }
}

export function taskError(code: string, message: string, time: number): TaskError {
  return { code, message, details: [], time };
}

/** A task that nobody has. */
const waiting = {
  state: 'pending',
  agentId: null,
  deliveries: 0,
  deliveredAt: undefined,
  startedAt: undefined,
  progress: 0,
  progressMessage: undefined,
} as const satisfies Partial<AgentTask>;

function dataOf({ name, state, agentId, attempt, progress }: AgentTask) {
  return { name, state, agent_id: agentId, attempt, progress } as const;
}

/** What the events of a task belong to. */
export function scopeOf(tx: LogTransaction, task: AgentTask) {
  const { id: taskId, sessionId, agentId, priority } = task;
  return {
    taskId,
    sessionId,
    agentId: agentId ?? boundAgent(task),
    priority,
    labels: tx.get('session', sessionId)?.labels,
  };
}
