import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { DaemonStatus, Subsystem } from '../../protocol/daemon/shapes.ts';
import { isoDate } from './words.ts';

/** A subsystem as it is; when it was looked at is added. */
export type SubsystemState = Omit<Subsystem, 'lastCheck'>;

export interface DaemonStatusOptions {
  readonly orchestrator: Orchestrator;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly now: () => number;
  /** Those that whoever opens the doors knows: `websocket`, `http`, `grpc`. */
  readonly subsystems?: (() => Readonly<Record<string, SubsystemState>>) | undefined;
  readonly connections?: (() => DaemonStatus['connections']) | undefined;
  readonly limits?: (() => DaemonStatus['limits']) | undefined;
}

export interface DaemonStatusSource extends Disposable {
  read(): DaemonStatus;
}

/** Failures of the store, which every commit needs. */
const storeFailures: ReadonlySet<string> = new Set(['disk_full', 'store_corrupt']);

/** The daemon's status, each figure looked up when it is asked for. */
export function createDaemonStatus(options: DaemonStatusOptions): DaemonStatusSource {
  const { orchestrator, version, startedAt, now } = options;
  const disposables = new DisposableStore();
  let storeFailure: OrchestratorError | undefined;
  disposables.add(
    orchestrator.onDidFail((error) => {
      if (storeFailures.has(error.reason)) storeFailure = error;
    }),
  );
  disposables.add(orchestrator.events.onDidCommit(() => (storeFailure = undefined)));
  const readCpu = cpuMeter(now);
  const subsystems = (): Record<string, SubsystemState> => {
    const log: SubsystemState =
      storeFailure === undefined
        ? { status: 'running', detail: `${orchestrator.events.lastSequence} events` }
        : { status: 'error', errors: [storeFailure.message] };
    return {
      ...options.subsystems?.(),
      sessionManager: orchestrator.isReady
        ? { status: 'running' }
        : { status: 'degraded', detail: 'The orchestrator is still taking up what former ones left.' },
      memoryManager: { ...log, detail: "A session's memory is the event log." },
      eventLog: log,
      runs: processHostState(orchestrator),
      containers: containerState(orchestrator),
      agentRegistry: { status: 'running', detail: `${orchestrator.agents.list().length} agents` },
      streamHandler: { status: 'running' },
      llmClient: { status: 'stopped', detail: 'No model is connected to the daemon itself.' },
    };
  };
  return {
    read() {
      const time = now();
      const lastCheck = isoDate(time);
      const states = subsystems();
      const isDegraded = Object.values(states).some(
        ({ status }) => status === 'degraded' || status === 'error',
      );
      const figures = orchestrator.statistics();
      const { totalRunsEnded, totalRunsSucceeded } = figures;
      const connections = options.connections?.();
      const limits = options.limits?.();
      return {
        status: isDegraded ? 'degraded' : 'running',
        uptime: Math.max(0, time - startedAt),
        activeSessions: figures.activeSessions,
        queuedTasks: figures.queuedRuns,
        metrics: {
          totalSessionsSpawned: figures.totalSessions,
          totalTasksProcessed: totalRunsEnded,
          totalTokensUsed: figures.totalTokens,
          averageSessionDuration: Math.round(figures.averageRunMs),
          activeSessions: figures.activeSessions,
          successRate: totalRunsEnded === 0 ? 1 : totalRunsSucceeded / totalRunsEnded,
        },
        subsystems: Object.fromEntries(
          Object.entries(states).map(([name, state]) => [name, { ...state, lastCheck }]),
        ),
        process: {
          pid: process.pid,
          version,
          rssBytes: process.memoryUsage.rss(),
          cpuPercent: readCpu(),
        },
        ...(connections === undefined ? {} : { connections }),
        ...(limits === undefined ? {} : { limits }),
      };
    },
    dispose: () => disposables.dispose(),
  };
}

/** What runs and terminals need. It is started with the first of them: not to run is no fault. */
function processHostState({ processHost: { connection } }: Orchestrator): SubsystemState {
  switch (connection.state) {
    case 'connected':
      return { status: 'running', detail: 'The process host is connected.' };
    case 'connecting':
      return { status: 'degraded', detail: 'The process host is being connected.' };
    default:
      return { status: 'running', detail: 'The process host starts with the first task.' };
  }
}

function containerState({ containers: { engine } }: Orchestrator): SubsystemState {
  return engine === undefined
    ? { status: 'stopped', detail: 'No container engine is connected; the first container looks for one.' }
    : { status: 'running', detail: `${engine.kind} ${engine.version}` };
}

/** @returns percent of one processor since it was called before; 0 the first time. */
function cpuMeter(now: () => number): () => number {
  let last = { time: now(), usage: process.cpuUsage() };
  return () => {
    const elapsedMs = now() - last.time;
    if (elapsedMs <= 0) return 0;
    const { user, system } = process.cpuUsage(last.usage);
    last = { time: now(), usage: process.cpuUsage() };
    return Math.round((user + system) / 10 / elapsedMs);
  };
}
