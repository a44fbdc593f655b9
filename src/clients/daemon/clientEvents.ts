import type { OrchestratorError } from '../../base/errors.ts';
import type { StreamChunk, ToolCall } from '../../protocol/daemon/frames.ts';
import type { DaemonRun, DaemonSession, DaemonStatus, DaemonTerminal } from '../../protocol/daemon/shapes.ts';
import { refusalError } from './errors.ts';
import type { DaemonFrame, FrameOf } from './frameCodec.ts';

/** What a `DaemonClient` tells, by name: how the connection stands, and every frame by its `type`, without its wrapping. */
export interface DaemonEvents {
  /** Open, authenticated, and the stream goes on where it broke off. */
  connected: undefined;
  /** Of a connection that was open. */
  disconnected: { readonly code: number; readonly reason: string; readonly willReconnect: boolean };
  /** The attempt with this number, from 1, begins in `delayMs`. */
  reconnecting: { readonly attempt: number; readonly delayMs: number };
  /** It has given up; `connect()` begins anew. */
  reconnect_failed: { readonly attempts: number };
  /**
   * The daemon no longer holds, or has refused to tell, what happened after this place of its log: lists that were
   * kept up to date by events must be read again. Everything from now on arrives.
   */
  gap: { readonly after: number };
  /** An attempt to connect failed, or the daemon refused something. A request's own refusal rejects it as well. */
  error: OrchestratorError;
  /** Every frame, as it stands on the wire. */
  message: DaemonFrame;

  session_spawned: DaemonSession;
  session_status_update: DaemonSession;
  /** The name that the reference's hook listens for: `session_status_update` again. */
  session_updated: DaemonSession;
  sessions_list: readonly DaemonSession[];
  daemon_status_update: DaemonStatus;
  /** The name that the reference's hook listens for: `daemon_status_update` again. */
  daemon_status: DaemonStatus;
  stream_start: FrameOf<'stream_start'>;
  stream_end: FrameOf<'stream_end'>;
  stream_chunk: StreamChunk;
  tool_call_start: ToolCall;
  tool_call_result: ToolCall;
  task_executing: FrameOf<'task_executing'>;
  task_queued: FrameOf<'task_queued'>;
  task_completed: FrameOf<'task_completed'>;
  task_failed: FrameOf<'task_failed'>;
  runs_list: readonly DaemonRun[];
  run_status_update: DaemonRun;
  terminals_list: readonly DaemonTerminal[];
  terminal_spawned: DaemonTerminal;
  terminal_status_update: DaemonTerminal;
  terminal_removed: FrameOf<'terminal_removed'>;
  terminal_done: FrameOf<'terminal_done'>;
  terminal_attached: FrameOf<'terminal_attached'>;
  terminal_output: FrameOf<'terminal_output'>;
  terminal_gap: FrameOf<'terminal_gap'>;
  terminal_exited: FrameOf<'terminal_exited'>;
  /** An event of the log itself (topic `events`). */
  event: FrameOf<'event'>['event'];
  pong: FrameOf<'pong'>;
  health_check_response: FrameOf<'health_check_response'>;
  auth_success: FrameOf<'auth_success'>;
  subscribed: FrameOf<'subscribed'>;
  unsubscribed: FrameOf<'unsubscribed'>;
  resumed: FrameOf<'resumed'>;
}

export type DaemonEventName = keyof DaemonEvents;
export type DaemonListener<E extends DaemonEventName> = (value: DaemonEvents[E]) => void;

const aliases: Partial<Record<DaemonEventName, DaemonEventName>> = {
  session_status_update: 'session_updated',
  daemon_status_update: 'daemon_status',
};

/** Calls listeners by the name of the event. One that throws keeps no other from hearing. */
export class EventHub {
  private readonly listeners = new Map<DaemonEventName, ReadonlySet<DaemonListener<never>>>();

  on<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): () => void {
    // Replaced, never changed: a listener may come or go while others are called.
    this.listeners.set(event, new Set(this.listeners.get(event)).add(listener));
    return () => this.off(event, listener);
  }

  once<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): () => void {
    const off = this.on(event, (value) => {
      off();
      listener(value);
    });
    return off;
  }

  off<E extends DaemonEventName>(event: E, listener: DaemonListener<E>): void {
    const rest = new Set(this.listeners.get(event));
    rest.delete(listener);
    this.listeners.set(event, rest);
  }

  emit<E extends DaemonEventName>(event: E, value: DaemonEvents[E]): void {
    for (const listener of (this.listeners.get(event) ?? []) as Iterable<DaemonListener<E>>) {
      try {
        listener(value);
      } catch (error) {
        // As an uncaught error of its own, outside of what reads the connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** `message`, the event of the frame's type, and its other name. A type that is not known yet is only a message. */
  emitFrame(frame: DaemonFrame): void {
    this.emit('message', frame);
    const value = valueOf(frame);
    this.emit(frame.type, value);
    const alias = aliases[frame.type];
    if (alias !== undefined) this.emit(alias, value);
  }
}

/** What is inside a frame, as `DaemonEvents` promises it for the frame's type: the caller's `never` stands for that. */
function valueOf(frame: DaemonFrame): never {
  return inside(frame) as never;
}

function inside(frame: DaemonFrame): unknown {
  switch (frame.type) {
    case 'error':
      return refusalError(frame);
    case 'session_spawned':
    case 'session_status_update':
      return frame.session;
    case 'sessions_list':
      return frame.sessions;
    case 'daemon_status_update':
      return frame.status;
    case 'stream_chunk':
    case 'tool_call_start':
    case 'tool_call_result':
      return frame.data;
    case 'runs_list':
      return frame.runs;
    case 'run_status_update':
      return frame.run;
    case 'terminals_list':
      return frame.terminals;
    case 'terminal_spawned':
    case 'terminal_status_update':
      return frame.terminal;
    case 'event':
      return frame.event;
    default:
      return frame;
  }
}
