import { join } from 'node:path';
import { openSqliteStoreReadOnly } from '../../adapters/sqlite/sqliteStore.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { type SeenContainerTask, seenContainerTask } from '../../core/containerTasks/containerTaskAccess.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import {
  type EventQuery,
  type OrchestratorAccess,
  type RunReport,
  type SeenRun,
  seenRun,
  type SeenTerminal,
} from '../../core/orchestratorAccess.ts';
import type {
  FollowOptions,
  FollowSink,
  ProcessHost,
  SnapshotOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
} from '../../core/ports/processHost.ts';
import { workerExitedType } from '../../core/ports/processHost.ts';
import type { Store } from '../../core/ports/store.ts';
import { readStepOutput, type StepOutputPiece, type StepOutputPlaces } from '../../core/runs/stepOutput.ts';
import { chunksFrom } from '../../core/tasks/task.ts';
import type { Session } from '../../core/sessions/session.ts';
import { systemCode } from '../../processHost/files.ts';
import { hostPaths } from '../../processHost/paths.ts';
import { listSegments, readSegments, recordEnd } from '../../processHost/recordFiles.ts';
import type { CommandContext } from '../commandContext.ts';
import { statePaths } from '../stateDir.ts';
import { openProcessHost } from './hostClient.ts';
import { storedEvents } from './storedEvents.ts';
import { workerReports } from './workerReports.ts';

/** One answer to a reader. */
const pieceBytes = 256 * 1024;
/** How long a run may take to end after it was asked to; past that its worker is ended by force. */
const abortLimitMs = 10_000;

/**
 * A state directory that no core serves, or none that answers: the database read-only, the records from the disk, and
 * the process host as one more client. Nothing can be started in it.
 */
export class FilesAccess implements OrchestratorAccess, Disposable {
  private readonly stateDir: string;
  /** Undefined where nothing was ever started. */
  private readonly store: Store | undefined;
  /** Undefined where none runs. */
  private readonly host: ProcessHost | undefined;

  private constructor(stateDir: string, store: Store | undefined, host: ProcessHost | undefined) {
    this.stateDir = stateDir;
    this.store = store;
    this.host = host;
  }

  /** Errors: `store_corrupt`, `store_too_new`, those of reaching a process host that runs. */
  static async open({ stateDir, logger }: Pick<CommandContext, 'stateDir' | 'logger'>): Promise<FilesAccess> {
    const store = openSqliteStoreReadOnly(statePaths(stateDir).database);
    const host = openProcessHost(stateDir, logger);
    try {
      if (await host.connectIfRunning()) return new FilesAccess(stateDir, store, host);
    } catch (error) {
      host.dispose();
      store?.dispose();
      throw error;
    }
    host.dispose();
    return new FilesAccess(stateDir, store, undefined);
  }

  /** Whether a process host runs. */
  get hasHost(): boolean {
    return this.host !== undefined;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listSessions(): Promise<Session[]> {
    return this.store?.list('session') ?? [];
  }

  async listTerminals(): Promise<SeenTerminal[]> {
    const statuses = (await this.host?.listTerminals()) ?? [];
    const live = new Map(
      statuses.filter(({ exit }) => exit === undefined).map((status) => [status.id, status]),
    );
    return (this.store?.list('terminal') ?? []).map(({ marks: _, ...terminal }) => ({
      ...terminal,
      isLive: live.has(terminal.id),
      foregroundProcess: live.get(terminal.id)?.foregroundProcess,
    }));
  }

  async listRuns({ isLive = false }: { readonly isLive?: boolean } = {}): Promise<SeenRun[]> {
    const workers = (await this.host?.listWorkers()) ?? [];
    const live = new Set(workers.filter(({ isAlive }) => isAlive).map(({ id }) => id));
    return (this.store?.list('run') ?? [])
      .filter(({ endedAt }) => !isLive || endedAt === undefined)
      .map((run) => seenRun(run, live.has(run.id)));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async listContainerTasks(): Promise<SeenContainerTask[]> {
    const { store } = this;
    return (store?.list('containerTask') ?? []).map((task) =>
      seenContainerTask(task, task.runId === undefined ? undefined : store?.get('run', task.runId)),
    );
  }

  async *readEvents(query: EventQuery): AsyncGenerator<OrchestratorEvent, void, undefined> {
    if (this.store !== undefined) yield* storedEvents(this.store, query);
  }

  async *followRun(run: SeenRun, signal: AbortSignal): AsyncGenerator<RunReport, void, undefined> {
    const { store, host } = this;
    if (store === undefined) return;
    if (run.isLive && host !== undefined) yield* workerReports(host, store, run.id, signal);
    // One that waits for its turn has no worker yet, but a core that will give it one. Any other has ended.
    else yield* storedEvents(store, { after: 0, runId: run.id, follows: run.status === 'queued', signal });
  }

  /** Of a container only with a core: its record has one reader. */
  async readStepOutput(run: SeenRun, step: number, skip: number): Promise<StepOutputPiece> {
    const containerId = run.steps[0]?.containerOutput?.containerId ?? run.taskReport?.containerId;
    if (containerId !== undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `What this run printed is in its container: orchestrator containers logs ${containerId.slice(0, 12)}`,
      );
    }
    const { store } = this;
    const places: StepOutputPlaces = {
      terminals: { read: (id, from, to) => this.readTerminal(id, from, to) },
      tasks: {
        find: () => undefined,
        readOutput: (id, from) =>
          chunksFrom(store?.readTaskChunks(id, 'output', from, pieceBytes) ?? [], from),
      },
      events: { read: (filter) => store?.readEvents(filter) ?? [] },
      containers: undefined,
    };
    return await readStepOutput(places, run, { step, skip, maxBytes: pieceBytes });
  }

  /** Straight from the disk: no process is needed, and none is disturbed. Error: `record_dropped`. */
  // eslint-disable-next-line @typescript-eslint/require-await -- as every access answers
  async readTerminal(id: string, from: number, to: number): Promise<TerminalBytes> {
    const folder = join(hostPaths(this.stateDir).terminals, id);
    const segments = segmentsOf(folder, id);
    const end = recordEnd(segments);
    const until = Math.min(to, end);
    if (from >= until) return { from: Math.min(from, end), data: new Uint8Array(), end };
    const piece = readSegments(folder, segments, from, Math.min(pieceBytes, until - from));
    const start = Math.min(piece.from, to);
    return { from: start, data: piece.data.subarray(0, Math.max(0, to - start)), end };
  }

  snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot> {
    return this.livingHost(
      'so no terminal has a screen. Leave --screen out to read its output',
    ).snapshotTerminal(id, options);
  }

  followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    return this.livingHost('so no terminal goes on').followTerminal(id, options, sink);
  }

  writeTerminal(id: string, data: Uint8Array): Promise<void> {
    return this.livingHost('so no terminal goes on').writeTerminal(id, data);
  }

  resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    return this.livingHost('so no terminal goes on').resizeTerminal(id, cols, rows);
  }

  killTerminal(id: string): Promise<void> {
    return this.livingHost('so no terminal goes on').killTerminal(id);
  }

  /** Asks the worker to end the run. Whoever serves the directory, or will, hears of it like of any end. */
  async abortRun(id: string): Promise<void> {
    const { host } = this;
    const run = (await this.listRuns({ isLive: true })).find((candidate) => candidate.id === id);
    if (host === undefined || run?.isLive !== true) throw this.notAbortable(id, run);
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    const subscription = host.onDidReceiveWorkerEvent((event) => {
      if (event.workerId === id && event.type === workerExitedType) resolve();
    });
    const limit = setTimeout(() => {
      void host.killWorker(id, { graceMs: 0 }).then(resolve, resolve);
    }, abortLimitMs);
    try {
      await host.commandWorker(id, { type: 'abort', data: { reason: 'orchestrator kill' } });
      // From its last event on: what it said before is the core's business.
      const worker = (await host.listWorkers()).find((candidate) => candidate.id === id);
      if (worker?.isAlive !== true) return;
      await host.followWorker(id, worker.lastSequence);
      await exited;
    } finally {
      clearTimeout(limit);
      subscription.dispose();
    }
  }

  dispose(): void {
    this.host?.dispose();
    this.store?.dispose();
  }

  private livingHost(consequence: string): ProcessHost {
    if (this.host !== undefined) return this.host;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'terminal_ended',
      `No process host runs for this state directory, ${consequence}.`,
    );
  }

  private notAbortable(id: string, run: SeenRun | undefined): OrchestratorError {
    return new OrchestratorError(
      'FAILED_PRECONDITION',
      'run_not_active',
      run?.status === 'queued'
        ? `Run ${id} waits for its turn; only who serves ${this.stateDir} can take it out of the queue.`
        : `Run ${id} is not going on any more; the next orchestrator serve will write down how it ended.`,
    );
  }
}

function segmentsOf(folder: string, terminalId: string): ReturnType<typeof listSegments> {
  try {
    return listSegments(folder);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new OrchestratorError(
      'NOT_FOUND',
      'record_dropped',
      `The output of terminal ${terminalId} is not kept any more.`,
      { details: { id: terminalId } },
    );
  }
}
