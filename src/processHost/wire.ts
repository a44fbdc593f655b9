import type {
  KillOptions,
  ProcessHostStats,
  SnapshotOptions,
  SpawnTerminalOptions,
  StartWorkerOptions,
  TerminalExit,
  TerminalSnapshot,
  TerminalStatus,
  WorkerCommand,
  WorkerEvent,
  WorkerStatus,
} from '../core/ports/processHost.ts';
import type { HelloParams, HelloResult } from '../protocol/processHost.ts';

/** Requests of a connection, by method. `requests.ts` holds the schema of each `params`. */
export interface HostRequests {
  hello: { params: HelloParams; result: HelloResult };
  spawnTerminal: { params: SpawnTerminalOptions; result: TerminalStatus };
  listTerminals: { params: object; result: TerminalStatus[] };
  /** Exactly one of the two; base64 for bytes that are no UTF-8 text. */
  writeTerminal: { params: { id: string; text?: string; base64?: string }; result: null };
  resizeTerminal: { params: { id: string; cols: number; rows: number }; result: null };
  killTerminal: { params: { id: string } & KillOptions; result: null };
  removeTerminal: { params: { id: string }; result: null };
  snapshotTerminal: { params: { id: string } & SnapshotOptions; result: TerminalSnapshot };
  /** Answers at most `maxReadBytes`; the caller asks again for the rest. */
  readTerminal: {
    params: { id: string; from: number; to: number };
    result: { from: number; base64: string; end: number };
  };
  /** `stream` is the client's own number for what is sent to this follower. */
  followTerminal: {
    params: { id: string; stream: number; from: number; windowBytes: number; isForeground: boolean };
    result: null;
  };
  startWorker: { params: StartWorkerOptions; result: WorkerStatus };
  listWorkers: { params: object; result: WorkerStatus[] };
  followWorker: { params: { id: string; after: number }; result: null };
  ackWorker: { params: { id: string; sequence: number }; result: null };
  commandWorker: { params: { id: string; command: WorkerCommand }; result: null };
  killWorker: { params: { id: string } & KillOptions; result: null };
  removeWorker: { params: { id: string }; result: null };
  stats: { params: object; result: ProcessHostStats };
  shutdownIfIdle: { params: object; result: { ends: boolean } };
  /** Of a worker: journals one event of its own. */
  emit: { params: { type: string; data: Readonly<Record<string, unknown>> }; result: { sequence: number } };
}

export type HostMethod = keyof HostRequests;

/** What the host tells without being asked. */
export interface HostNotifications {
  ping: object;
  terminalExit: TerminalExit;
  gap: { stream: number; from: number; to: number };
  resize: { stream: number; cols: number; rows: number };
  end: { stream: number; exit: TerminalExit };
  workerEvent: WorkerEvent;
  command: WorkerCommand;
}

/** What a client or worker tells the host. */
export interface ClientNotifications {
  ping: object;
  ack: { stream: number; offset: number };
  unfollow: { stream: number };
}

/** Largest answer to one `readTerminal`. */
export const maxReadBytes = 4 * 1024 * 1024;
export const defaultWindowBytes = 262_144;
/** A host that was silent for so many heartbeats is lost (10 s). */
export const maxMissedHeartbeats = 5;
/**
 * What the host bears of a core or a worker (60 s): they do work of their own, and must not be cut off for being busy
 * with it. The socket of one that has died closes by itself.
 */
export const maxMissedByHost = 30;
