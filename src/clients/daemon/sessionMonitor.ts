import { systemClock } from '../../base/clock.ts';
import type { ToolCall } from '../../protocol/daemon/frames.ts';
import type { DaemonSession } from '../../protocol/daemon/shapes.ts';
import type { DaemonClient } from './daemonClient.ts';
import { Snapshot } from './snapshot.ts';

export interface SessionSnapshot {
  /** Undefined until the daemon has told, and where there is no such session. */
  readonly session: DaemonSession | undefined;
  /** All text of the newest task; of more than 1 MiB the end. */
  readonly streamOutput: string;
  /** Of the newest task: each once, as it stands; the newest 1,000. */
  readonly toolCalls: readonly ToolCall[];
  readonly isStreaming: boolean;
}

export interface SessionMonitor {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => SessionSnapshot;
  /** Also ends the session's stream, if nobody else here wants it. */
  readonly dispose: () => void;
}

export interface SessionMonitorOptions {
  /** Characters of `streamOutput` that are kept. Default: 1,048,576. */
  readonly maxOutput?: number | undefined;
  /** As a store's. Default: 16. */
  readonly notifyEveryMs?: number | undefined;
}

const maxToolCalls = 1_000;

/** One session with what it prints, for a user interface. */
export function createSessionMonitor(
  client: DaemonClient,
  sessionId: string,
  { maxOutput = 1_048_576, notifyEveryMs = 16 }: SessionMonitorOptions = {},
): SessionMonitor {
  const snapshot = new Snapshot<SessionSnapshot>(
    { session: undefined, streamOutput: '', toolCalls: [], isStreaming: false },
    systemClock,
    notifyEveryMs,
  );
  const change = (changes: Partial<SessionSnapshot>): void => snapshot.change(changes);
  const onToolCall = (call: ToolCall): void => {
    if (call.sessionId !== sessionId) return;
    const { toolCalls } = snapshot.get();
    const known = toolCalls.findIndex(({ callId }) => callId === call.callId);
    change({
      toolCalls:
        known < 0
          ? [...toolCalls.slice(1 - maxToolCalls), call]
          : toolCalls.with(known, { ...toolCalls[known], ...call }),
    });
  };
  const end = ({ sessionId: ended }: { readonly sessionId: string }): void => {
    if (ended === sessionId) change({ isStreaming: false });
  };
  const offs = [
    client.on('session_status_update', (session) => {
      if (session.id === sessionId) change({ session });
    }),
    client.on('stream_start', ({ sessionId: started }) => {
      if (started === sessionId) change({ streamOutput: '', toolCalls: [], isStreaming: true });
    }),
    client.on('stream_chunk', ({ sessionId: from, chunk }) => {
      if (from !== sessionId) return;
      const text = snapshot.get().streamOutput + chunk;
      // Cut a quarter late, so that a long stream is not copied with each of its chunks.
      const isTooLong = text.length > maxOutput * 1.25;
      change({ streamOutput: isTooLong ? text.slice(-maxOutput) : text });
    }),
    client.on('tool_call_start', onToolCall),
    client.on('tool_call_result', onToolCall),
    client.on('stream_end', end),
    client.on('task_completed', end),
    client.on('task_failed', end),
    client.on('connected', readSession),
    client.watchSession(sessionId),
  ];

  /** A failure is told by the client's `error`, and a new connection asks again. */
  function readSession(): void {
    client.getSessionStatus(sessionId).then(
      (session) => change({ session }),
      () => undefined,
    );
  }
  if (client.isConnected) readSession();

  return {
    subscribe: snapshot.subscribe,
    getSnapshot: snapshot.get,
    dispose: () => {
      for (const off of offs) off();
      snapshot.dispose();
    },
  };
}
