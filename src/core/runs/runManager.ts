import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerManager } from '../containers/containerManager.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import { ModelGateway } from '../models/modelGateway.ts';
import type { RunFilter } from '../ports/store.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import type { TaskManager } from '../tasks/taskManager.ts';
import type { PtyManager } from '../terminals/ptyManager.ts';
import { removeTerminal } from '../terminals/terminalChanges.ts';
import { requestKeyMs } from '../requestKeys.ts';
import { checkInteger } from '../text.ts';
import { waitFor } from '../waitFor.ts';
import { AgentRunEngine } from './agentRunEngine.ts';
import { BackendRunEngine } from './backendRunEngine.ts';
import { isBackendRun } from './backendRuns.ts';
import { ContainerRunEngine } from './containerRunEngine.ts';
import { ModelCode } from './modelCode.ts';
import { isModelRun } from './modelRuns.ts';
import { isRunEnded, type Run, type RunRequest } from './run.ts';
import { appendRunEvent } from './runEnd.ts';
import type { RunEngine } from './runEngine.ts';
import { RunExecutor } from './runExecutor.ts';
import { checkRunRequest } from './runRequest.ts';
import { WindowModelEngine } from './windowModelEngine.ts';

const defaultPage = 100;

export interface NewRun {
  readonly request: RunRequest;
  readonly sessionId: string;
  readonly commands: readonly string[];
  readonly retryOf: string | undefined;
}

export class RunManager implements Disposable {
  /** After each stored change of a run. */
  readonly onDidChange: Event<Run>;
  /** The places of those that wait for their turn have changed: see `queuePosition`. */
  readonly onDidChangeQueue: Event<void>;
  /** For the Orchestrator: start-up and the process host's events. */
  readonly executor: RunExecutor;
  /** Single answers of models; undefined where this orchestrator knows of none. */
  readonly models: ModelGateway | undefined;
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly terminals: PtyManager;
  private readonly engines: RunEngine[];
  private containers: ContainerManager | undefined;
  private readonly disposables = new DisposableStore();

  constructor(context: CoreContext, sessions: SessionManager, terminals: PtyManager, tasks: TaskManager) {
    this.context = context;
    this.sessions = sessions;
    this.terminals = terminals;
    const { models, clock } = context;
    this.models = models === undefined ? undefined : new ModelGateway(models, clock);
    this.executor = this.disposables.add(new RunExecutor(context, terminals));
    this.onDidChangeQueue = this.executor.queue.onDidChange;
    this.engines = [this.executor, new AgentRunEngine(context, tasks)];
    const changed = this.disposables.add(
      new Emitter<Run>((error) => context.logger.error('A listener of a run failed', error)),
    );
    this.onDidChange = changed.event;
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const change of changes) {
          if (change.kind === 'run' && change.value !== undefined) changed.fire(change.value);
        }
      }),
    );
  }

  /** From now on runs can be carried out in containers. @returns what is to be opened at start-up. */
  addContainers(containers: ContainerManager): Pick<ContainerRunEngine, 'open'> {
    this.containers = containers;
    const engine = new ContainerRunEngine(this.context, containers, this.executor.queue);
    this.disposables.add(engine);
    this.executor.queue.addStarter(engine);
    this.engines.push(engine);
    const code = this.disposables.add(new ModelCode(this.context, containers));
    const window = this.addWindowModels();
    const backends = this.addBackends();
    return {
      open() {
        engine.open();
        code.open();
        window?.open();
        backends?.open();
      },
    };
  }

  private addWindowModels(): WindowModelEngine | undefined {
    const { windowModels } = this.context;
    if (windowModels === undefined) return undefined;
    const engine = new WindowModelEngine(this.context, windowModels, this.executor.queue);
    this.disposables.add(engine);
    this.executor.queue.addStarter(engine);
    this.engines.push(engine);
    return engine;
  }

  private addBackends(): BackendRunEngine | undefined {
    const { backends } = this.context;
    if (backends === undefined) return undefined;
    const engine = new BackendRunEngine(this.context, backends, this.executor.queue);
    this.disposables.add(engine);
    this.executor.queue.addStarter(engine);
    this.engines.push(engine);
    return engine;
  }

  /** Runs that do not wait for their turn. */
  get runningCount(): number {
    return this.engines.reduce((sum, engine) => sum + engine.runningCount, 0);
  }

  /**
   * Resolves once the run is stored, as `queued`; it goes on by itself. With the key of an earlier request it is that
   * one's run, in whatever state. Errors: see `checkRunRequest`, and `disk_full`; after an error there is no run.
   */
  start(request: RunRequest): Promise<Run> {
    return this.create(request, undefined);
  }

  /** Error: `run_not_found`. */
  get(id: string): Run {
    const run = this.find(id);
    if (run !== undefined) return run;
    throw new OrchestratorError(
      'NOT_FOUND',
      'run_not_found',
      `There is no run ${id}. It may have been removed from the history.`,
    );
  }

  find(id: string): Run | undefined {
    return this.context.state.liveRuns.get(id) ?? this.context.store.get('run', id);
  }

  /** Newest first, ended ones too; 100 where no limit is given. */
  list(filter: Partial<RunFilter> = {}): Run[] {
    return this.context.store.listRuns({ limit: defaultPage, ...filter });
  }

  /** Those that have not ended, oldest first. From memory. */
  active(): Run[] {
    return [...this.context.state.liveRuns.values()];
  }

  /** The place of a run that waits for its turn, from 1; undefined for every other. */
  queuePosition(id: string): number | undefined {
    return this.executor.queue.position(id);
  }

  /**
   * Resolves once the abort is asked for; the run ends by its events, within 11 s in any case. A run that waits for
   * its turn is cancelled at once. Errors: `run_not_found`, `run_not_active`, `disk_full`.
   */
  async abort(id: string): Promise<void> {
    const run = this.get(id);
    if (isRunEnded(run)) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'run_not_active',
        'This run has ended already. There is nothing to abort.',
      );
    }
    await this.engineOf(run).abort(id);
  }

  /**
   * Runs the task of an ended run again as a new one, in its session while that is open; from `fromStep` (from 1) on
   * where given. Errors: those of `start`, `run_not_found`, and `invalid_request` while it is still going on.
   */
  async retry(id: string, options: { readonly fromStep?: number | undefined } = {}): Promise<Run> {
    const { request, steps, ...run } = this.get(id);
    const { fromStep = 1 } = options;
    if (run.status === 'queued' || run.status === 'running') {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        'This run is still going on. Abort it first, or wait for its end.',
      );
    }
    if (request.containerTaskId !== undefined)
      return this.executor.workers.containerTasks.retry(this.get(id));
    // What a model or a backend did in its steps cannot be done again without it.
    const lastStep = isModelRun({ request }) || isBackendRun({ request }) ? 1 : steps.length;
    checkInteger(fromStep, 1, lastStep, 'The step to start from');
    const commands = steps.slice(fromStep - 1).map((step) => step.command);
    const part = fromStep === 1 ? {} : { task: commands.join('\n'), commands };
    const session = this.sessions.find(run.sessionId);
    const isOpen = session !== undefined && session.state !== 'closing' && session.state !== 'closed';
    const again = { ...request, ...part, idempotencyKey: undefined };
    return this.create({ ...again, sessionId: isOpen ? session.id : undefined }, id);
  }

  /**
   * Takes an ended run out of the history, with its events, its terminals and their records. Errors: `run_not_found`,
   * `invalid_request` while it is going on, those of reaching the process host.
   */
  async remove(id: string): Promise<void> {
    const run = this.get(id);
    if (!isRunEnded(run)) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        'This run is still going on. Abort it first.',
      );
    }
    const own = this.terminals.list().filter((terminal) => terminal.runId === id);
    // Records first: if the core ends in between, the run is still listed and can be removed again.
    for (const terminal of own) {
      await this.terminals.kill(terminal.id);
      await this.terminals.deleteRecord(terminal.id);
    }
    this.context.log.commit((tx) => {
      if (tx.get('run', id) === undefined) return;
      tx.delete('run', id);
      if (run.taskId !== undefined) tx.delete('task', run.taskId);
      for (const { id: terminalId } of own) {
        const terminal = tx.get('terminal', terminalId);
        if (terminal !== undefined) removeTerminal(tx, terminal);
      }
      tx.report('run.removed', { sessionId: run.sessionId, runId: id }, { task: run.request.task });
    });
  }

  /** Errors: `run_not_found` (also when it is removed meanwhile), `aborted` by the signal, `closed`. */
  waitForEnd(id: string, signal?: AbortSignal): Promise<Run> {
    const { log } = this.context;
    const read = (): Run | undefined => {
      const run = this.get(id);
      return isRunEnded(run) ? run : undefined;
    };
    return waitFor({ read, changes: log.onDidCommit, closes: log.onDidClose, signal });
  }

  /** Stores a run, which was checked, in a transaction of the caller's, who then has the executor look for it. */
  addTo(tx: LogTransaction, { request, sessionId, commands, retryOf }: NewRun): Run {
    const { ids, clock } = this.context;
    const id = ids.uuidV7();
    const now = clock.now();
    const run: Run = {
      id,
      sessionId,
      request,
      status: 'queued',
      steps: commands.map((command, index) => ({ index: index + 1, command, status: 'pending' })),
      createdAt: now,
      isAborting: false,
      terminalIds: [],
      retryOf,
    };
    const prepared = this.engineOf(run).prepare(tx, run);
    tx.put('run', prepared);
    const data = { status: 'accepted', run_id: id } as const;
    appendRunEvent(tx, prepared, { type: 'response.created', data }, now);
    return prepared;
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private async create(request: RunRequest, retryOf: string | undefined): Promise<Run> {
    const { idempotencyKey: key } = request;
    const known = this.findByKey(key);
    if (known !== undefined) return known;
    const checked = await checkRunRequest(request, this.context, this.sessions, this.containers);
    const { log, clock } = this.context;
    const run = log.commit((tx) => {
      // Another request with the key may have come while we looked at the disk.
      const other = this.findByKey(key);
      if (other !== undefined) return other;
      const { request, commands, session } = checked;
      const added = this.addTo(tx, { request, sessionId: session.id, commands, retryOf });
      const now = clock.now();
      if (key !== undefined) tx.setRequestKey('run', key, added.id, now, now - requestKeyMs);
      return added;
    });
    this.engineOf(run).pump();
    return run;
  }

  private findByKey(key: string | undefined): Run | undefined {
    if (key === undefined) return undefined;
    const { store, clock } = this.context;
    const id = store.requestKey('run', key, clock.now() - requestKeyMs);
    return id === undefined ? undefined : this.find(id);
  }

  private engineOf(run: Run): RunEngine {
    return this.engines.find((engine) => engine.owns(run)) ?? this.executor;
  }
}
