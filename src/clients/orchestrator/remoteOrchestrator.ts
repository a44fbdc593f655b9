import { setTimeout as delay } from 'node:timers/promises';
import { toDisposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { RunFilter } from '../../core/ports/store.ts';
import { isRunEnded, type Run } from '../../core/runs/run.ts';
import { previewClose } from '../../core/sessions/closePreview.ts';
import { isSessionOpen } from '../../core/sessions/session.ts';
import { RunServiceDefinition } from '../../protocol/gen/run/v1/run.ts';
import { SessionServiceDefinition } from '../../protocol/gen/session/v1/session.ts';
import { SpawnTerminalRequest, TerminalServiceDefinition } from '../../protocol/gen/terminal/v1/terminal.ts';
import { GrpcClient, type GrpcClientConfig } from '../grpc/grpcClient.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { LastingFollower } from './lastingFollower.ts';
import { activeRuns, Mirror, newestFirst } from './mirror.ts';
import { RemoteAccess } from './remoteAccess.ts';
import type { RemoteConnection } from './remoteConnection.ts';
import { runOf, runRequestMessage } from './runRecords.ts';
import { sessionOf } from './sessionRecords.ts';
import { terminalOf } from './terminalRecords.ts';
import { present } from './values.ts';

/** Closing a session ends all that runs in it. */
const closeLimitMs = 60_000;
const spawnLimitMs = 30_000;

export interface RemoteOrchestratorOptions {
  /** Path of a socket, `host:port`, or the URL of a daemon. */
  readonly address: string;
  readonly config?: Partial<GrpcClientConfig>;
  /** Time between attempts to connect, in milliseconds; default 2,000. */
  readonly reconnectIntervalMs?: number;
  readonly logger: Logger;
}

/**
 * Another orchestrator, mirrored: what it has is at hand, and what is done is done there. Connects by itself until it
 * is disposed; while it is not connected, what was last seen stays, and calls fail with `closed`.
 */
export class RemoteOrchestrator implements LiveOrchestrator {
  readonly sessions: LiveOrchestrator['sessions'];
  readonly terminals: LiveOrchestrator['terminals'];
  readonly runs: LiveOrchestrator['runs'];
  readonly events: LiveOrchestrator['events'];
  readonly terminalSessions: LiveOrchestrator['terminalSessions'];
  private readonly options: RemoteOrchestratorOptions;
  private readonly client: GrpcClient;
  private readonly access: RemoteAccess;
  private readonly terminalService: RpcClient<typeof TerminalServiceDefinition>;
  private readonly runService: RpcClient<typeof RunServiceDefinition>;
  private readonly sessionService: RpcClient<typeof SessionServiceDefinition>;
  private readonly mirror = new Mirror();
  private readonly changed = new Emitter<RemoteConnection>();
  private readonly stop = new AbortController();
  private _connection: RemoteConnection = 'connecting';
  private _lastError: OrchestratorError | undefined;

  readonly onDidChangeConnection = this.changed.event;

  constructor(options: RemoteOrchestratorOptions) {
    this.options = options;
    const { address, config, reconnectIntervalMs = 2_000 } = options;
    this.client = new GrpcClient(address, { dialTimeoutMs: 5_000, ...config, reconnectIntervalMs });
    this.access = new RemoteAccess(this.client);
    this.sessionService = this.client.service(SessionServiceDefinition);
    this.terminalService = this.client.service(TerminalServiceDefinition);
    this.runService = this.client.service(RunServiceDefinition);
    this.sessions = this.createSessions();
    this.terminals = this.createTerminals();
    this.runs = this.createRuns();
    this.events = { onDidAppend: this.mirror.onDidAppend };
    this.terminalSessions = { getTerminalMetrics: (id) => this.metrics(id) };
    void this.keepConnected(reconnectIntervalMs);
  }

  get connection(): RemoteConnection {
    return this._connection;
  }

  /** Why it is not connected. */
  get lastError(): OrchestratorError | undefined {
    return this._lastError;
  }

  async foregroundPrograms(): Promise<ReadonlyMap<string, string>> {
    if (this._connection !== 'connected') return new Map();
    return new Map(Object.entries((await this.terminalService.listForegroundPrograms({})).programs));
  }

  dispose(): void {
    this.stop.abort();
    this.access.dispose();
    this.changed.dispose();
    this.mirror.dispose();
  }

  private async keepConnected(intervalMs: number): Promise<void> {
    const { signal } = this.stop;
    const services = {
      sessions: this.sessionService,
      terminals: this.terminalService,
      runs: this.runService,
    };
    let isDialled = false;
    for (;;) {
      try {
        if (!isDialled) await this.client.dial();
        isDialled = true;
        await this.mirror.follow(services, signal, () => this.setConnection('connected'));
      } catch (error) {
        this._lastError = this.client.connectionError ?? OrchestratorError.from(error);
        this.options.logger.debug(`the orchestrator at ${this.options.address} is out of reach`, error);
      }
      if (signal.aborted) return;
      this.setConnection('disconnected');
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private setConnection(connection: RemoteConnection): void {
    if (connection === this._connection) return;
    this._connection = connection;
    if (connection === 'connected') this._lastError = undefined;
    this.changed.fire(connection);
  }

  private createSessions(): LiveOrchestrator['sessions'] {
    const { mirror, access } = this;
    const { sessions } = mirror;
    const list: LiveOrchestrator['sessions']['list'] = (filter) =>
      [...sessions.values()].filter(({ state }) => filter?.includeClosed === true || state !== 'closed');
    const create: LiveOrchestrator['sessions']['create'] = async (request) =>
      mirror.putSession(await access.createSession(request));
    return {
      list,
      find: (id) => sessions.get(id),
      create,
      rename: async (sessionId, name) => {
        const { session } = await this.sessionService.renameSession({ sessionId, name });
        return mirror.putSession(sessionOf(present(session, 'session')));
      },
      closePreview: (id) => previewClose(id, mirror.terminals.values(), activeRuns(mirror.runs.values())),
      close: async (sessionId, reason = '') => {
        const request = { sessionId, reason };
        const { session } = await this.sessionService.closeSession(request, { timeoutMs: closeLimitMs });
        mirror.putSession(sessionOf(present(session, 'session')));
      },
      ensureDefault: async (cwd) =>
        list().find((session) => session.cwd === cwd && isSessionOpen(session)) ?? create({ cwd }),
    };
  }

  private createTerminals(): LiveOrchestrator['terminals'] {
    const { mirror, access } = this;
    const { terminals } = mirror;
    const service = this.terminalService;
    return {
      list: (filter) =>
        [...terminals.values()].filter(
          ({ sessionId }) => filter?.sessionId === undefined || sessionId === filter.sessionId,
        ),
      find: (id) => terminals.get(id),
      get: (id) => terminals.get(id) ?? notFound('terminal', id),
      spawn: async ({ sessionId = '', name = '', shell = '', cwd = '', cols = 0, rows = 0 }) => {
        const request = SpawnTerminalRequest.fromPartial({ sessionId, name, shell, cwd, cols, rows });
        const { terminal } = await service.spawnTerminal(request, { timeoutMs: spawnLimitMs });
        return mirror.putTerminal(terminalOf(present(terminal, 'terminal')));
      },
      write: (id, data) => access.writeTerminal(id, typeof data === 'string' ? Buffer.from(data) : data),
      resize: (id, cols, rows) => access.resizeTerminal(id, cols, rows),
      rename: async (terminalId, name) => {
        const { terminal } = await service.renameTerminal({ terminalId, name });
        return mirror.putTerminal(terminalOf(present(terminal, 'terminal')));
      },
      kill: (id) => access.killTerminal(id),
      remove: async (terminalId) => {
        await service.removeTerminal({ terminalId });
        mirror.removeTerminal(terminalId);
      },
      snapshot: (id, options) => access.snapshotTerminal(id, options),
      read: (id, from, to) => access.readTerminal(id, from, to),
      // Its own orchestrator holds what is attached over the wire.
      hold: () => toDisposable(() => undefined),
      follow: (id, options, sink) =>
        LastingFollower.start(
          (from, inner) => access.followTerminal(id, { ...options, from }, inner),
          this.onDidChangeConnection,
          options.from,
          sink,
        ),
    };
  }

  private createRuns(): LiveOrchestrator['runs'] {
    const { mirror, access } = this;
    const { runs } = mirror;
    const service = this.runService;
    return {
      active: () => activeRuns(runs.values()),
      list: (filter) => listRuns(runs.values(), filter),
      find: (id) => runs.get(id),
      get: (id) => runs.get(id) ?? notFound('run', id),
      start: async (request) => {
        const { run } = await service.startRun({ request: runRequestMessage(request) });
        return mirror.putRun(runOf(present(run, 'run')));
      },
      abort: async (runId) => {
        await service.abortRun({ runId });
      },
      retry: async (runId, options) => {
        const { run } = await service.retryRun({ runId, fromStep: options?.fromStep ?? 0 });
        return mirror.putRun(runOf(present(run, 'run')));
      },
      remove: async (runId) => {
        await service.removeRun({ runId });
        mirror.removeRun(runId);
      },
      waitForEnd: async (runId, signal) => {
        await service.getRunResult({ runId, waits: true }, { signal, timeoutMs: 0 });
        return mirror.putRun(await access.getRun(runId));
      },
      onDidChange: mirror.onDidChangeRun,
    };
  }

  private async metrics(
    terminalId: string,
  ): ReturnType<LiveOrchestrator['terminalSessions']['getTerminalMetrics']> {
    const {
      readBytes = null,
      writtenBytes = null,
      ...metrics
    } = await this.terminalService.getMetrics({
      terminalId,
    });
    return { ...metrics, readBytes, writtenBytes };
  }
}

/** As `RunManager.list` does it, over the runs that are mirrored. */
function listRuns(runs: Iterable<Run>, filter: Partial<RunFilter> = {}): Run[] {
  const { limit = 100, before, sessionId, search, isLive } = filter;
  const text = search?.toLowerCase();
  return newestFirst(runs)
    .filter(
      (run) =>
        (before === undefined || run.id < before) &&
        (sessionId === undefined || run.sessionId === sessionId) &&
        (text === undefined || run.request.task.toLowerCase().includes(text)) &&
        (isLive !== true || !isRunEnded(run)),
    )
    .slice(0, limit);
}

function notFound(kind: 'terminal' | 'run', id: string): never {
  throw new OrchestratorError('NOT_FOUND', `${kind}_not_found`, `There is no ${kind} ${id} there any more.`);
}
