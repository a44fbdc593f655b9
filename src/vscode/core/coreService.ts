import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { systemIds } from '../../base/ids.ts';
import type { Logger } from '../../base/logger.ts';
import type { TasksAtQuit } from '../../core/containerTasks/containerTaskManager.ts';
import { defaultLimits, type OrchestratorLimits } from '../../core/limits.ts';
import { Orchestrator } from '../../core/orchestrator.ts';
import type { Models } from '../../core/ports/models.ts';
import { openSqliteStore } from '../../adapters/sqlite/sqliteStore.ts';
import { createTaskPlaces } from '../../adapters/containerTasks/taskPlaces.ts';
import { createContainerParts } from '../../adapters/containerParts.ts';
import { createProcessMetrics } from '../../adapters/system/processMetrics.ts';
import { createShellFolder } from '../../adapters/system/shellFolder.ts';
import { createSystemEnvironment } from '../../adapters/system/systemEnvironment.ts';
import { createToolParts } from '../../adapters/toolParts.ts';
import type { RunBackends } from '../../core/ports/runBackends.ts';
import type { SecretStore } from '../../core/ports/secretStore.ts';
import type { ToolServers } from '../../core/ports/toolParts.ts';
import { createProcessHostClient } from '../../processHost/client.ts';
import {
  type CoreEndpoints,
  type CoreHolder,
  readCoreHolder,
  removeCoreHolder,
  writeCoreHolder,
} from '../../processHost/coreHolder.ts';
import { ensurePrivateDir } from '../../processHost/paths.ts';
import { acquireStateLock } from '../../processHost/stateLock.ts';
import type { DaemonControl } from '../daemon/daemonControl.ts';
import { chatModels } from '../models/chatModels.ts';
import { type GrpcDoor, openGrpcDoorSoon } from './grpcDoor.ts';
import { claimState } from './stateClaim.ts';
import { requestYield, serveYield, yieldSocketPath } from './yieldSocket.ts';

export type CoreState =
  /** Nothing was asked for yet. */
  | { readonly word: 'off' }
  | { readonly word: 'untrusted' }
  | { readonly word: 'starting' }
  | { readonly word: 'ready'; readonly orchestrator: Orchestrator }
  | { readonly word: 'inUse'; readonly holder: CoreHolder | undefined }
  | { readonly word: 'broken'; readonly error: OrchestratorError };

export interface CoreServiceOptions {
  readonly stateDir: string;
  /** The extension's `dist`. */
  readonly distDir: string;
  readonly version: string;
  /** What this window is called in messages of others. */
  readonly label: string;
  /** As they are set now; those of a core that runs are changed by its `setLimits`. */
  readonly limits: () => Partial<OrchestratorLimits>;
  /** Interactive shells are made to print marks around commands. */
  readonly isShellIntegrated: boolean;
  /** Where things start when nothing says otherwise. */
  readonly defaultDirectory: () => string;
  /** The container engine's address that the person has set; empty where none is. */
  readonly engineAddress: () => string;
  /** The MCP servers that the person has configured; made for one core, which disposes of it. */
  readonly toolServers: () => ToolServers;
  /** Where sign-ins are kept. */
  readonly secrets: SecretStore;
  /** The core answers gRPC on a socket beside its state. */
  readonly servesGrpc: boolean;
  readonly models: Models;
  /** Where runs can be sent to. */
  readonly backends: RunBackends;
  /** Serves the core that runs, while a person wants it to. */
  readonly daemon: DaemonControl;
  /** Of this window: commands in or below them are meant for its core. */
  readonly folders: readonly string[];
  /** What becomes of running container tasks when the core closes. */
  readonly containerTasksAtQuit: TasksAtQuit;
  readonly logger: Logger;
  readonly isTrusted: () => boolean;
  /** A round trip to the window: never settles when nobody sees it any more. */
  readonly reachWindow: () => Promise<void>;
}

/** How long a window may take to answer before it counts as gone. */
const windowAnswerMs = 1_000;
const yieldAnswerMs = 6_000;
const waitForFreeStateMs = 2_000;

/** The one core of this window: started on demand, given up to another window, never killing what it started. */
export class CoreService implements Disposable {
  private _state: CoreState = { word: 'off' };
  private readonly options: CoreServiceOptions;
  private readonly changed = new Emitter<CoreState>();
  private readonly recovered = new Emitter<string>();
  private running:
    | {
        readonly orchestrator: Orchestrator;
        readonly resources: DisposableStore;
        readonly doors: readonly GrpcDoor[];
      }
    | undefined;
  private starting: Promise<Orchestrator> | undefined;
  private waiting: Disposable | undefined;
  private isDisposed = false;

  readonly onDidChangeState = this.changed.event;
  /** The database was broken and set aside: the path where it lies now. */
  readonly onDidRecoverStore = this.recovered.event;

  constructor(options: CoreServiceOptions) {
    this.options = options;
    if (!options.isTrusted()) this._state = { word: 'untrusted' };
  }

  get state(): CoreState {
    return this._state;
  }

  get stateDir(): string {
    return this.options.stateDir;
  }

  get orchestrator(): Orchestrator | undefined {
    return this._state.word === 'ready' ? this._state.orchestrator : undefined;
  }

  /** The core, started if it does not run. Fails with `workspace_untrusted`, `state_in_use`, or why it is broken. */
  async ensureReady(): Promise<Orchestrator> {
    if (this._state.word === 'ready') return this._state.orchestrator;
    if (this._state.word === 'inUse') throw inUseError(this._state.holder);
    return await this.start(false);
  }

  /** Makes the window that serves this state let go, and goes on here. A person has confirmed it. */
  takeOver(): Promise<Orchestrator> {
    return this.start(true);
  }

  /** The workspace became trusted. */
  noteTrust(): void {
    if (this._state.word === 'untrusted') this.setState({ word: 'off' });
  }

  private async start(isForced: boolean): Promise<Orchestrator> {
    if (this.starting === undefined) {
      this.starting = this.startOnce(isForced).finally(() => {
        this.starting = undefined;
      });
    }
    return await this.starting;
  }

  private async startOnce(isForced: boolean): Promise<Orchestrator> {
    const { options } = this;
    if (!options.isTrusted()) {
      this.setState({ word: 'untrusted' });
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'workspace_untrusted',
        'This workspace is not trusted, so nothing is started here.',
      );
    }
    this.waiting?.dispose();
    this.setState({ word: 'starting' });
    const startedAt = performance.now();
    try {
      ensurePrivateDir(options.stateDir);
      const claim = await claimState({
        tryLock: () => acquireStateLock(join(options.stateDir, 'core.lock')),
        readHolder: () => readCoreHolder(options.stateDir),
        requestYield: (holder, isForcedNow) =>
          requestYield(holder.yieldSocket ?? '', holder.yieldToken ?? '', isForcedNow, yieldAnswerMs),
        isForced,
      });
      if (claim.kind === 'inUse') {
        this.setState({ word: 'inUse', holder: claim.holder });
        this.waitForFreeState();
        throw inUseError(claim.holder);
      }
      const orchestrator = await this.build(claim.lock);
      options.logger.info(
        `core ready in ${Math.round(performance.now() - startedAt)} ms, state in ${options.stateDir}`,
      );
      this.setState({ word: 'ready', orchestrator });
      return orchestrator;
    } catch (error) {
      const known = OrchestratorError.from(error);
      if (known.reason !== 'state_in_use') {
        options.logger.error(`the core did not start: ${known.message}`, error);
        this.setState({ word: 'broken', error: known });
      }
      throw known;
    }
  }

  /** Everything that a serving core owns, with the lock as the last to go. */
  private async build(lock: Disposable): Promise<Orchestrator> {
    const { stateDir, distDir, version, limits, logger } = this.options;
    const resources = new DisposableStore();
    resources.add(lock);
    try {
      const opened = openSqliteStore(join(stateDir, 'orchestrator.db'));
      resources.add(opened.store);
      const processHost = resources.add(createProcessHostClient({ stateDir, distDir, version, logger }));
      const orchestrator = new Orchestrator({
        store: opened.store,
        processHost,
        environment: createSystemEnvironment({ version, defaultDirectory: this.options.defaultDirectory }),
        shellFiles: this.options.isShellIntegrated ? createShellFolder(join(stateDir, 'shell')) : undefined,
        processMetrics: createProcessMetrics(),
        containerTaskPlaces: createTaskPlaces(stateDir),
        containerTasksAtQuit: this.options.containerTasksAtQuit,
        containers: resources.add(
          createContainerParts({
            stateDir,
            ids: systemIds,
            logger,
            address: this.options.engineAddress,
            recordLimitBytes: limits().recordLimitBytes ?? defaultLimits.recordLimitBytes,
          }),
        ),
        tools: createToolParts({
          servers: resources.add(this.options.toolServers()),
          secrets: this.options.secrets,
          cwd: this.options.defaultDirectory,
          clock: systemClock,
          logger,
        }),
        models: this.options.models,
        windowModels: chatModels,
        backends: this.options.backends,
        clock: systemClock,
        ids: systemIds,
        logger,
        limits: limits(),
      });
      const server = resources.add(
        await serveYield(yieldSocketPath(stateDir), (isForced) => this.letGo(isForced), logger),
      );
      const startedAt = Date.now();
      let endpoints: CoreEndpoints = {};
      const announce = (more: CoreEndpoints): void => {
        endpoints = { ...endpoints, ...more };
        writeCoreHolder(stateDir, {
          label: this.options.label,
          kind: 'vscode',
          startedAt,
          version,
          folders: [...this.options.folders],
          ...endpoints,
          yieldSocket: server.socket,
          yieldToken: server.token,
        });
      };
      announce({ grpc: { state: this.options.servesGrpc ? 'opening' : 'off' } });
      await orchestrator.start();
      if (this.isDisposed) throw new OrchestratorError('CANCELLED', 'closed', 'The window is closing.');
      const { servesGrpc, daemon } = this.options;
      const announceGrpc = (grpc: CoreEndpoints['grpc']): void => announce({ grpc });
      const doors = [
        ...(servesGrpc
          ? [openGrpcDoorSoon({ orchestrator, stateDir, version, logger, announce: announceGrpc })]
          : []),
        daemon.attach({ orchestrator, stateDir, version, announce }),
      ];
      this.running = { orchestrator, resources, doors };
      if (opened.recoveredFrom !== undefined) this.recovered.fire(opened.recoveredFrom);
      return orchestrator;
    } catch (error) {
      resources.dispose();
      throw error;
    }
  }

  /** Answers another window: whether the state is free now. */
  private async letGo(isForced: boolean): Promise<boolean> {
    if (!isForced && (await this.isWindowThere())) return false;
    this.options.logger.info(
      isForced ? 'another window takes over' : 'this window is gone: its successor takes over',
    );
    await this.stop();
    this.setState({ word: 'inUse', holder: undefined });
    this.waitForFreeState();
    return true;
  }

  private async isWindowThere(): Promise<boolean> {
    return await Promise.race([
      this.options.reachWindow().then(
        () => true,
        () => false,
      ),
      new Promise<boolean>((resolve) => {
        setTimeout(() => resolve(false), windowAnswerMs);
      }),
    ]);
  }

  /** Goes on by itself once the other one is closed, unless nobody sees this window. */
  private waitForFreeState(): void {
    const path = join(this.options.stateDir, 'core.lock');
    let isOver = false;
    const timer = setInterval(() => void attempt(), waitForFreeStateMs);
    const waiting = {
      dispose() {
        isOver = true;
        clearInterval(timer);
      },
    };
    this.waiting?.dispose();
    this.waiting = waiting;
    let isBusy = false;
    const attempt = async (): Promise<void> => {
      if (isBusy) return;
      isBusy = true;
      try {
        // Unsettled while the window is gone, and with it every later attempt.
        await this.options.reachWindow();
        if (isOver) return;
        const lock = acquireStateLock(path);
        if (lock === undefined) return;
        lock.dispose();
        await this.start(false);
      } catch (error) {
        this.options.logger.debug('the state is not free yet', error);
      } finally {
        isBusy = false;
      }
    };
  }

  private async stop(): Promise<void> {
    const { running } = this;
    if (running === undefined) return;
    this.running = undefined;
    try {
      await Promise.all(running.doors.map((door) => door.close()));
      await running.orchestrator.close();
      removeCoreHolder(this.options.stateDir);
    } catch (error) {
      this.options.logger.warn('the core did not close cleanly', error);
    } finally {
      running.resources.dispose();
    }
  }

  /** Detaches and frees the lock. Terminals and runs go on. */
  async close(): Promise<void> {
    this.isDisposed = true;
    this.waiting?.dispose();
    await this.stop();
  }

  dispose(): void {
    void this.close();
    this.changed.dispose();
    this.recovered.dispose();
  }

  private setState(state: CoreState): void {
    this._state = state;
    this.changed.fire(state);
  }
}

function inUseError(holder: CoreHolder | undefined): OrchestratorError {
  const who =
    holder === undefined || holder.kind === 'vscode'
      ? 'another window'
      : `\`orchestrator ${holder.kind}\` (pid ${holder.pid})`;
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'state_in_use',
    `The sessions of this workspace are served by ${who}. Close it, or take over.`,
  );
}
