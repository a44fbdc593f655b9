import { type Disposable, DisposableMap, DisposableStore } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { OrchestratorEvent } from '../events/event.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { ContainerTaskPlaces, TaskHttpRequest, TaskHttpResponse } from '../ports/containerTasks.ts';
import { isRunEnded, type Run } from '../runs/run.ts';
import type { RunManager } from '../runs/runManager.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { validName } from '../text.ts';
import { waitFor } from '../waitFor.ts';
import { type ContainerTask, type ContainerTaskManifest, isContainerTaskLive } from './containerTask.ts';
import { checkManifest, checkPolicy } from './manifestChecks.ts';
import { decideRestart } from './restartPolicy.ts';
import { TaskContainers } from './taskContainers.ts';
import type { TaskContainerSource } from './taskContainerSource.ts';
import { taskTitle, taskWorker } from './taskEngine.ts';
import { endOf, failureOf, noSuchTask, noTaskApi, taskRunning } from './taskFailures.ts';
import { isNotification, notificationOf, type TaskNotification } from './taskNotification.ts';

export interface StartContainerTaskRequest {
  readonly manifest: ContainerTaskManifest;
  readonly sessionId: string;
  /**
   * A person has seen the manifest and wants it: then its container gets the network and the mounts that it asks for.
   * Otherwise only what the session's policy allows.
   */
  readonly isAgreed: boolean;
}

/** What becomes of running tasks when the core closes: the next one takes them up, or they end. */
export type TasksAtQuit = 'keep' | 'stop';

/** How long a core that closes waits for its tasks to end. The next one sees to those that have not. */
const quitLimitMs = 5_000;

/** Starts container tasks, keeps them going as their manifests say, and ends them. Each execution is a run. */
export class ContainerTaskManager implements Disposable {
  /** After each stored change of a task. */
  readonly onDidChange: Event<ContainerTask>;
  /** In order, one for each callback that was taken and each message of the executable's. */
  readonly onDidNotify: Event<TaskNotification>;
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly runs: RunManager;
  private readonly places: ContainerTaskPlaces;
  private readonly atQuit: TasksAtQuit;
  private readonly containers: TaskContainers;
  private readonly notified: Emitter<TaskNotification>;
  private readonly timers: DisposableMap<string, Disposable>;
  /** By task: what is left of an ended execution is being removed, and the next one must not lose its own by it. */
  private readonly tidying = new Map<string, Promise<void>>();
  private readonly disposables = new DisposableStore();

  constructor(
    context: CoreContext,
    parts: {
      readonly sessions: SessionManager;
      readonly runs: RunManager;
      readonly places: ContainerTaskPlaces;
      readonly containers: TaskContainerSource | undefined;
      readonly atQuit?: TasksAtQuit | undefined;
    },
  ) {
    this.context = context;
    this.sessions = parts.sessions;
    this.runs = parts.runs;
    this.places = parts.places;
    this.atQuit = parts.atQuit ?? 'keep';
    this.containers = this.disposables.add(new TaskContainers(context, parts.places, parts.containers));
    this.timers = this.disposables.add(new DisposableMap<string, Disposable>());
    const onListenerError = (error: unknown): void => {
      context.logger.error('A listener of container tasks failed', error);
    };
    const changed = this.disposables.add(new Emitter<ContainerTask>(onListenerError));
    this.onDidChange = changed.event;
    this.notified = this.disposables.add(new Emitter<TaskNotification>(onListenerError));
    this.onDidNotify = this.notified.event;
    this.runs.executor.workers.setContainerTasks({
      workerOf: async (run) => {
        const task = this.get(taskIdOf(run));
        await this.tidying.get(task.id);
        return taskWorker(task, run, { context, places: this.places, containers: this.containers });
      },
      retry: async (run) => this.runs.get((await this.retry(taskIdOf(run))).runId ?? ''),
    });
    this.disposables.add(context.log.onDidAppend((event) => this.handleEvent(event)));
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const change of changes) {
          if (change.value === undefined) continue;
          if (change.kind === 'containerTask') changed.fire(change.value);
          else if (change.kind === 'run' && isRunEnded(change.value)) this.handleRunEnd(change.value);
        }
      }),
    );
  }

  /**
   * Stores the task and its first execution, which goes on by itself. A task of that id that has ended is replaced.
   * Errors: `task_running`, `task_limit`, `session_not_found`, `session_closed`, `permission_denied` (more than the
   * session allows), `container_engine_missing`, `invalid_request`, `disk_full`; after an error nothing has changed.
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- a door of the API: it answers by promise, errors too
  async start({ manifest, sessionId, isAgreed }: StartContainerTaskRequest): Promise<ContainerTask> {
    const session = this.sessions.getOpen(sessionId);
    checkManifest(manifest);
    if (!isAgreed) checkPolicy(manifest, session);
    const known = this.find(manifest.id);
    if (known !== undefined && isContainerTaskLive(known)) throw taskRunning(known);
    const { clock, limits, state } = this.context;
    const live = [...state.containerTasks.values()].filter(isContainerTaskLive).length;
    if (live >= limits.maxContainerTasks) {
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'task_limit',
        `${live} container tasks are running, and no more are allowed. Stop one first.`,
      );
    }
    const now = clock.now();
    const task: ContainerTask = {
      id: manifest.id,
      name: validName(manifest.name, 'task'),
      sessionId,
      manifest,
      state: 'running',
      failures: 0,
      createdAt: known?.createdAt ?? now,
      updatedAt: now,
    };
    return this.execute(task, undefined);
  }

  /** Runs an ended or waiting task again now. Errors: `task_not_found`, `task_running`, those of `start`. */
  async retry(id: string): Promise<ContainerTask> {
    const task = this.get(id);
    if (task.state === 'running') throw taskRunning(task);
    this.sessions.getOpen(task.sessionId);
    this.timers.delete(id);
    return Promise.resolve(this.execute({ ...task, failures: 0 }, task.runId));
  }

  /** Resolves once it is stored that it ends; `waitForEnd` tells when it has. Errors: `task_not_found`, `task_ended`. */
  async stop(id: string): Promise<void> {
    const task = this.get(id);
    if (task.state === 'waiting') {
      this.timers.delete(id);
      this.context.log.commit((tx) => {
        this.put(tx, { ...task, state: 'stopped', nextStartAt: undefined, error: undefined });
      });
      return;
    }
    if (task.state !== 'running' || task.runId === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'task_ended',
        `No such task is running: "${task.name}" has ended already (${task.state}).`,
      );
    }
    await this.runs.abort(task.runId).catch((error: unknown) => {
      // It has just ended; what is to become of it then is under way.
      if (!OrchestratorError.is(error, 'run_not_active')) throw error;
    });
  }

  /** Stops those of a session, or all, and resolves when they have ended. */
  async stopAll(sessionId?: string): Promise<void> {
    const live = this.list({ sessionId }).filter(isContainerTaskLive);
    await Promise.all(
      live.map(async ({ id }) => {
        await this.stop(id).catch((error: unknown) => {
          if (!OrchestratorError.is(error, 'task_ended')) throw error;
        });
        await this.waitForEnd(id);
        await this.tidying.get(id);
      }),
    );
  }

  /** Before the core closes: ends all where the composition wants that, as far as there is time. Never throws. */
  async quit(): Promise<void> {
    if (this.atQuit === 'keep') return;
    const limit = Promise.withResolvers<void>();
    const timer = this.context.clock.setTimer(quitLimitMs, limit.resolve);
    const stopped = this.stopAll().catch((error: unknown) => {
      this.context.failures.report(error, 'stop the container tasks at the end');
    });
    await Promise.race([stopped, limit.promise]);
    timer.dispose();
  }

  /** Forgets an ended task with its containers and all it stored; its runs stay in the history. Errors: `task_not_found`, `task_running`. */
  async remove(id: string): Promise<void> {
    const task = this.get(id);
    if (isContainerTaskLive(task)) throw taskRunning(task);
    await this.containers.removeAll(id);
    await this.places.remove(id);
    this.context.log.commit((tx) => {
      tx.delete('containerTask', id);
      tx.report('container_task.removed', { sessionId: task.sessionId }, { task_id: id, name: task.name });
    });
  }

  find(id: string): ContainerTask | undefined {
    return this.context.state.containerTasks.get(id);
  }

  /** Error: `task_not_found`. */
  get(id: string): ContainerTask {
    const task = this.find(id);
    if (task === undefined) throw noSuchTask(id);
    return task;
  }

  /** Oldest first, ended ones too. */
  list({ sessionId }: { readonly sessionId?: string | undefined } = {}): ContainerTask[] {
    const all = [...this.context.state.containerTasks.values()];
    return sessionId === undefined ? all : all.filter((task) => task.sessionId === sessionId);
  }

  /** Until it neither runs nor waits. Errors: `task_not_found`, `aborted` by the signal, `closed`. */
  waitForEnd(id: string, signal?: AbortSignal): Promise<ContainerTask> {
    const { log } = this.context;
    const read = (): ContainerTask | undefined => {
      const task = this.get(id);
      return isContainerTaskLive(task) ? undefined : task;
    };
    return waitFor({ read, changes: log.onDidCommit, closes: log.onDidClose, signal });
  }

  /**
   * A request below `/task/<id>`, without that prefix: what the task's executable has registered for it. For the HTTP
   * door, which adds nothing. Errors: `task_not_found`, `task_not_running`, `task_call_failed`, and `permission_denied`
   * where the manifest has no public API.
   */
  async request(id: string, request: TaskHttpRequest): Promise<TaskHttpResponse> {
    const task = this.get(id);
    if (!task.manifest.publicApi) throw noTaskApi(task);
    if (task.state !== 'running') {
      throw new OrchestratorError('FAILED_PRECONDITION', 'task_not_running', `Task ${id} not running`);
    }
    return this.places.request(id, request);
  }

  /** Asks the container of a task (contract 000: `podCall`). Errors: `task_not_found`, `task_not_running`, `task_call_failed`. */
  async podCall(id: string, request: TaskHttpRequest): Promise<TaskHttpResponse> {
    const { runId } = this.get(id);
    const address =
      runId === undefined ? undefined : this.context.state.liveRuns.get(runId)?.taskReport?.podAddress;
    if (address === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'task_not_running',
        `The task ${id} has no container that answers: it does not run, or publishes no port.`,
      );
    }
    return this.places.podCall(address, request);
  }

  /** Start-up, after runs were taken up: what ended meanwhile is decided, what waits goes on waiting. */
  resume(): void {
    void this.containers.endStale();
    for (const task of this.list()) {
      if (task.state === 'waiting') this.schedule(task);
      if (task.state !== 'running' || task.runId === undefined) continue;
      const run = this.runs.find(task.runId);
      if (run === undefined || isRunEnded(run)) {
        this.tidy(task.id, task.runId);
        this.settle(task.id, run);
      } else if (run.taskReport?.isContainerWanted === true) void this.containers.provide(task, run);
    }
  }

  dispose(): void {
    this.disposables.dispose();
  }

  /** One more execution, in one transaction with the task that it belongs to. */
  private execute(task: ContainerTask, retryOf: string | undefined): ContainerTask {
    const { log, clock } = this.context;
    const { cwd } = this.sessions.get(task.sessionId);
    const started = log.commit((tx) => {
      const run = this.runs.addTo(tx, {
        request: { task: task.name, sessionId: task.sessionId, cwd, containerTaskId: task.id },
        sessionId: task.sessionId,
        commands: [taskTitle(task.manifest)],
        retryOf,
      });
      return this.put(tx, {
        ...task,
        state: 'running',
        runId: run.id,
        nextStartAt: undefined,
        error: undefined,
        updatedAt: clock.now(),
      });
    });
    this.runs.executor.pump();
    return started;
  }

  private put(tx: LogTransaction, task: ContainerTask): ContainerTask {
    const stored = { ...task, updatedAt: this.context.clock.now() };
    tx.put('containerTask', stored);
    const { id, name, state, failures, sessionId, runId, nextStartAt, error } = stored;
    tx.report(
      'container_task.updated',
      { sessionId, runId },
      { task_id: id, name, state, failures, next_start_at: nextStartAt ?? null, error: error ?? null },
    );
    return stored;
  }

  private handleEvent(event: OrchestratorEvent): void {
    const { type, runId } = event;
    if (runId === undefined) return;
    if (type === 'container_task.container_wanted') {
      const run = this.context.state.liveRuns.get(runId);
      const task = run === undefined ? undefined : this.find(taskIdOf(run));
      if (run !== undefined && task !== undefined) void this.containers.provide(task, run);
      return;
    }
    if (!this.notified.hasListeners || !isNotification(event)) return;
    const task = this.find(taskIdOf(this.runs.find(runId)));
    if (task !== undefined) this.notified.fire(notificationOf(event, task, runId));
  }

  private handleRunEnd(run: Run): void {
    const taskId = taskIdOf(run);
    if (this.find(taskId)?.runId !== run.id) return;
    this.tidy(taskId, run.id);
    this.settle(taskId, run);
  }

  private tidy(taskId: string, runId: string): void {
    const tidied = Promise.all([this.containers.end(runId), this.places.clear(taskId)])
      .then(() => undefined)
      .catch((error: unknown) => {
        this.context.failures.report(error, 'remove what an execution of a container task has left');
      })
      .finally(() => {
        if (this.tidying.get(taskId) === tidied) this.tidying.delete(taskId);
      });
    this.tidying.set(taskId, tidied);
  }

  /** What becomes of a task whose execution has ended. Does nothing where that is decided already. */
  private settle(id: string, run: Run | undefined): void {
    const task = this.find(id);
    if (task?.state !== 'running' || (run !== undefined && task.runId !== run.id)) return;
    const decision = decideRestart(task.manifest.restart, task.failures, endOf(run));
    const isSessionOpen = this.isOpen(task.sessionId);
    const error = run === undefined ? undefined : failureOf(run);
    try {
      const stored = this.context.log.commit((tx) => {
        if (decision.next === 'restart' && isSessionOpen) {
          const nextStartAt = this.context.clock.now() + decision.delayMs;
          return this.put(tx, { ...task, state: 'waiting', failures: decision.failures, nextStartAt, error });
        }
        const state = decision.next === 'end' ? decision.state : 'stopped';
        const failures = decision.failures;
        return this.put(tx, { ...task, state, failures, error: state === 'failed' ? error : undefined });
      });
      if (stored.state === 'waiting') this.schedule(stored);
    } catch (failure) {
      // The next start-up decides it again, from the same facts.
      this.context.failures.report(failure, `store what becomes of the task "${task.name}"`);
    }
  }

  private schedule({ id, nextStartAt }: ContainerTask): void {
    const { clock, failures } = this.context;
    const delayMs = Math.max(0, (nextStartAt ?? 0) - clock.now());
    const timer = clock.setTimer(delayMs, () => {
      this.timers.delete(id);
      const task = this.find(id);
      if (task?.state !== 'waiting') return;
      try {
        this.execute(task, task.runId);
      } catch (error) {
        failures.report(error, `start the task "${task.name}" again`);
      }
    });
    this.timers.set(id, timer);
  }

  private isOpen(sessionId: string): boolean {
    const session = this.sessions.find(sessionId);
    return session !== undefined && session.state !== 'closing' && session.state !== 'closed';
  }
}

function taskIdOf(run: Run | undefined): string {
  return run?.request.containerTaskId ?? '';
}
