import type { StreamFrame } from '../../protocol/daemon/frames.ts';
import type { DaemonRequestOf, ExecutePayload, SpawnPayload } from '../../protocol/daemon/requests.ts';
import type { DaemonRun, DaemonSession, DaemonStatus } from '../../protocol/daemon/shapes.ts';
import type { Caller } from '../access/caller.ts';
import type { AcceptClient } from '../daemon/clientLink.ts';

/**
 * The daemon as its HTTP routes use it: the same logic as that behind the WebSocket. Scopes have been checked by
 * whoever calls. Every failure is an OrchestratorError.
 */
export interface DaemonApi {
  /** True at this moment, of each subsystem. */
  status(): Promise<DaemonStatus>;
  listSessions(query: SessionQuery): Promise<SessionPage>;
  /** One that has ended too, while it is kept. Error: `session_not_found`. */
  getSession(id: string): Promise<DaemonSession>;
  /**
   * As `spawn_session`: a session of its type whose task has been started, or none at all. The same key of the same
   * caller gets the same session again.
   */
  spawn(payload: SpawnPayload, request: RequestContext): Promise<DaemonSession>;
  /** A session of its type without a task. Errors: as with `spawn`. */
  createSession(payload: NewSession, request: RequestContext): Promise<DaemonSession>;
  /** As `execute_task`. Errors: `session_not_found`, `session_closed`, those of starting a run. */
  execute(payload: ExecutePayload, request: RequestContext): Promise<StartedTask>;
  /** As `stop_session`: everything in it has ended; one that had ended before is told as it is. */
  stop(id: string): Promise<DaemonSession>;
  /** Errors: `session_not_found`, `session_closed`, `invalid_request`. */
  update(id: string, change: SessionChange): Promise<DaemonSession>;
  /** Its tasks, the newest first. Error: `session_not_found`. */
  listRuns(query: RunQuery): Promise<RunPage>;
  /** The stream, for a client that only listens: an SSE connection is one more client. */
  readonly accept: AcceptClient;
  /** The stream up to now, for those who poll. Errors: as with `resume`. */
  readFrames(query: FrameQuery): Promise<FramePage>;
}

type ListPayload<T extends 'list_sessions' | 'list_runs'> = NonNullable<DaemonRequestOf<T>['payload']>;
export type SessionQuery = ListPayload<'list_sessions'>;
export type RunQuery = ListPayload<'list_runs'>;

export type NewSession = Omit<SpawnPayload, 'task' | 'timeoutMs'> & {
  /** Milliseconds from its creation until it is closed; as the core has it when missing. */
  readonly maxDurationMs?: number | undefined;
};

export interface SessionChange {
  readonly name?: string | undefined;
  /** Milliseconds from now at the earliest at which its longest duration ends: `SessionManager.extend`. */
  readonly extendMs?: number | undefined;
}

export interface RequestContext {
  readonly caller: Caller;
  /** From `Idempotency-Key`: with the caller's name, the same as a `requestId`. */
  readonly requestId?: string | undefined;
}

export interface SessionPage {
  readonly sessions: readonly DaemonSession[];
  /** Of all pages. */
  readonly total: number;
  readonly nextCursor?: string | undefined;
}

export interface RunPage {
  readonly runs: readonly DaemonRun[];
  readonly nextCursor?: string | undefined;
}

export interface StartedTask {
  readonly sessionId: string;
  readonly taskId: string;
  /** From 1, while it waits for its turn. */
  readonly queuePosition?: number | undefined;
}

export interface FrameQuery {
  /** Behind this place of the stream; without it, behind `sinceMs`. */
  readonly after?: { readonly seq: number; readonly part?: number | undefined } | undefined;
  /** Only of events at or after this time, in milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
  /** As with `subscribe`; `*` for all. */
  readonly sessionIds: readonly string[];
  readonly topics: readonly string[];
  /** At most so many frames, the oldest first. */
  readonly limit: number;
}

export interface FramePage {
  readonly frames: readonly StreamFrame[];
  /** Where to go on: the last frame's place, or the end of the log where there is no more. */
  readonly next: { readonly seq: number; readonly part?: number | undefined };
  readonly hasMore: boolean;
}
