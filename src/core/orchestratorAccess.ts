import type { ContainerAccess } from './containers/containerAccess.ts';
import type { ContainerTaskAccess, SeenContainerTask } from './containerTasks/containerTaskAccess.ts';
import type { OrchestratorEvent } from './events/event.ts';
import type {
  FollowOptions,
  FollowSink,
  SnapshotOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
} from './ports/processHost.ts';
import type { Run, RunRequest } from './runs/run.ts';
import type { StepOutputPiece } from './runs/stepOutput.ts';
import type { CreateSessionRequest, Session } from './sessions/session.ts';
import type { Terminal } from './terminals/terminal.ts';

/**
 * An orchestrator as whoever asks and acts uses it, wherever it is: the one in this process, one behind its gRPC door,
 * or one that sleeps in its files. Every failure is an OrchestratorError.
 */
export interface OrchestratorAccess {
  /** Oldest first, closed ones too. */
  listSessions(): Promise<readonly Session[]>;
  /** Oldest first, ended ones too. */
  listTerminals(): Promise<readonly SeenTerminal[]>;
  /** Oldest first, without their results. @param filter.isLive only those that have not ended */
  listRuns(filter?: { readonly isLive?: boolean }): Promise<readonly SeenRun[]>;

  /** Oldest first, ended ones too. */
  listContainerTasks(): Promise<readonly SeenContainerTask[]>;

  /** What the log holds after a sequence, then what comes where it is followed. Ends with the signal. */
  readEvents(query: EventQuery): AsyncIterable<OrchestratorEvent>;
  /** What a run reports, from its first event to its last. An event may come twice, and then means the same. */
  followRun(run: SeenRun, signal: AbortSignal): AsyncIterable<RunReport>;

  /** What a step printed that is in no terminal, an agent's or a container's, after so many bytes of it. */
  readStepOutput(run: SeenRun, step: number, skip: number): Promise<StepOutputPiece>;

  /** Bytes of the record from `from` on, at most up to `to`; less where it is much. None means that there are no more. */
  readTerminal(id: string, from: number, to: number): Promise<TerminalBytes>;
  /** Of one that has ended too, where its screen can still be drawn. */
  snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot>;
  followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower>;
  /** In the order of the calls. */
  writeTerminal(id: string, data: Uint8Array): Promise<void>;
  resizeTerminal(id: string, cols: number, rows: number): Promise<void>;
  /** Resolves when everything in it has ended. */
  killTerminal(id: string): Promise<void>;
  /** Resolves when the run has ended. Error: `run_not_active`. */
  abortRun(id: string): Promise<void>;
}

/** One that serves its state: it can be given something to do. */
export interface ServingOrchestrator extends OrchestratorAccess {
  readonly containers: ContainerAccess;
  readonly containerTasks: ContainerTaskAccess;
  createSession(request: CreateSessionRequest): Promise<Session>;
  /**
   * Resolves once the run is stored; it goes on by itself. Errors: those of `RunManager.start`.
   * @param environment of this process, which the run gets wherever its orchestrator is
   */
  startRun(request: RunRequest, environment: Readonly<Record<string, string>>): Promise<Run>;
  /** With its result, where it has one. Error: `run_not_found`. */
  getRun(id: string): Promise<Run>;
}

export interface EventQuery {
  /** Only events with a greater sequence. */
  readonly after: number;
  /** Wait for more at the end of the log. */
  readonly follows: boolean;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly signal: AbortSignal;
}

export type RunReport = Pick<OrchestratorEvent, 'time' | 'type' | 'data'>;

/** As it is written down, and whether its process is there now: after a crash the one may lag behind the other. */
export type Seen<T> = T & { readonly isLive: boolean };

export type SeenTerminal = Seen<Omit<Terminal, 'marks'>> & {
  /** Where the machine tells. */
  readonly foregroundProcess?: string | undefined;
};

/** Live as long as it has a worker. */
export type SeenRun = Seen<Omit<Run, 'result'>>;

/** Without what is too long, or nobody's business, in a list. */
export function seenRun({ result: _, request, ...run }: Run, isLive: boolean): SeenRun {
  return { ...run, request: { ...request, env: undefined }, isLive };
}

/** Whether a run's log ends with this event. */
export function isLastRunEvent({ type }: Pick<OrchestratorEvent, 'type'>): boolean {
  // response.failed is followed by `error`, with the same payload.
  return type === 'response.completed' || type === 'error' || type === 'run.removed';
}
