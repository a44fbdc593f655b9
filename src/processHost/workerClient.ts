import { createInterface } from 'node:readline';
import { Emitter, type Event } from '../base/emitter.ts';
import { OrchestratorError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type {
  FollowOptions,
  FollowSink,
  KillOptions,
  SnapshotOptions,
  SpawnTerminalOptions,
  TerminalBytes,
  TerminalFollower,
  TerminalSnapshot,
  TerminalStatus,
  WorkerCommand,
} from '../core/ports/processHost.ts';
import { oldestProcessHostProtocol, processHostProtocol } from '../protocol/processHost.ts';
import { Connection, lost } from './connection.ts';
import { openSocket } from './hostLauncher.ts';
import { TerminalCalls } from './terminalCalls.ts';
import type { HostRequests } from './wire.ts';

/** What a worker may do with terminals. Those it spawned are killed when it ends. */
export interface WorkerTerminals {
  spawnTerminal(options: SpawnTerminalOptions): Promise<TerminalStatus>;
  listTerminals(): Promise<TerminalStatus[]>;
  writeTerminal(id: string, data: string | Uint8Array): Promise<void>;
  resizeTerminal(id: string, cols: number, rows: number): Promise<void>;
  killTerminal(id: string, options?: KillOptions): Promise<void>;
  removeTerminal(id: string): Promise<void>;
  snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot>;
  readTerminal(id: string, from: number, to: number): Promise<TerminalBytes>;
  followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower>;
}

export interface WorkerConnection {
  /** The run's id. */
  readonly workerId: string;
  readonly kind: string;
  readonly spec: unknown;
  readonly terminals: WorkerTerminals;
  /** Journals one event. @returns its sequence, once it is on disk. */
  emit(type: string, data: Readonly<Record<string, unknown>>): Promise<number>;
  /** Commands in order; those that came before the first subscription are delivered to it. */
  readonly onCommand: Event<WorkerCommand>;
  /** The host is gone. A worker must end then; unless `exitWhenLost` is false, the process exits by itself. */
  readonly onLost: Event<void>;
  /** Waits until what was emitted is journaled, then closes the connection. */
  close(): Promise<void>;
}

export interface ConnectAsWorkerOptions {
  /** Default process.stdin; its first line is the invitation of the host. */
  readonly input?: NodeJS.ReadableStream;
  /** Default true. */
  readonly exitWhenLost?: boolean;
  /** Hears of readers that throw; default standard error, whose end the host keeps. */
  readonly logger?: Pick<Logger, 'error'>;
}

/** What the host writes to a worker's standard input: one line of JSON. */
export interface WorkerInvitation {
  readonly socket: string;
  readonly token: string;
  readonly workerId: string;
  readonly kind: string;
  readonly spec: unknown;
}

const lostExitCode = 70;

/** Reads the host's invitation from standard input and connects. Fails if the host cannot be reached. */
export async function connectAsWorker(options: ConnectAsWorkerOptions = {}): Promise<WorkerConnection> {
  const { socket: path, token, workerId, kind, spec } = await readInvitation(options.input ?? process.stdin);
  const socket = await openSocket(path);
  if (socket === undefined) throw lost(`Nobody listens at ${path}.`);

  const logger = options.logger ?? {
    error: (message: string | Error, ...details: unknown[]) => {
      process.stderr.write(`${String(message)} ${details.map(String).join(' ')}\n`);
    },
  };
  const commands = new Emitter<WorkerCommand>();
  const losses = new Emitter<void>();
  /** Commands that nobody has subscribed to yet. */
  let early: WorkerCommand[] | undefined = [];
  let isClosing = false;
  const unjournaled = new Set<Promise<unknown>>();

  const connection = new Connection(socket, {
    onRequest: () => {
      throw new OrchestratorError('UNIMPLEMENTED', 'invalid_request', 'A worker answers no requests.');
    },
    onNotification: (name, params) => {
      if (terminals.onNotification(name, params) || name !== 'command') return;
      if (early === undefined) commands.fire(params as WorkerCommand);
      else early.push(params as WorkerCommand);
    },
    onOutput: (stream, offset, bytes) => {
      terminals.onOutput(stream, offset, bytes);
    },
    onClose: (error) => {
      if (isClosing) return;
      terminals.lose((error ?? lost('It closed the connection.')).toShape());
      losses.fire();
      // Without its host nobody hears of what it does, and nobody could end it.
      if (options.exitWhenLost !== false) process.exit(lostExitCode);
    },
  });
  const terminals = new TerminalCalls(
    {
      request: (method, params) =>
        connection.request(method, params) as Promise<HostRequests[typeof method]['result']>,
      notify: (name, params) => {
        connection.notify(name, params);
      },
    },
    logger,
  );
  await connection.request('hello', {
    protocol: processHostProtocol,
    oldestProtocol: oldestProcessHostProtocol,
    version: process.env['ORCHESTRATION_WORKBENCH_VERSION'] ?? '0.0.0',
    token,
    role: 'worker',
    workerId,
  });
  connection.beat();

  return {
    workerId,
    kind,
    spec,
    terminals,
    async emit(type, data) {
      const answer = connection.request('emit', { type, data });
      const settled = answer.catch(() => undefined);
      unjournaled.add(settled);
      try {
        return ((await answer) as { sequence: number }).sequence;
      } finally {
        unjournaled.delete(settled);
      }
    },
    onCommand: (listener) => {
      const subscription = commands.event(listener);
      const missed = early ?? [];
      early = undefined;
      for (const command of missed) commands.fire(command);
      return subscription;
    },
    onLost: losses.event,
    async close() {
      await Promise.all(unjournaled);
      isClosing = true;
      connection.end();
    },
  };
}

async function readInvitation(input: NodeJS.ReadableStream): Promise<WorkerInvitation> {
  const lines = createInterface({ input });
  for await (const line of lines) {
    lines.close();
    return JSON.parse(line) as WorkerInvitation;
  }
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_request',
    'This program is started by the process host, which tells it by standard input what to do.',
  );
}
