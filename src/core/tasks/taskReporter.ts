import type { Disposable } from '../../base/disposable.ts';
import type { AgentRegistry } from '../agents/agentRegistry.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { AgentTask, TaskError, TaskResult } from './task.ts';
import { endTask, failAttempt, scopeOf, taskError, updateTask } from './taskChanges.ts';

const chunkLimit = 256 * 1024;
const resultTextLimit = 64 * 1024;
/** Progress is stored at most so often, in milliseconds. */
const progressEveryMs = 100;

/**
 * What an agent says of one attempt at a task. Each method answers whether it counted: what comes after the task's end,
 * or from an attempt that was given up, changes nothing. Each is a sign of life of the agent. Errors: `disk_full`.
 */
export class TaskReporter {
  readonly taskId: string;
  readonly attempt: number;
  private readonly context: CoreContext;
  private readonly agents: AgentRegistry;
  private progressAt = Number.NEGATIVE_INFINITY;
  private heldProgress: Disposable | undefined;

  constructor(context: CoreContext, agents: AgentRegistry, task: AgentTask) {
    this.context = context;
    this.agents = agents;
    this.taskId = task.id;
    this.attempt = task.attempt;
  }

  begin(): boolean {
    return this.change((tx, task, now) => void begun(tx, task, now));
  }

  /** @param value 0 to 1; what lies outside is taken for the nearest. */
  progress(value: number, message?: string): boolean {
    const progress = Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));
    this.heldProgress?.dispose();
    this.heldProgress = undefined;
    const now = this.context.clock.now();
    const wait = this.progressAt + progressEveryMs - now;
    if (wait > 0) {
      this.heldProgress = this.context.clock.setTimer(wait, () => this.tellHeldProgress(progress, message));
      return this.current() !== undefined;
    }
    this.progressAt = now;
    return this.change((tx, task) => {
      const progressMessage = message?.slice(0, resultTextLimit) ?? task.progressMessage;
      updateTask(tx, begun(tx, task, now), { progress, progressMessage });
    });
  }

  /** Of the whole output only the newest is kept: limit `taskOutputBytes`. */
  output(stream: 'stdout' | 'stderr', data: Uint8Array): boolean {
    if (data.length === 0) return this.current() !== undefined;
    return this.change((tx, task, now) => {
      const running = begun(tx, task, now);
      const from = running.outputEnd;
      for (let start = 0; start < data.length; start += chunkLimit) {
        const part = data.subarray(start, start + chunkLimit);
        tx.addTaskChunk(task.id, { offset: from + start, stream, data: part });
      }
      const to = from + data.length;
      tx.put('task', { ...running, outputEnd: to });
      tx.dropTaskOutput(task.id, to - this.context.limits.taskOutputBytes);
      tx.report('task.output', scopeOf(tx, task), { stream, from, to });
    });
  }

  /** The attempt is over. An exit code other than 0 is a failure: it may be tried again. */
  complete(result: Partial<TaskResult> = {}): boolean {
    return this.change((tx, task, now) => {
      const { exitCode = 0, outputText = '', errorText = '', metadata = {} } = result;
      const running = begun(tx, task, now);
      const full: TaskResult = {
        exitCode,
        outputText: outputText.slice(-resultTextLimit),
        errorText: errorText.slice(-resultTextLimit),
        metadata,
        durationMs: result.durationMs ?? now - (running.startedAt ?? now),
      };
      if (exitCode === 0) endTask(tx, running, { state: 'completed', result: full }, now);
      else {
        const error = taskError('EXIT_CODE', `The task ended with exit code ${exitCode}.`, now);
        failAttempt(tx, running, { error, result: full }, now);
      }
    });
  }

  /** The attempt is over, without a result. */
  fail(error: Pick<TaskError, 'code' | 'message'> & Partial<TaskError>): boolean {
    return this.change((tx, task, now) => {
      const { code, message, details = [], time = now } = error;
      failAttempt(tx, begun(tx, task, now), { error: { code, message, details, time } }, now);
    });
  }

  private tellHeldProgress(progress: number, message: string | undefined): void {
    try {
      this.progress(progress, message);
    } catch (error) {
      this.context.failures.report(error, `store the progress of the task ${this.taskId}`);
    }
  }

  private current(): AgentTask | undefined {
    const task = this.context.state.liveTasks.get(this.taskId);
    const isOurs = task?.attempt === this.attempt && task.state !== 'pending';
    if (!isOurs) return undefined;
    if (task.agentId !== null && this.agents.find(task.agentId) !== undefined)
      this.agents.touch(task.agentId);
    return task;
  }

  private change(apply: (tx: LogTransaction, task: AgentTask, now: number) => void): boolean {
    const { log, clock } = this.context;
    const task = this.current();
    if (task === undefined) return false;
    log.commit((tx) => apply(tx, task, clock.now()));
    return true;
  }
}

/** The task as it runs: whatever an agent says of it first, it has begun it. */
export function begun(tx: LogTransaction, task: AgentTask, now: number): AgentTask {
  return task.state === 'running' ? task : updateTask(tx, task, { state: 'running', startedAt: now });
}
