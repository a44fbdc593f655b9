import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { AgentRegistry } from '../agents/agentRegistry.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { waitFor } from '../waitFor.ts';
import {
  type AgentTask,
  chunksFrom,
  type CreateTaskRequest,
  isTaskEnded,
  type TaskChunk,
  type TaskFilter,
} from './task.ts';
import { createTask, endTask, scopeOf, taskError } from './taskChanges.ts';
import { type Heartbeat, TaskDispatcher } from './taskDispatcher.ts';
import { TaskReporter } from './taskReporter.ts';
import { checkTaskRequest, inputLimit } from './taskRequest.ts';

/** What all input of one task may come to, in bytes. */
const totalInputLimit = 64 * 1024 * 1024;
const readLimit = 1024 * 1024;

export interface Cancellation {
  readonly task: AgentTask;
  /** False where it had ended already. */
  readonly isCancelled: boolean;
}

/** Tasks of registered agents. */
export class TaskManager implements Disposable {
  /** After each stored change of a task. */
  readonly onDidChange: Event<AgentTask>;
  /** For the Orchestrator: start-up. */
  readonly dispatcher: TaskDispatcher;
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly agents: AgentRegistry;
  private readonly disposables = new DisposableStore();

  constructor(context: CoreContext, sessions: SessionManager, agents: AgentRegistry) {
    this.context = context;
    this.sessions = sessions;
    this.agents = agents;
    this.dispatcher = this.disposables.add(new TaskDispatcher(context, agents));
    const changed = this.disposables.add(
      new Emitter<AgentTask>((error) => context.logger.error('A listener of a task failed', error)),
    );
    this.onDidChange = changed.event;
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const change of changes) {
          if (change.kind === 'task' && change.value !== undefined) changed.fire(change.value);
        }
      }),
    );
  }

  /**
   * Stores a task, as `pending`; it is given to an agent by itself. Errors: `invalid_request`, `session_not_found`,
   * `session_closed`, `agent_not_found`, `task_limit`, `disk_full`.
   */
  create(request: CreateTaskRequest): AgentTask {
    return this.context.log.commit((tx) => this.createIn(tx, request));
  }

  /** In a transaction of the caller's. Errors: those of `create`. */
  createIn(tx: LogTransaction, request: CreateTaskRequest): AgentTask {
    const { ids, clock, state, limits } = this.context;
    const checked = checkTaskRequest(request);
    const { id: sessionId } = this.sessions.getOpen(request.sessionId);
    if ('agentId' in request.target) this.agents.get(request.target.agentId);
    if (state.liveTasks.size >= limits.maxLiveTasks) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'task_limit',
        `maximum tasks limit reached: ${limits.maxLiveTasks}`,
      );
    }
    const now = clock.now();
    const { timeoutMs } = checked.config;
    const input = request.input ?? new Uint8Array();
    const task: AgentTask = {
      id: ids.hexId(),
      ...checked,
      sessionId,
      state: 'pending',
      agentId: null,
      attempt: 0,
      failures: 0,
      deliveries: 0,
      createdAt: now,
      expiresAt: timeoutMs > 0 ? now + timeoutMs : undefined,
      progress: 0,
      inputEnd: input.length,
      outputEnd: 0,
    };
    createTask(tx, task);
    if (input.length > 0) tx.addTaskChunk(task.id, { offset: 0, stream: 'stdin', data: input });
    return task;
  }

  /** Error: `task_not_found`. */
  get(id: string): AgentTask {
    const task = this.find(id);
    if (task !== undefined) return task;
    throw new OrchestratorError('NOT_FOUND', 'task_not_found', 'task not found', { details: { id } });
  }

  find(id: string): AgentTask | undefined {
    return this.context.state.liveTasks.get(id) ?? this.context.store.get('task', id);
  }

  /** Oldest first, ended ones too. An unknown agent has none. */
  list(filter: TaskFilter = {}): AgentTask[] {
    return this.context.store.listTasks(filter);
  }

  /** Those that have not ended, oldest first. From memory. */
  active(): AgentTask[] {
    return [...this.context.state.liveTasks.values()];
  }

  /** Ends the task at once and tells its agent. Errors: `task_not_found`, `disk_full`. */
  cancel(id: string, reason = ''): Cancellation {
    const task = this.get(id);
    const { log, clock } = this.context;
    const now = clock.now();
    const message = reason === '' ? 'The task was cancelled.' : `The task was cancelled: ${reason}`;
    const error = taskError('CANCELLED', message, now);
    const isCancelled =
      !isTaskEnded(task) && log.commit((tx) => endTask(tx, task, { state: 'cancelled', error }, now));
    return { task: this.get(id), isCancelled };
  }

  /** A sign of life of an agent. @returns ids of the tasks that it is to begin. Errors: `agent_not_found`, `disk_full`. */
  heartbeat(agentId: string, beat: Heartbeat = {}): string[] {
    return this.dispatcher.heartbeat(agentId, beat);
  }

  /** For what an agent says of the task, in the attempt that is under way. Error: `task_not_found`. */
  reporter(id: string): TaskReporter {
    return new TaskReporter(this.context, this.agents, this.get(id));
  }

  /**
   * Adds to the input of a task; its agent hears of it by `task.input` events. Errors: `task_not_found`, `task_ended`,
   * `invalid_request` (more than 4 MiB at once), `task_limit` (more than 64 MiB in all), `disk_full`.
   */
  sendInput(id: string, data: Uint8Array): void {
    const task = this.get(id);
    if (isTaskEnded(task)) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'task_ended', `task has ended: ${id}`);
    }
    const from = task.inputEnd;
    const to = from + data.length;
    if (data.length > inputLimit || to > totalInputLimit) {
      const most =
        data.length > inputLimit ? `${inputLimit} bytes at once` : `${totalInputLimit} bytes in all`;
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'task_limit',
        `A task takes at most ${most} of input.`,
      );
    }
    if (data.length === 0) return;
    this.context.log.commit((tx) => {
      tx.addTaskChunk(id, { offset: from, stream: 'stdin', data });
      tx.put('task', { ...task, inputEnd: to });
      tx.report('task.input', scopeOf(tx, task), { from, to });
    });
  }

  /**
   * What is kept of the output from an offset on, in order: about 1 MiB at a time. A first chunk that begins later than
   * asked means that what came before was dropped. Error: `task_not_found`.
   */
  readOutput(id: string, from: number): TaskChunk[] {
    this.get(id);
    return chunksFrom(this.context.store.readTaskChunks(id, 'output', from, readLimit), from);
  }

  /** As `readOutput`; of input nothing is dropped. */
  readInput(id: string, from: number): TaskChunk[] {
    this.get(id);
    return chunksFrom(this.context.store.readTaskChunks(id, 'input', from, readLimit), from);
  }

  /** Calls with the task as it is, then after each stored change. Error: `task_not_found`. */
  watch(id: string, listener: (task: AgentTask) => void): Disposable {
    const task = this.get(id);
    const subscription = this.onDidChange((changed) => {
      if (changed.id === id) listener(changed);
    });
    listener(task);
    return subscription;
  }

  /** Errors: `task_not_found`, `aborted` by the signal, `closed`. */
  waitForEnd(id: string, signal?: AbortSignal): Promise<AgentTask> {
    const { log } = this.context;
    const read = (): AgentTask | undefined => {
      const task = this.get(id);
      return isTaskEnded(task) ? task : undefined;
    };
    return waitFor({ read, changes: log.onDidCommit, closes: log.onDidClose, signal });
  }

  dispose(): void {
    this.disposables.dispose();
  }
}
