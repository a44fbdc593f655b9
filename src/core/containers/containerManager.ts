import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import type { Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { hasLabels, type Labels } from '../labels.ts';
import type {
  ContainerState,
  EngineExec,
  EngineInfo,
  InitializeOptions,
  StreamSink,
} from '../ports/containerEngine.ts';
import type { ResourceUsage } from '../resources.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { checkInteger, invalidRequest } from '../text.ts';
import { waitFor } from '../waitFor.ts';
import {
  type Container,
  type ContainerExit,
  type CreateContainerRequest,
  isContainerLive,
} from './container.ts';
import { updateContainer } from './containerChanges.ts';
import { ContainerCommands, type ExecRequest } from './containerCommands.ts';
import { containerParts, isElsewhere } from './containerContext.ts';
import { ContainerCreation } from './containerCreation.ts';
import { notRunning } from './containerErrors.ts';
import { ContainerHousekeeper } from './containerHousekeeper.ts';
import { ContainerImages } from './containerImages.ts';
import { ContainerKeeper } from './containerKeeper.ts';
import { ContainerInputs } from './containerInputs.ts';
import { ContainerOutput } from './containerOutput.ts';
import { checkMountsAgain } from './containerPolicy.ts';
import { ContainerReconciler } from './containerReconciler.ts';
import { EngineClaims } from './engineClaims.ts';
import { EngineConnection } from './engineConnection.ts';
import { SessionResources } from './sessionResources.ts';
import { WarmPool } from './warmPool.ts';

const defaultGraceMs = 10_000;

export interface ContainerFilter {
  readonly sessionId?: string | undefined;
  readonly state?: ContainerState | undefined;
  /** Every pair must match. */
  readonly labels?: Labels | undefined;
}

/**
 * Containers: whose they are and how they stand. The processes are the engine's, and outlive this object and every
 * core; what they print is in our own record. Every call may answer `container_engine_missing`,
 * `container_engine_failed`; those for one container `container_not_found`.
 */
export class ContainerManager implements Disposable {
  readonly images: ContainerImages;
  /** Networks and volumes of sessions. */
  readonly resources: SessionResources;
  /** What containers have printed and print. */
  readonly output: ContainerOutput;
  /** Containers that wait to be used. */
  readonly warm: WarmPool;
  private readonly context: CoreContext;
  private readonly keeper: ContainerKeeper;
  private readonly commands: ContainerCommands;
  private readonly connection: EngineConnection;
  private readonly inputs: ContainerInputs;
  private readonly creation: ContainerCreation;
  private readonly housekeeper: ContainerHousekeeper;
  private readonly disposables = new DisposableStore();

  constructor(context: CoreContext, sessions: SessionManager) {
    this.context = context;
    this.keeper = this.disposables.add(new ContainerKeeper(context));
    const claims = new EngineClaims(context);
    this.commands = this.disposables.add(new ContainerCommands(context, claims));
    const { keeper, commands } = this;
    const reconciler = new ContainerReconciler(context, sessions, { keeper, claims, commands });
    this.connection = this.disposables.add(new EngineConnection(context, { keeper, claims, reconciler }));
    this.inputs = this.disposables.add(new ContainerInputs(context));
    const ready = (): Promise<EngineInfo> => this.connection.ready();
    this.images = new ContainerImages(context, sessions, ready);
    this.resources = new SessionResources(context, sessions, claims, ready);
    this.creation = new ContainerCreation(context, sessions, claims, this.resources);
    const pool = { claims, creation: this.creation, keeper, connect: ready };
    this.warm = this.disposables.add(new WarmPool(context, sessions, pool));
    this.housekeeper = this.disposables.add(new ContainerHousekeeper(context, (id) => this.remove(id)));
    this.output = new ContainerOutput(context, this.keeper.onDidRecord, (id) => this.get(id));
  }

  /** Undefined while there is no connection. */
  get engine(): EngineInfo | undefined {
    return this.context.containers?.engine.info;
  }

  /** A connection was made, or was lost: then undefined, and it is tried again by itself. */
  get onDidChangeEngine(): Event<EngineInfo | undefined> {
    return this.context.containers?.engine.onDidChangeInfo ?? (() => toDisposable(() => undefined));
  }

  /** Makes an engine ready as far as a program may; see ContainerEngine. */
  async initialize(options: InitializeOptions = {}): Promise<EngineInfo> {
    await containerParts(this.context).engine.initialize(options);
    options.onProgress?.('Comparing containers');
    return this.connection.ready();
  }

  /** Connected, and everything of ours compared with what the engine has. */
  ready(): Promise<EngineInfo> {
    return this.connection.ready();
  }

  /** Start-up: takes up what former cores left, if there may be something. Does not wait for it. */
  resume(): void {
    this.connection.resume();
    this.housekeeper.watch();
  }

  /**
   * Makes a container; it does not run yet. Errors: `session_not_found`, `session_closed`, `invalid_request`,
   * `policy_violation`, `image_not_allowed`, `image_not_found`, `container_limit`, `disk_full`; after an error there is
   * none.
   */
  async create(request: CreateContainerRequest): Promise<Container> {
    const engine = await this.connection.ready();
    return this.creation.create(request, engine);
  }

  /** Makes it and starts it, or uses a warm one; one that does not start is removed again. */
  async run(request: CreateContainerRequest): Promise<Container> {
    const warm = await this.warm.take(request);
    if (warm !== undefined) return warm;
    const { id } = await this.create(request);
    try {
      return await this.start(id);
    } catch (error) {
      await this.remove(id, { force: true }).catch((failure: unknown) => {
        this.context.failures.report(failure, 'remove a container that did not start');
      });
      throw error;
    }
  }

  /**
   * Resolves once it runs; it may have ended by then. Does nothing to one that runs. Error besides those of the
   * engine: `policy_violation` where a path that it mounts leads elsewhere now, `invalid_request` for one that was warm
   * and has ended. What the container's program does is told by its exit.
   */
  async start(id: string): Promise<Container> {
    const info = await this.connection.ready();
    const container = this.reachable(id);
    if (isContainerLive(container)) return container;
    if (container.config.isWarm === true) {
      throw invalidRequest(`The container "${container.name}" was made to run once. Make a new one.`);
    }
    const { engine } = containerParts(this.context);
    await checkMountsAgain(container.config.mounts, info, this.context.environment);
    await this.keeper.attach(container);
    try {
      await engine.startContainer(id);
    } catch (error) {
      this.keeper.detach(id);
      this.noteFailedStart(id, OrchestratorError.from(error));
      throw error;
    }
    await this.keeper.refresh(id);
    return this.find(id) ?? container;
  }

  /** Ends it: with its stop signal, and by force after `graceMs` (10 s when missing). Resolves when it has ended. */
  async stop(id: string, options: { readonly graceMs?: number | undefined } = {}): Promise<Container> {
    const { graceMs = defaultGraceMs } = options;
    checkInteger(graceMs, 0, 3_600_000, 'The time to stop, in milliseconds,');
    return this.change(id, async (container) => {
      if (!isContainerLive(container)) return;
      this.keeper.expectEnd(id, 'stopped');
      await containerParts(this.context).engine.stopContainer(id, graceMs);
    });
  }

  /** Stops it, if it runs, and starts it. Its output goes on in the same record. */
  async restart(id: string, options: { readonly graceMs?: number | undefined } = {}): Promise<Container> {
    await this.stop(id, options);
    return this.start(id);
  }

  /** Sends a signal, SIGKILL when missing. Error: `invalid_request` unless it runs. */
  async kill(id: string, signal = 'SIGKILL'): Promise<Container> {
    if (!/^(SIG)?[A-Z0-9+-]{1,16}$/.test(signal)) throw invalidRequest(`"${signal}" is no signal.`);
    return this.change(id, async (container) => {
      if (!isContainerLive(container)) throw notRunning(container);
      this.keeper.expectEnd(id, /^(SIG)?KILL$|^9$/.test(signal) ? 'killed' : 'signalled');
      await containerParts(this.context).engine.killContainer(id, signal);
    });
  }

  async pause(id: string): Promise<Container> {
    return this.change(id, async (container) => {
      if (container.state === 'paused') return;
      await this.commands.whileNoneBegins(id, () => containerParts(this.context).engine.pauseContainer(id));
    });
  }

  async unpause(id: string): Promise<Container> {
    return this.change(id, async (container) => {
      if (container.state === 'paused') await containerParts(this.context).engine.unpauseContainer(id);
    });
  }

  /** Removes it with its record. Error: `invalid_request` where it runs, unless by force. */
  async remove(id: string, options: { readonly force?: boolean | undefined } = {}): Promise<void> {
    await this.connection.ready();
    const container = this.reachable(id);
    if (isContainerLive(container) && options.force !== true) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `The container "${container.name}" is still running. Stop it first, or remove it by force.`,
      );
    }
    this.keeper.expectEnd(id, 'killed');
    await containerParts(this.context).engine.removeContainer(id);
    this.keeper.forget(id);
  }

  /** Error: `container_not_found`. */
  get(id: string): Container {
    const container = this.find(id);
    if (container !== undefined) return container;
    throw new OrchestratorError('NOT_FOUND', 'container_not_found', `container not found: ${id}`);
  }

  find(id: string): Container | undefined {
    return this.context.state.containers.get(id);
  }

  /** Oldest first, ended ones too. */
  list(filter: ContainerFilter = {}): Container[] {
    const { sessionId, state, labels } = filter;
    return [...this.context.state.containers.values()].filter(
      (container) =>
        (sessionId === undefined || container.sessionId === sessionId) &&
        (state === undefined || container.state === state) &&
        hasLabels(container.config.labels, labels),
    );
  }

  /**
   * Runs a command in it. The sink hears the output, the answer takes the input and tells the exit code; disposing the
   * answer ends the command. It lasts no longer than this core: what a core leaves running, the next one ends.
   */
  async exec(id: string, request: ExecRequest, sink: StreamSink): Promise<EngineExec> {
    await this.connection.ready();
    return this.commands.run(this.reachable(id), request, sink);
  }

  /** Passes on input to one that was made with `openInput`. */
  async write(id: string, data: Uint8Array): Promise<void> {
    await this.connection.ready();
    const container = this.reachable(id);
    if (!container.config.openInput) {
      throw invalidRequest(`The container "${container.name}" was made without an input.`);
    }
    if (!isContainerLive(container)) throw notRunning(container);
    await this.inputs.write(id, data);
  }

  /** Of the terminal that it was made with. */
  async resize(id: string, cols: number, rows: number): Promise<void> {
    checkInteger(cols, 1, 1_000, 'The number of columns');
    checkInteger(rows, 1, 1_000, 'The number of rows');
    await this.connection.ready();
    await containerParts(this.context).engine.resizeContainer(this.reachable(id).id, cols, rows);
  }

  /** Everything that the engine tells of it, values of its environment left out. */
  async inspect(id: string): Promise<unknown> {
    await this.connection.ready();
    return containerParts(this.context).engine.inspectRaw(this.reachable(id).id);
  }

  /** Measured over about a second. */
  async usage(id: string): Promise<ResourceUsage> {
    await this.connection.ready();
    return containerParts(this.context).engine.usage(this.reachable(id).id);
  }

  /** What it uses, about once a second, until the answer is disposed or it ends. */
  async watchUsage(id: string, onUsage: (usage: ResourceUsage) => void): Promise<Disposable> {
    await this.connection.ready();
    const watch = await containerParts(this.context).engine.watchUsage(this.reachable(id).id, onUsage);
    this.disposables.add(watch);
    return toDisposable(() => this.disposables.delete(watch));
  }

  /** Errors: `container_not_found` (also when it is removed meanwhile), `aborted`, `closed`. */
  waitForExit(id: string, signal?: AbortSignal): Promise<ContainerExit> {
    const { log } = this.context;
    const read = (): ContainerExit | undefined => this.get(id).exit;
    return waitFor({ read, changes: log.onDidCommit, closes: log.onDidClose, signal });
  }

  /** Removes what is over the limits of what has ended; done once a minute, too. */
  async tidy(): Promise<void> {
    await this.housekeeper.tidy();
  }

  /** Everything of a session that is being closed. */
  async removeAllOf(sessionId: string): Promise<void> {
    const { containers, state } = this.context;
    const own = this.list({ sessionId });
    // A session that never had a container needs no engine to be closed.
    if (
      containers === undefined ||
      (own.length === 0 && state.engineClaims.size === 0 && !this.isConnected)
    ) {
      return;
    }
    await this.connection.ready();
    await this.warm.removeAllOf(sessionId);
    await Promise.all(
      own.map(async (container) => {
        if (isElsewhere(this.context, container)) this.leave(container);
        else await this.remove(container.id, { force: true });
      }),
    );
    await this.resources.removeAllOf(sessionId);
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private get isConnected(): boolean {
    return this.engine !== undefined;
  }

  /** Errors: `container_not_found`, `container_engine_missing` where another engine has it. */
  private reachable(id: string): Container {
    const container = this.get(id);
    if (!isElsewhere(this.context, container)) return container;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      `The container "${container.name}" is at another engine, ${container.engine?.address ?? ''}. Connect that one to use it.`,
    );
  }

  /** To its engine, which is not connected: once it is, what is there of a closed session is removed. */
  private leave({ id, sessionId, name }: Container): void {
    const scope = { sessionId, containerId: id };
    this.context.log.commit((tx) =>
      tx.report('container.cleanup', scope, {
        kind: 'container',
        name,
        reason: 'session_closed',
        removed: false,
      }),
    );
    this.keeper.forget(id);
  }

  /** One call to the engine for a container, then a look at what has come of it. */
  private async change(id: string, act: (container: Container) => Promise<void>): Promise<Container> {
    await this.connection.ready();
    const container = this.reachable(id);
    await act(container);
    await this.keeper.refresh(id);
    return this.find(id) ?? container;
  }

  private noteFailedStart(id: string, error: OrchestratorError): void {
    // Nobody knows: whoever connects again, or hears of its start, looks at it.
    if (error.code === 'UNAVAILABLE' || error.reason === 'closed') return;
    const { log, clock } = this.context;
    log.commit((tx) => {
      const before = tx.get('container', id);
      if (before === undefined) return;
      const exit = {
        exitCode: null,
        reason: 'start_failed',
        exitedAt: clock.now(),
        error: error.message,
      } as const;
      updateContainer(tx, before, { ...before, exit });
    });
  }
}
