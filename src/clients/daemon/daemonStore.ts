import { systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { DaemonSession, DaemonStatus } from '../../protocol/daemon/shapes.ts';
import type { DaemonClient, ExecuteTaskOptions, ExecutedTask, SpawnSessionPayload } from './daemonClient.ts';
import { Snapshot } from './snapshot.ts';

/** What a user interface shows of a daemon. Never changed: every change makes a new one. */
export interface DaemonSnapshot {
  readonly connected: boolean;
  /** The first attempt or one of those after a drop is on its way. */
  readonly connecting: boolean;
  /** The newest one, until the next connection. */
  readonly error: OrchestratorError | undefined;
  readonly daemonStatus: DaemonStatus | undefined;
  /** In the order in which they became known; those that were stopped here are gone. */
  readonly sessions: readonly DaemonSession[];
  /** Attempts since the connection was lost; 0 while there is one. */
  readonly reconnectAttempts: number;
}

export interface DaemonStore {
  readonly client: DaemonClient;
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => DaemonSnapshot;
  /** As the client's; what fails also stands in the snapshot's `error`. */
  readonly connect: () => Promise<void>;
  /** Also empties the list of sessions. */
  readonly disconnect: () => void;
  readonly spawnSession: (payload: SpawnSessionPayload) => Promise<DaemonSession>;
  readonly executeTask: (
    sessionId: string,
    task: string,
    options?: ExecuteTaskOptions,
  ) => Promise<ExecutedTask>;
  /** The session leaves the list at once, and comes back if it could not be stopped. */
  readonly stopSession: (sessionId: string) => Promise<void>;
  /** Lets go of the client's events. */
  readonly dispose: () => void;
}

export interface DaemonStoreOptions {
  /** False: the status is read with each connection only, not each second. Default: true. */
  readonly liveStatus?: boolean | undefined;
  /** Listeners are called this often at most, in milliseconds; 0 for with each change. Default: 16. */
  readonly notifyEveryMs?: number | undefined;
}

const empty: DaemonSnapshot = {
  connected: false,
  connecting: false,
  error: undefined,
  daemonStatus: undefined,
  sessions: [],
  reconnectAttempts: 0,
};

/** The state of a daemon for a user interface, kept true by the client's events. */
export function createDaemonStore(client: DaemonClient, options: DaemonStoreOptions = {}): DaemonStore {
  const { liveStatus = true, notifyEveryMs = 16 } = options;
  const snapshot = new Snapshot<DaemonSnapshot>(
    { ...empty, connected: client.isConnected, connecting: client.state === 'connecting' },
    systemClock,
    notifyEveryMs,
  );
  /** In the order of the list. */
  const sessions = new Map<string, DaemonSession>();
  /** What is told of them later does not bring them back. */
  const stopped = new Set<string>();

  const showSessions = (): void => snapshot.change({ sessions: [...sessions.values()] });
  const showError = (error: unknown): void => snapshot.change({ error: OrchestratorError.from(error) });
  /** Of whom events have told while lists are being read: what a list says of them may be older. */
  const touched = new Set<string>();
  let readings = 0;
  const keep = (session: DaemonSession): void => {
    if (stopped.has(session.id)) return;
    if (readings > 0) touched.add(session.id);
    sessions.set(session.id, session);
    showSessions();
  };
  const readSessions = async (): Promise<void> => {
    readings += 1;
    try {
      const listed = new Map<string, DaemonSession>();
      for await (const session of client.allSessions({ limit: 1_000 })) listed.set(session.id, session);
      for (const id of sessions.keys()) if (!listed.has(id) && !touched.has(id)) sessions.delete(id);
      for (const [id, session] of listed) {
        if (!stopped.has(id) && !touched.has(id)) sessions.set(id, session);
      }
      showSessions();
    } finally {
      readings -= 1;
      if (readings === 0) touched.clear();
    }
  };
  const readStatus = async (): Promise<void> =>
    snapshot.change({ daemonStatus: await client.getDaemonStatus() });
  /** Errors are told by the client's `error`, or by the end of the connection, after which all is read again. */
  const readAll = (): void => {
    readSessions().catch(() => undefined);
    readStatus().catch(() => undefined);
  };

  const offs = [
    client.on('connected', () => {
      snapshot.change({ connected: true, connecting: false, error: undefined, reconnectAttempts: 0 });
      if (liveStatus) client.subscribe({ topics: ['status'] }).catch(() => undefined);
      readAll();
    }),
    client.on('disconnected', ({ willReconnect }) =>
      snapshot.change({ connected: false, connecting: willReconnect }),
    ),
    client.on('reconnecting', ({ attempt }) =>
      snapshot.change({ connecting: true, reconnectAttempts: attempt }),
    ),
    client.on('reconnect_failed', () => snapshot.change({ connecting: false })),
    client.on('error', showError),
    client.on('gap', readAll),
    client.on('daemon_status_update', (daemonStatus) => snapshot.change({ daemonStatus })),
    client.on('session_spawned', keep),
    client.on('session_status_update', keep),
  ];
  if (client.isConnected) readAll();

  const reported = async <R>(action: () => Promise<R>): Promise<R> => {
    try {
      return await action();
    } catch (error) {
      showError(error);
      throw error;
    }
  };

  return {
    client,
    subscribe: snapshot.subscribe,
    getSnapshot: snapshot.get,
    connect: async () => {
      if (!client.isConnected) snapshot.change({ connecting: true, error: undefined });
      try {
        await client.connect();
      } catch (error) {
        snapshot.change({
          connecting: client.state !== 'disconnected',
          error: OrchestratorError.from(error),
        });
        throw error;
      }
    },
    disconnect: () => {
      client.disconnect();
      sessions.clear();
      stopped.clear();
      snapshot.change({ connected: false, connecting: false, sessions: [], reconnectAttempts: 0 });
    },
    spawnSession: (payload) => reported(() => client.spawnSession(payload)),
    executeTask: (sessionId, task, taskOptions) =>
      reported(() => client.executeTask(sessionId, task, taskOptions)),
    stopSession: (sessionId) =>
      reported(async () => {
        const session = sessions.get(sessionId);
        stopped.add(sessionId);
        if (sessions.delete(sessionId)) showSessions();
        try {
          await client.stopSession(sessionId);
        } catch (error) {
          stopped.delete(sessionId);
          if (session !== undefined) keep(session);
          throw error;
        }
      }),
    dispose: () => {
      for (const off of offs) off();
      snapshot.dispose();
    },
  };
}
