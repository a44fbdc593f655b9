'use client';

import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { StreamChunk, ToolCall } from '../../protocol/daemon/frames.ts';
import { type DaemonClient, getDaemonClient } from './daemonClient.ts';
import { type DaemonSnapshot, type DaemonStore, createDaemonStore } from './daemonStore.ts';
import type { DaemonClientOptions } from './options.ts';
import { type SessionMonitor, type SessionSnapshot, createSessionMonitor } from './sessionMonitor.ts';

/** React hooks of seed 002: thin ones, over the store and the monitor. */

/** Called for the sessions whose stream comes: those that were spawned or driven here, monitored, or subscribed to. */
export interface DaemonHandlers {
  readonly onStreamStart?: ((sessionId: string) => void) | undefined;
  readonly onStreamChunk?: ((chunk: StreamChunk) => void) | undefined;
  readonly onStreamEnd?: ((sessionId: string) => void) | undefined;
  readonly onToolCallStart?: ((info: ToolCall) => void) | undefined;
  readonly onToolCallResult?: ((info: ToolCall) => void) | undefined;
  readonly onTaskCompleted?:
    | ((sessionId: string, taskId: string, result: Readonly<Record<string, unknown>>) => void)
    | undefined;
  readonly onTaskFailed?: ((sessionId: string, taskId: string, error: string) => void) | undefined;
}

export interface UseDaemonOptions extends DaemonClientOptions {
  /** Connect while a component that asks for it is mounted. Default: false. */
  readonly autoConnect?: boolean | undefined;
  /** May be other functions with each rendering. */
  readonly handlers?: DaemonHandlers | undefined;
  /** Instead of the one client of its `url`. */
  readonly client?: DaemonClient | undefined;
}

export interface UseDaemonResult
  extends DaemonSnapshot,
    Pick<DaemonStore, 'client' | 'connect' | 'disconnect' | 'spawnSession' | 'executeTask' | 'stopSession'> {}

const stores = new WeakMap<DaemonClient, DaemonStore>();
const autoConnected = new WeakMap<DaemonClient, number>();

/** The daemon as state. Components that name the same URL share one connection, whose options are the first one's. */
export function useDaemon({
  autoConnect = false,
  handlers,
  client: given,
  ...options
}: UseDaemonOptions = {}): UseDaemonResult {
  const client = given ?? getDaemonClient(options);
  const store = storeOf(client);
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);

  useEffect(() => {
    if (!autoConnect) return undefined;
    autoConnected.set(client, (autoConnected.get(client) ?? 0) + 1);
    // What fails stands in the snapshot.
    store.connect().catch(() => undefined);
    return () => {
      autoConnected.set(client, (autoConnected.get(client) ?? 1) - 1);
      // Later: a component that is mounted again in the same breath keeps the connection.
      setTimeout(() => {
        if (autoConnected.get(client) === 0) store.disconnect();
      }, 0);
    };
  }, [autoConnect, client, store]);

  const current = useRef(handlers);
  useEffect(() => {
    current.current = handlers;
  });
  useEffect(() => listen(client, () => current.current), [client]);

  return useMemo(
    () => ({
      ...snapshot,
      client,
      connect: store.connect,
      disconnect: store.disconnect,
      spawnSession: store.spawnSession,
      executeTask: store.executeTask,
      stopSession: store.stopSession,
    }),
    [snapshot, client, store],
  );
}

export interface UseSessionMonitorOptions extends DaemonClientOptions {
  /** Instead of the one client of its `url`. */
  readonly client?: DaemonClient | undefined;
}

const nothing: SessionSnapshot = {
  session: undefined,
  streamOutput: '',
  toolCalls: [],
  isStreaming: false,
};

/** One session and what it prints, of the connection that `useDaemon` keeps. */
export function useSessionMonitor(
  sessionId: string,
  { client: given, ...options }: UseSessionMonitorOptions = {},
): SessionSnapshot {
  const client = given ?? getDaemonClient(options);
  // A monitor is made where it is subscribed to and ended with that: rendering alone must leave nothing behind.
  const { subscribe, getSnapshot } = useMemo(() => {
    let monitor: SessionMonitor | undefined;
    return {
      subscribe: (listener: () => void) => {
        const made = createSessionMonitor(client, sessionId);
        monitor = made;
        const off = made.subscribe(listener);
        return () => {
          off();
          made.dispose();
        };
      },
      getSnapshot: () => monitor?.getSnapshot() ?? nothing,
    };
  }, [client, sessionId]);
  return useSyncExternalStore(subscribe, getSnapshot, () => nothing);
}

function storeOf(client: DaemonClient): DaemonStore {
  let store = stores.get(client);
  if (store === undefined) {
    store = createDaemonStore(client);
    stores.set(client, store);
  }
  return store;
}

function listen(client: DaemonClient, handlers: () => DaemonHandlers | undefined): () => void {
  const offs = [
    client.on('stream_start', ({ sessionId }) => handlers()?.onStreamStart?.(sessionId)),
    client.on('stream_chunk', (chunk) => handlers()?.onStreamChunk?.(chunk)),
    client.on('stream_end', ({ sessionId }) => handlers()?.onStreamEnd?.(sessionId)),
    client.on('tool_call_start', (info) => handlers()?.onToolCallStart?.(info)),
    client.on('tool_call_result', (info) => handlers()?.onToolCallResult?.(info)),
    client.on('task_completed', ({ sessionId, taskId, result }) =>
      handlers()?.onTaskCompleted?.(sessionId, taskId, result),
    ),
    client.on('task_failed', ({ sessionId, taskId, error }) =>
      handlers()?.onTaskFailed?.(sessionId, taskId, error),
    ),
  ];
  return () => {
    for (const off of offs) off();
  };
}
