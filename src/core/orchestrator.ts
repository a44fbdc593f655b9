import { type Disposable, DisposableStore } from '../base/disposable.ts';
import type { Event } from '../base/emitter.ts';
import { OrchestratorError, type ErrorShape } from '../base/errors.ts';
import { AgentRegistry } from './agents/agentRegistry.ts';
import { Chat } from './agents/chat.ts';
import { Conversations } from './agents/conversations.ts';
import { ContainerManager } from './containers/containerManager.ts';
import { ContainerTaskManager } from './containerTasks/containerTaskManager.ts';
import { taskContainerSource } from './containerTasks/taskContainerSource.ts';
import type { CoreContext } from './context.ts';
import { EventHub } from './events/eventHub.ts';
import { EventLog } from './events/eventLog.ts';
import { StateMirror } from './events/stateMirror.ts';
import { Failures } from './failures.ts';
import { defaultLimits, type OrchestratorLimits } from './limits.ts';
import type { OrchestratorDependencies } from './orchestratorDependencies.ts';
import type { ProcessHost, TerminalStatus, WorkerStatus } from './ports/processHost.ts';
import { settleAgentRuns } from './runs/agentRunEvents.ts';
import type { ContainerRunEngine } from './runs/containerRunEngine.ts';
import { settleContainerRuns } from './runs/containerRunEvents.ts';
import { RunManager } from './runs/runManager.ts';
import { MessageLog } from './sessions/messageLog.ts';
import { settleSessions } from './sessions/sessionActivity.ts';
import { SessionKeeper } from './sessions/sessionKeeper.ts';
import { SessionManager } from './sessions/sessionManager.ts';
import { type Activity, readStatistics, settleTotals, type Statistics } from './statistics.ts';
import { releaseTasks } from './tasks/taskChanges.ts';
import { TaskManager } from './tasks/taskManager.ts';
import { PtyManager } from './terminals/ptyManager.ts';
import { TerminalCommands } from './terminals/terminalCommands.ts';
import { TerminalHousekeeper } from './terminals/terminalHousekeeper.ts';
import { TerminalMeter } from './terminals/terminalMetrics.ts';
import { TerminalOutput } from './terminals/terminalOutput.ts';
import { TerminalSessions } from './terminals/terminalSessions.ts';
import { ToolCalls } from './tools/toolCalls.ts';
import { ContainerCommands } from './tools/containerCommands.ts';
import { ToolCarrier } from './tools/toolCarrier.ts';
import { ToolRegistry } from './tools/toolRegistry.ts';
import { closedError } from './waitFor.ts';

export type { OrchestratorLimits } from './limits.ts';

const retryDelayMs = 2_000;

/**
 * The product, without any door. It knows neither VS Code nor a command line; it owns no process; and it may end at any
 * moment: the next one on the same store finds what goes on and takes it up.
 */
export class Orchestrator {
  readonly events: EventLog;
  /** The log for doors with many subscribers, some of them slow. */
  readonly subscriptions: EventHub;
  readonly sessions: SessionManager;
  readonly messages: MessageLog;
  readonly terminals: PtyManager;
  /** Terminals as seed 003 has them: its operations, data and error texts, for every door. */
  readonly terminalSessions: TerminalSessions;
  readonly runs: RunManager;
  readonly agents: AgentRegistry;
  readonly tasks: TaskManager;
  readonly conversations: Conversations;
  readonly chat: Chat;
  readonly containers: ContainerManager;
  /** Undefined where the composition has no place for them. */
  readonly containerTasks: ContainerTaskManager | undefined;
  readonly tools: ToolRegistry;
  readonly toolCalls: ToolCalls;
  readonly processHost: ProcessHost;
  /** What went wrong with nobody waiting for the answer, e.g. a full disk while a run reports. For a person. */
  readonly onDidFail: Event<OrchestratorError>;

  private readonly context: CoreContext;
  /** The one object that every manager reads. */
  private readonly limits: OrchestratorLimits = { ...defaultLimits };
  private readonly toolCarrier: ToolCarrier;
  private readonly containerRuns: Pick<ContainerRunEngine, 'open'>;
  private readonly keeper: SessionKeeper;
  private readonly meter: TerminalMeter;
  private readonly housekeeper: TerminalHousekeeper;
  private readonly disposables = new DisposableStore();
  private readonly hostEvents = this.disposables.add(new DisposableStore());
  private starting: Promise<void> | undefined;
  /** Whether there was a connection since the last loss: what could not be started was not lost. */
  private hasHost = false;
  private _isReady = false;

  constructor(dependencies: OrchestratorDependencies) {
    const { store, clock, logger, processHost, environment, shellFiles, processMetrics, ids } = dependencies;
    const state = new StateMirror(store);
    const settle: ConstructorParameters<typeof EventLog>[0]['settle'] = (tx) => {
      settleAgentRuns(tx, clock.now());
      settleContainerRuns(tx, state, dependencies.containers?.records, clock.now());
      settleSessions(tx, state, clock.now());
      settleTotals(tx, state);
    };
    const log = this.disposables.add(new EventLog({ store, state, clock, logger, settle }));
    const failures = this.disposables.add(new Failures(clock, logger));
    const limits = Object.assign(this.limits, dependencies.limits);
    this.tools = this.disposables.add(new ToolRegistry(dependencies.tools, clock, logger));
    this.context = {
      store,
      state,
      log,
      processHost,
      environment,
      shellFiles,
      processMetrics,
      containers: dependencies.containers,
      models: dependencies.models,
      tools: {
        forRun: () => this.tools.forRun(),
        open: (run, signal) => this.toolCarrier.openFor(run, signal),
      },
      windowModels: dependencies.windowModels,
      backends: dependencies.backends,
      clock,
      ids,
      logger,
      limits,
      failures,
    };
    this.events = log;
    this.subscriptions = this.disposables.add(new EventHub(log, clock, logger));
    this.processHost = processHost;
    this.onDidFail = failures.onDidFail;
    this.sessions = new SessionManager(this.context, (id) => this.endMembers(id));
    this.messages = new MessageLog(this.context, this.sessions);
    this.keeper = this.disposables.add(new SessionKeeper(this.context, this.sessions));
    this.agents = this.disposables.add(
      new AgentRegistry(this.context, (tx, agent, why) => releaseTasks(tx, state, agent, why, clock.now())),
    );
    this.tasks = this.disposables.add(new TaskManager(this.context, this.sessions, this.agents));
    this.conversations = this.disposables.add(
      new Conversations(this.context, this.sessions, this.messages, this.agents),
    );
    this.agents.onDidArrive = () => this.tasks.dispatcher.schedule();
    this.terminals = this.disposables.add(new PtyManager(this.context, this.sessions));
    this.meter = this.disposables.add(new TerminalMeter(this.context));
    this.housekeeper = this.disposables.add(new TerminalHousekeeper(this.context, this.terminals));
    const output = new TerminalOutput(this.terminals, clock);
    const commands = this.disposables.add(new TerminalCommands(this.terminals, output, clock));
    this.disposables.add(
      log.onDidAppend(({ type, terminalId }) => {
        if (terminalId === undefined) return;
        if (type === 'terminal.removed') commands.forget(terminalId);
        if (type === 'terminal.removed' || type === 'terminal.exited') this.meter.forget(terminalId);
      }),
    );
    this.terminalSessions = new TerminalSessions({
      terminals: this.terminals,
      output,
      commands,
      meter: this.meter,
      events: log,
      logger,
      now: () => clock.now(),
    });
    this.runs = this.disposables.add(new RunManager(this.context, this.sessions, this.terminals, this.tasks));
    const { context, sessions, messages, runs, conversations, terminals, tasks } = this;
    this.chat = new Chat({ context, sessions, messages, runs, conversations, terminals, tasks, events: log });
    this.containers = this.disposables.add(new ContainerManager(this.context, this.sessions));
    this.containerRuns = this.runs.addContainers(this.containers);
    this.toolCarrier = new ToolCarrier(this, dependencies, limits);
    this.disposables.add(new ContainerCommands(this.context, this.toolCarrier));
    this.toolCalls = this.disposables.add(new ToolCalls(this.toolCarrier, clock, ids));
    if (dependencies.containerTaskPlaces !== undefined) {
      this.containerTasks = this.disposables.add(
        new ContainerTaskManager(this.context, {
          sessions,
          runs,
          places: dependencies.containerTaskPlaces,
          containers: taskContainerSource(this.containers, dependencies.containers?.engine),
          atQuit: dependencies.containerTasksAtQuit,
        }),
      );
    }
  }

  /** True once start() is through. */
  get isReady(): boolean {
    return this._isReady;
  }

  /**
   * Takes up what former cores left: connects to the process host if one runs or something had not ended, takes in what
   * it reported meanwhile, ends what is gone, and lets queued runs go on. There is no other recovery: this is it.
   * Errors: those of connecting (`process_host_incompatible`, `unauthenticated` …) and of the store; it may then be
   * called again.
   */
  start(): Promise<void> {
    this.starting ??= this.recover().catch((error: unknown) => {
      this.starting = undefined;
      this.hostEvents.clear();
      throw error;
    });
    return this.starting;
  }

  /** Other limits from now on; what is over them is ended and removed within a minute, and nothing that is missing changes. */
  setLimits(limits: Partial<OrchestratorLimits>): void {
    Object.assign(this.limits, limits);
    if (!this._isReady) return;
    this.meter.watch();
    this.runs.executor.pump();
  }

  /** What may run at a time. */
  get runLimits(): Pick<OrchestratorLimits, 'maxConcurrentRuns' | 'maxActiveSessions'> {
    return this.limits;
  }

  /** What runs right now. */
  activity(): Activity {
    const liveRuns = this.runs.active().length;
    const runningRuns = Math.min(liveRuns, this.runs.runningCount);
    const liveTerminals = this.terminals.list().filter((terminal) => terminal.state !== 'exited').length;
    return { runningRuns, liveTerminals, queuedRuns: liveRuns - runningRuns };
  }

  /** What it does, and has done over the life of its store. */
  statistics(): Statistics {
    return readStatistics(this.context.state, this.context.store.totals());
  }

  /** The program in the foreground, by terminal id, where the machine tells. Nothing is started to find out. */
  async foregroundPrograms(): Promise<ReadonlyMap<string, string>> {
    const { processHost } = this;
    if (processHost.connection.state !== 'connected') return new Map();
    const statuses = await processHost.listTerminals();
    return new Map(
      statuses.flatMap(({ id, foregroundProcess }) =>
        foregroundProcess === undefined ? [] : [[id, foregroundProcess]],
      ),
    );
  }

  /** Detaches: terminals and runs go on, container tasks as was said. Ends followers and waiters (`closed`). */
  async close(): Promise<void> {
    await this.containerTasks?.quit();
    if (this.disposables.isDisposed) return;
    this._isReady = false;
    if (!this.containers.warm.isEmpty) await this.containers.warm.close();
    this.hostEvents.dispose();
    this.runs.executor.flush();
    this.disposables.dispose();
  }

  private async recover(): Promise<void> {
    this.checkNotClosed();
    const { processHost } = this;
    const { executor } = this.runs;
    const { reconciler } = this.terminals;
    // Before anything is asked, so that no change falls between the answer and the listening.
    this.hostEvents.add(processHost.onDidReceiveWorkerEvent((event) => executor.receive(event)));
    this.hostEvents.add(processHost.onDidExitTerminal((exit) => reconciler.handleExit(exit)));
    this.hostEvents.add(
      processHost.onDidChangeConnection((connection) => {
        if (connection.state === 'connected') this.hasHost = true;
        if (connection.state === 'lost') this.handleHostLost(connection.error);
      }),
    );
    this.hasHost = await this.connect();
    const inventory = this.hasHost ? await this.takeInventory() : undefined;
    reconciler.recover(inventory?.terminals);
    await executor.recover(inventory?.workers);
    // While a worker lives, an unknown terminal is most likely one that it is about to report.
    if (inventory !== undefined && executor.workerCount === 0)
      await reconciler.adoptUnknown(inventory.terminals);
    this.checkNotClosed();
    this.killLeftovers();
    this._isReady = true;
    executor.open();
    this.containers.resume();
    this.containerRuns.open();
    this.containerTasks?.resume();
    this.sessions.resumeClosing();
    this.keeper.watch();
    this.agents.watch();
    this.tasks.dispatcher.open();
    this.meter.watch();
    this.housekeeper.watch();
  }

  /**
   * A process host that ended while no core was there has left its journals and records: what ended well by then must
   * not be taken for lost. Only a host reads them, so one is started where something had not ended.
   */
  private async connect(): Promise<boolean> {
    const { processHost } = this;
    const { liveRuns, terminals } = this.context.state;
    const isSomethingLeft =
      liveRuns.size > 0 || [...terminals.values()].some((terminal) => terminal.state !== 'exited');
    if (!isSomethingLeft) return processHost.connectIfRunning();
    await processHost.ensureConnected();
    return true;
  }

  private checkNotClosed(): void {
    if (this.disposables.isDisposed) throw closedError();
  }

  /** Undefined when the host ends while it is asked. */
  private async takeInventory(): Promise<
    { readonly terminals: TerminalStatus[]; readonly workers: WorkerStatus[] } | undefined
  > {
    try {
      return {
        terminals: await this.processHost.listTerminals(),
        workers: await this.processHost.listWorkers(),
      };
    } catch (error) {
      if (OrchestratorError.is(error, 'process_host_lost')) return undefined;
      throw error;
    }
  }

  /** Terminals whose run was ended by force, by a core that did not live to end them too. */
  private killLeftovers(): void {
    const runIds = new Set(
      this.terminals
        .list()
        .flatMap(({ state, runId }) => (state !== 'exited' && runId !== null ? [runId] : [])),
    );
    for (const id of runIds) {
      const run = this.runs.find(id);
      if (run !== undefined) this.runs.executor.killTerminalsOf(run);
    }
  }

  /** Its terminals and workers are gone with it: all of them end now, in one transaction. Queued runs get a new one. */
  private handleHostLost(error: ErrorShape): void {
    const { executor } = this.runs;
    if (!this.hasHost) return;
    this.hasHost = false;
    executor.flush();
    this.storeHostLost(error, executor.idsAtHost(), this.terminals.reconciler.idsAtHost());
  }

  private storeHostLost(error: ErrorShape, runIds: readonly string[], terminalIds: readonly string[]): void {
    const { log, failures, clock } = this.context;
    try {
      log.commit((tx) => {
        const ended_runs = this.runs.executor.loseRuns(tx, runIds);
        const ended_terminals = this.terminals.reconciler.loseTerminals(tx, terminalIds);
        tx.report('processHost.lost', {}, { error: error.message, ended_runs, ended_terminals });
      });
    } catch (failure) {
      failures.report(failure, 'store that the process host was lost');
      const retry: Disposable = clock.setTimer(retryDelayMs, () => {
        this.disposables.delete(retry);
        this.storeHostLost(error, runIds, terminalIds);
      });
      this.disposables.add(retry);
      return;
    }
    this.runs.executor.forget(runIds);
  }

  /** Ends what runs in a session, runs first: they end their own terminals. */
  private async endMembers(sessionId: string): Promise<void> {
    // First, so that none is started again.
    await this.containerTasks?.stopAll(sessionId);
    const runs = this.runs.active().filter((run) => run.sessionId === sessionId);
    await Promise.all(
      runs.map(async (run) => {
        await this.runs.abort(run.id).catch((error: unknown) => {
          if (!OrchestratorError.is(error, 'run_not_active')) throw error;
        });
        await this.runs.waitForEnd(run.id);
      }),
    );
    for (const task of this.tasks.active()) {
      if (task.sessionId === sessionId) this.tasks.cancel(task.id, 'its session is closing');
    }
    const live = this.terminals.list({ sessionId }).filter((terminal) => terminal.state !== 'exited');
    await Promise.all(live.map((terminal) => this.terminals.kill(terminal.id)));
    await this.containers.removeAllOf(sessionId);
  }
}
