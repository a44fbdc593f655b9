import type { Disposable } from '../../base/disposable.ts';
import type { ErrorShape } from '../../base/errors.ts';
import type { Event } from '../../base/emitter.ts';

/**
 * What the core needs of the process host: the detached process that owns every PTY and every worker of one state
 * directory. All offsets are absolute byte positions in a terminal's output, counted from its first byte.
 */
export interface ProcessHost extends Disposable {
  readonly connection: ProcessHostConnection;
  /**
   * Fires on every change. On `lost` every terminal and worker of that host must be taken for ended: the host's
   * end closes its PTYs, and the next host cleans up what survived that.
   */
  readonly onDidChangeConnection: Event<ProcessHostConnection>;
  readonly onDidExitTerminal: Event<TerminalExit>;
  /** In the order of sequences per worker; at least once: a receiver drops what it has already seen. */
  readonly onDidReceiveWorkerEvent: Event<WorkerEvent>;

  /**
   * Connects to the running host, or does nothing if there is none. Never starts one.
   * @returns whether a host is there.
   */
  connectIfRunning(): Promise<boolean>;
  /** Connects to the host and starts it first where it does not run. */
  ensureConnected(): Promise<void>;

  /** Writes the terminal into the ledger, then starts its process. Answers once the process runs. */
  spawnTerminal(options: SpawnTerminalOptions): Promise<TerminalStatus>;
  listTerminals(): Promise<TerminalStatus[]>;
  writeTerminal(id: string, data: string | Uint8Array): Promise<void>;
  resizeTerminal(id: string, cols: number, rows: number): Promise<void>;
  /** Ends the whole process tree: hang-up and terminate, and kill what is still there after `graceMs`. */
  killTerminal(id: string, options?: KillOptions): Promise<void>;
  /** Forgets an ended terminal and deletes its record. */
  removeTerminal(id: string): Promise<void>;
  /** Screen and scrollback at one offset, as one string that a fresh terminal of that size shows. */
  snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot>;
  /** Bytes [from, to) of the record. What the bounded record no longer holds is told by the answer's `from`. */
  readTerminal(id: string, from: number, to: number): Promise<TerminalBytes>;
  /** Follows a terminal from an offset. The reader is sent at most `windowBytes` beyond what it acknowledged. */
  followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower>;

  /** Writes the worker into the ledger, then forks it. */
  startWorker(options: StartWorkerOptions): Promise<WorkerStatus>;
  listWorkers(): Promise<WorkerStatus[]>;
  /** Replays what the journal holds after `afterSequence`, then follows; events arrive at `onDidReceiveWorkerEvent`. */
  followWorker(id: string, afterSequence: number): Promise<void>;
  /** What is acknowledged may be pruned from the journal. */
  ackWorker(id: string, sequence: number): Promise<void>;
  /** Hands a command to a running worker, e.g. abort. Journaled by the host before it answers. */
  commandWorker(id: string, command: WorkerCommand): Promise<void>;
  killWorker(id: string, options?: KillOptions): Promise<void>;
  /** Forgets an ended worker and deletes its journal. */
  removeWorker(id: string): Promise<void>;

  /** Facts for diagnosis: version, pid, uptime, memory, counts. Undefined while not connected. */
  stats(): Promise<ProcessHostStats | undefined>;
  /** Ends the host if it has no live child and no other client. @returns whether it ends. */
  shutdownIfIdle(): Promise<boolean>;
}

export type ProcessHostConnection =
  | { readonly state: 'absent' }
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly pid: number; readonly hostId: string; readonly version: string }
  | { readonly state: 'lost'; readonly error: ErrorShape };

export interface SpawnTerminalOptions {
  /** UUID v4, made by the caller, so that it can be written down before the process exists. */
  readonly id: string;
  /** Absolute path, or a name to be found on the PATH of `env`. */
  readonly file: string;
  readonly args: readonly string[];
  /** Absolute; must exist. */
  readonly cwd: string;
  /** The whole environment of the child; nothing is inherited from the host. */
  readonly env: Readonly<Record<string, string>>;
  /** 1 to 1,000. */
  readonly cols: number;
  /** 1 to 1,000. */
  readonly rows: number;
  /** How much output is kept, in bytes. */
  readonly recordLimitBytes?: number;
  /** Where they cannot be set the terminal is not started (`ceilings_unavailable`). */
  readonly ceilings?: TerminalCeilings | undefined;
}

/** What a terminal's program with all below it may use at most; what is missing has no ceiling. */
export interface TerminalCeilings {
  /** 8 MiB or more, in bytes. At it the kernel ends the largest process of the terminal. */
  readonly memoryBytes?: number | undefined;
  /** Of one processor, in percent, 1 to 100,000: 200 is all of two. */
  readonly cpuPercent?: number | undefined;
  /** Processes and threads, 1 to 1,000,000. */
  readonly processes?: number | undefined;
}

export interface TerminalStatus {
  readonly id: string;
  readonly pid: number;
  readonly cols: number;
  readonly rows: number;
  readonly cwd: string;
  readonly file: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** First offset that the record still holds. */
  readonly recordStart: number;
  /** One past the last byte. */
  readonly end: number;
  /** Name of the program in the foreground, where the platform tells. */
  readonly foregroundProcess?: string;
  /** As they were set. */
  readonly ceilings?: TerminalCeilings | undefined;
  readonly exit?: TerminalExitStatus;
}

export interface TerminalExitStatus {
  /** The exit code, or null when a signal ended the process or the host was lost. */
  readonly exitCode: number | null;
  /** Signal number, or null. */
  readonly signal: number | null;
  /** `out_of_memory`: it ended because the kernel killed it, or its last program, at the terminal's memory ceiling. */
  readonly reason: 'exited' | 'killed' | 'host_lost' | 'out_of_memory';
  /** Milliseconds since the epoch. */
  readonly exitedAt: number;
  /** Processes that the kernel killed at the memory ceiling; missing where there were none. */
  readonly oomKills?: number | undefined;
}

export interface TerminalExit extends TerminalExitStatus {
  readonly id: string;
  /** Offset after the last byte: exit is reported after it was recorded. */
  readonly end: number;
}

export interface KillOptions {
  /** Time between asking and killing, in milliseconds; default 1,000. 0 kills at once. */
  readonly graceMs?: number;
}

export interface SnapshotOptions {
  /** Lines of scrollback above the screen, 0 to 100,000; default 1,000. */
  readonly scrollback?: number;
  /** Where given, the screen is laid out for this size instead of the terminal's own. */
  readonly cols?: number;
  readonly rows?: number;
}

export interface TerminalSnapshot {
  /** The offset that the snapshot shows; following from here repeats and loses nothing. */
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
  /** Control sequences and text that draw it. Contains no query, so that no terminal answers to it. */
  readonly data: string;
  /** The visible screen as plain text, one line a row. */
  readonly text: string;
  /** Bytes before the first that the record still holds. */
  readonly droppedBytes: number;
}

export interface TerminalBytes {
  /** Offset of the first byte of `data`; greater than asked when the record has dropped the older part. */
  readonly from: number;
  readonly data: Uint8Array;
  /** End of the record at that time. */
  readonly end: number;
}

export interface FollowOptions {
  readonly from: number;
  /** Unacknowledged bytes in flight at most; default 262,144. */
  readonly windowBytes?: number;
  /**
   * A person looks at this one: when it cannot keep up, the PTY is paused. Everyone else falls back to the record and
   * never slows the program down.
   */
  readonly isForeground?: boolean;
}

export interface FollowSink {
  /** Bytes in order, without gap or repetition; call `ack` once they were used. */
  onData(data: Uint8Array, offset: number): void;
  /** [from, to) left the bounded record before this reader came to it. */
  onGap?(from: number, to: number): void;
  /** The terminal ended and every byte was delivered. */
  onEnd?(exit: TerminalExit): void;
  /** The terminal's size changed, by whoever. */
  onResize?(cols: number, rows: number): void;
  /** The host is gone. Nothing more comes. */
  onLost?(error: ErrorShape): void;
}

export interface TerminalFollower extends Disposable {
  /** Everything before `offset` was used. */
  ack(offset: number): void;
}

export interface StartWorkerOptions {
  /** UUID v7: the run's id. */
  readonly id: string;
  /** Which program: one of those that `workers/main.ts` knows. */
  readonly kind: string;
  /** Plain JSON. No secrets: it is written to the ledger. */
  readonly spec: unknown;
  /** The worker's whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

export interface WorkerStatus {
  readonly id: string;
  readonly kind: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly lastSequence: number;
  readonly isAlive: boolean;
}

/** One entry of a worker's journal. The host adds the last one, `worker.exited`, itself. */
export interface WorkerEvent {
  readonly workerId: string;
  /** From 1, without gap. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** `data` of the host's own last entry. */
export interface WorkerExitedData {
  readonly exit_code: number | null;
  readonly signal: string | null;
  /** The end of its standard error, at most 4 KiB, for diagnosis. */
  readonly stderr_tail: string;
}

export const workerExitedType = 'worker.exited';

export interface WorkerCommand {
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface ProcessHostStats {
  readonly pid: number;
  readonly hostId: string;
  readonly version: string;
  readonly protocol: number;
  readonly nodeVersion: string;
  readonly uvVersion: string;
  readonly startedAt: number;
  readonly rssBytes: number;
  readonly terminals: number;
  readonly liveTerminals: number;
  readonly workers: number;
  readonly liveWorkers: number;
  readonly clients: number;
}
