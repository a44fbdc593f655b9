import type { DaemonRun, DaemonSession, DaemonStatus, DaemonTerminal } from './shapes.ts';

/**
 * What the daemon sends, one object a message: seed 002, "Server → Client Messages", and contract 002, section 4.
 *
 * Beside its own fields every frame carries `seq` (ours), a sequence of the event log. A frame with `part` too is one
 * of the stream: it comes from the event `seq`, whose frames are numbered by `part` from 0, and (`seq`, `part`) is its
 * place, the same for every client and after a restart; `resume` begins behind one. A frame without `part` is an
 * answer or a notice: its `seq` tells up to where of the log it is true.
 */
export type ServerFrame = AnswerFrame | StreamFrame;

interface Ours {
  /** Of the request that it answers, where that had one. */
  readonly requestId?: string | undefined;
}

/** For whoever asked. `seq` is added as it is sent. */
export type AnswerFrame = Ours &
  (
    | { readonly type: 'pong' }
    /** Also sent as soon as a client has connected. */
    | { readonly type: 'health_check_response'; readonly healthy: boolean }
    | { readonly type: 'auth_success'; readonly scopes: readonly string[] }
    | ErrorFrame
    | { readonly type: 'session_spawned'; readonly session: DaemonSession }
    | { readonly type: 'session_status_update'; readonly session: DaemonSession }
    | {
        readonly type: 'sessions_list';
        readonly sessions: readonly DaemonSession[];
        readonly total: number;
        readonly nextCursor?: string | undefined;
      }
    | { readonly type: 'daemon_status_update'; readonly status: DaemonStatus }
    /** It was taken, and waits for its turn or runs. The stream tells the rest. */
    | {
        readonly type: 'task_executing';
        readonly sessionId: string;
        readonly taskId: string;
        readonly queuePosition?: number | undefined;
      }
    /** Sent again whenever its place has changed. */
    | {
        readonly type: 'task_queued';
        readonly sessionId: string;
        readonly taskId: string;
        /** From 1. */
        readonly position: number;
      }
    | {
        readonly type: 'subscribed' | 'unsubscribed';
        readonly sessionIds: readonly string[];
        readonly topics: readonly string[];
      }
    /** What follows is the stream from there on. */
    | { readonly type: 'resumed'; readonly after: number; readonly part?: number | undefined }
    | {
        readonly type: 'runs_list';
        readonly runs: readonly DaemonRun[];
        readonly nextCursor?: string | undefined;
      }
    | { readonly type: 'run_status_update'; readonly run: DaemonRun }
    | { readonly type: 'terminals_list'; readonly terminals: readonly DaemonTerminal[] }
    | { readonly type: 'terminal_spawned' | 'terminal_status_update'; readonly terminal: DaemonTerminal }
    | { readonly type: 'terminal_done'; readonly terminalId: string }
    | TerminalFrame
  );

/** To those who are attached to a terminal. */
export type TerminalFrame =
  | {
      readonly type: 'terminal_attached';
      readonly terminalId: string;
      /** Where the bytes go on after `screen`. */
      readonly offset: number;
      readonly cols: number;
      readonly rows: number;
      /** Draws the screen and what was scrolled off it; missing where an offset was asked for. */
      readonly screen?: string | undefined;
      readonly droppedBytes: number;
    }
  | {
      readonly type: 'terminal_output';
      readonly terminalId: string;
      /** Of its first byte. */
      readonly offset: number;
      /** Base64; the bytes themselves in the binary encoding. */
      readonly data: string | Uint8Array;
    }
  | { readonly type: 'terminal_gap'; readonly terminalId: string; readonly from: number; readonly to: number }
  | {
      readonly type: 'terminal_exited';
      readonly terminalId: string;
      readonly exitCode: number | null;
      readonly signal: number | null;
      readonly reason: string;
    };

export interface ErrorFrame extends Ours {
  readonly type: 'error';
  /** A sentence, or one of the contract's texts. */
  readonly error: string;
  readonly sessionId?: string | undefined;
  /** Ours: the reason, a closed vocabulary. */
  readonly reason?: string | undefined;
  /** Ours: what exactly was wrong, where `error` is one of the contract's texts. */
  readonly detail?: string | undefined;
}

/** From the event log, for those who are subscribed to its session; statuses of sessions for everyone. */
export type StreamFrame = StreamFrameBody & {
  readonly seq: number;
  readonly part: number;
  /** There is another part. */
  readonly more?: true | undefined;
};

export type StreamFrameBody =
  | { readonly type: 'session_status_update'; readonly session: DaemonSession }
  | {
      readonly type: 'stream_start' | 'stream_end';
      readonly sessionId: string;
      readonly metadata: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'stream_chunk'; readonly data: StreamChunk }
  | { readonly type: 'tool_call_start' | 'tool_call_result'; readonly data: ToolCall }
  | {
      readonly type: 'task_completed';
      readonly sessionId: string;
      readonly taskId: string;
      readonly result: Readonly<Record<string, unknown>>;
      readonly requestId?: string | undefined;
    }
  | {
      readonly type: 'task_failed';
      readonly sessionId: string;
      readonly taskId: string;
      readonly error: string;
      readonly result?: Readonly<Record<string, unknown>> | undefined;
      readonly requestId?: string | undefined;
    }
  /** Topic `runs`. */
  | { readonly type: 'run_status_update'; readonly run: DaemonRun }
  /** Topic `terminals`. */
  | { readonly type: 'terminal_status_update'; readonly terminal: DaemonTerminal }
  | { readonly type: 'terminal_removed'; readonly terminalId: string }
  /** Topic `events`, and of a subscribed session: an event of the log as it stands there. */
  | {
      readonly type: 'event';
      readonly event: {
        readonly type: string;
        readonly time: string;
        readonly sessionId?: string | undefined;
        readonly runId?: string | undefined;
        readonly data: Readonly<Record<string, unknown>>;
      };
    };

export interface StreamChunk {
  readonly sessionId: string;
  /** Text. What a terminal printed comes as it printed it, control sequences included. */
  readonly chunk: string;
  readonly metadata: {
    readonly type: 'text' | 'thinking' | 'tool_use';
    /** From 0, counted in its task. */
    readonly index: number;
    readonly taskId: string;
    /** From 1. */
    readonly step?: number | undefined;
    /** Bytes in front of it that are no longer kept. */
    readonly droppedBytes?: number | undefined;
  };
}

export interface ToolCall {
  readonly sessionId: string;
  readonly taskId: string;
  /** Joins start and result (ours). */
  readonly callId: string;
  readonly toolName: string;
  readonly toolInput?: unknown;
  readonly status: 'started' | 'completed' | 'failed';
  readonly result?: unknown;
  readonly error?: string | undefined;
  readonly timestamp: string;
}
