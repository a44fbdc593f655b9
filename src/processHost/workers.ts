import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorError } from '../base/errors.ts';
import { isUuid } from '../base/ids.ts';
import {
  type StartWorkerOptions,
  type WorkerCommand,
  workerExitedType,
  type WorkerEvent,
  type WorkerStatus,
} from '../core/ports/processHost.ts';
import { readJson, writeFileAtomic } from './files.ts';
import type { FollowerChannel } from './follower.ts';
import type { Ledger } from './ledger.ts';
import { processTable } from './processTable.ts';
import { defaultGraceMs, killTrees, type TreeRoot } from './processTree.ts';
import { WorkerJournal } from './workerJournal.ts';

export interface WorkersDependencies {
  /** Holds a folder a worker. */
  readonly dir: string;
  /** dist/worker.js */
  readonly program: string;
  readonly socket: string;
  readonly ledger: Ledger;
  killTerminalsOf(workerId: string): Promise<void>;
  onQuiet(): void;
  log(message: string, error?: unknown): void;
}

/** Where a worker's own frames go. */
export type WorkerChannel = Pick<FollowerChannel, 'notify'>;

const stderrTailBytes = 4 * 1024;
/** How long an exit waits for the last events and the end of the standard error. */
const drainMs = 2_000;

/** A worker makes much garbage of its events and keeps little: at V8's own measure that takes 100 MB more. */
const smallGarbage = '--max-semi-space-size=2';

interface Worker {
  readonly id: string;
  readonly kind: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly journal: WorkerJournal;
  /** Sequence of the last event that was sent, a channel. */
  readonly followers: Map<FollowerChannel, number>;
  live: LiveWorker | undefined;
}

interface LiveWorker {
  readonly child: ChildProcess;
  readonly root: TreeRoot;
  /** What its hello must show. */
  readonly token: string;
  readonly ended: Promise<void>;
  readonly queue: WorkerCommand[];
  channel: WorkerChannel | undefined;
  /** Resolves once its connection is closed: then all that it emitted has been read. */
  readonly disconnected: { promise: Promise<void>; resolve(): void };
}

/** Every worker of the state directory: its process, its journal, and who follows it. */
export class Workers {
  private readonly deps: WorkersDependencies;
  private readonly all = new Map<string, Worker>();

  constructor(deps: WorkersDependencies) {
    this.deps = deps;
  }

  /** Takes over what earlier hosts have left; those workers have ended with them. */
  load(): void {
    for (const id of readdirSync(this.deps.dir)) {
      if (!isUuid(id)) continue;
      try {
        const dir = join(this.deps.dir, id);
        const meta = readJson(join(dir, 'worker.json')) as Partial<WorkerStatus> | undefined;
        if (typeof meta?.kind !== 'string') continue;
        const journal = new WorkerJournal(dir, id);
        const { kind, pid = 0, startedAt = 0 } = meta;
        const worker: Worker = { id, kind, pid, startedAt, journal, followers: new Map(), live: undefined };
        if (journal.lastType !== workerExitedType) {
          journal.appendLast(
            workerExitedType,
            { exit_code: null, signal: null, stderr_tail: '' },
            Date.now(),
          );
        }
        this.all.set(id, worker);
      } catch (error) {
        this.deps.log(`Worker ${id} cannot be read and is left as it is`, error);
      }
    }
  }

  get liveCount(): number {
    return [...this.all.values()].filter(({ live }) => live !== undefined).length;
  }

  get size(): number {
    return this.all.size;
  }

  list(): WorkerStatus[] {
    return [...this.all.values()].map(statusOf);
  }

  async start(options: StartWorkerOptions): Promise<WorkerStatus> {
    const { id, kind, spec } = options;
    if (this.all.has(id)) {
      throw new OrchestratorError('ALREADY_EXISTS', 'worker_exists', `Worker ${id} exists already.`);
    }
    if (statSync(this.deps.program, { throwIfNoEntry: false }) === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'spawn_failed',
        `The program of the workers, ${this.deps.program}, is missing. Install the product again.`,
      );
    }
    const startedAt = Date.now();
    const identity = randomBytes(16).toString('hex');
    const token = randomBytes(32).toString('hex');
    const dir = join(this.deps.dir, id);
    this.deps.ledger.begin({ id, kind: 'worker', token: identity, at: startedAt });
    let journal: WorkerJournal | undefined;
    let child: ChildProcess;
    try {
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir, { mode: 0o700 });
      journal = new WorkerJournal(dir, id);
      writeFileAtomic(join(dir, 'worker.json'), JSON.stringify({ kind, pid: 0, startedAt, spec }));
      child = spawn(process.execPath, [smallGarbage, this.deps.program, '--worker'], {
        cwd: '/',
        // A session of its own: signals to the host's group do not reach it, and its tree is known by it.
        detached: true,
        windowsHide: true,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: {
          ...options.env,
          ...(process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }),
          ORCHESTRATOR_ID: id,
          ORCHESTRATOR_TOKEN: identity,
        },
      });
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
    } catch (error) {
      journal?.dispose();
      rmSync(dir, { recursive: true, force: true });
      this.deps.ledger.ended(id, Date.now());
      throw new OrchestratorError(
        'RESOURCE_EXHAUSTED',
        'spawn_failed',
        `The worker of this run could not be started: ${OrchestratorError.from(error).message}`,
        { cause: error },
      );
    }
    const pid = child.pid ?? 0;
    const startTime = processTable.startTime(pid);
    this.deps.ledger.started(id, pid, startTime);
    const ended = Promise.withResolvers<undefined>();
    const disconnected = Promise.withResolvers<undefined>();
    const live: LiveWorker = {
      child,
      root: { pid, startTime, token: identity, isSessionOurs: true },
      token,
      ended: ended.promise,
      queue: [],
      channel: undefined,
      disconnected: {
        promise: disconnected.promise,
        resolve: () => {
          disconnected.resolve(undefined);
        },
      },
    };
    const worker: Worker = { id, kind, pid, startedAt, journal, followers: new Map(), live };
    this.all.set(id, worker);
    this.watch(worker, live, () => {
      ended.resolve(undefined);
    });
    // It may be gone before it reads; its exit tells that better than a broken pipe.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${JSON.stringify({ socket: this.deps.socket, token, workerId: id, kind, spec })}\n`);
    return statusOf(worker);
  }

  /** @returns whether the token is the worker's and it is not connected already. */
  connect(id: string, token: string, channel: WorkerChannel): boolean {
    const live = this.all.get(id)?.live;
    if (live === undefined || live.channel !== undefined) return false;
    if (!timingSafeEqual(Buffer.from(token), Buffer.from(live.token))) return false;
    live.channel = channel;
    for (const command of live.queue.splice(0)) channel.notify('command', command);
    return true;
  }

  disconnect(id: string): void {
    const live = this.all.get(id)?.live;
    if (live !== undefined) live.disconnected.resolve();
  }

  emit(id: string, type: string, data: Readonly<Record<string, unknown>>): { sequence: number } {
    if (type === workerExitedType) {
      throw new OrchestratorError(
        'INVALID_ARGUMENT',
        'invalid_request',
        `Only the host tells ${workerExitedType}.`,
      );
    }
    const worker = this.get(id);
    const event = worker.journal.append(type, data, Date.now());
    this.publish(worker, event);
    return { sequence: event.sequence };
  }

  follow(id: string, after: number, channel: FollowerChannel): void {
    const worker = this.get(id);
    worker.followers.set(channel, after);
    this.pump(worker, channel);
  }

  unfollow(channel: FollowerChannel): void {
    for (const { followers } of this.all.values()) followers.delete(channel);
  }

  /** The connection takes data again. */
  pumpChannel(channel: FollowerChannel): void {
    for (const worker of this.all.values()) {
      if (worker.followers.has(channel)) this.pump(worker, channel);
    }
  }

  ack(id: string, sequence: number): void {
    this.get(id).journal.ack(sequence);
  }

  command(id: string, command: WorkerCommand): void {
    const { live } = this.get(id);
    if (live === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'run_not_active',
        `The worker of run ${id} has ended.`,
      );
    }
    appendFileSync(
      join(this.deps.dir, id, 'commands.jsonl'),
      `${JSON.stringify({ time: Date.now(), ...command })}\n`,
      { mode: 0o600 },
    );
    if (live.channel === undefined) live.queue.push(command);
    else live.channel.notify('command', command);
  }

  /** Resolves once its whole tree is gone and its exit is journaled. */
  async kill(id: string, graceMs = defaultGraceMs): Promise<void> {
    const { live } = this.get(id);
    if (live === undefined) return;
    await killTrees([live.root], graceMs);
    await live.ended;
  }

  async killAll(graceMs: number): Promise<void> {
    const live = [...this.all.values()].filter((worker) => worker.live !== undefined);
    await Promise.allSettled(live.map(({ id }) => this.kill(id, graceMs)));
  }

  remove(id: string): void {
    const worker = this.get(id);
    if (worker.live !== undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `The worker of run ${id} is still running. End it before it is removed.`,
      );
    }
    this.all.delete(id);
    worker.journal.dispose();
    rmSync(join(this.deps.dir, id), { recursive: true, force: true });
  }

  private get(id: string): Worker {
    const worker = this.all.get(id);
    if (worker === undefined) {
      throw new OrchestratorError('NOT_FOUND', 'worker_not_found', `There is no worker of run ${id}.`, {
        details: { id },
      });
    }
    return worker;
  }

  private watch(worker: Worker, live: LiveWorker, settle: () => void): void {
    let stderr = Buffer.alloc(0);
    live.child.stderr?.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-stderrTailBytes);
    });
    live.child.stdout?.resume();
    const closed = new Promise((resolve) => live.child.once('close', resolve));
    live.child.once('exit', (exitCode, signal) => {
      const finish = async (): Promise<void> => {
        const drained = Promise.all([
          closed,
          live.channel === undefined ? undefined : live.disconnected.promise,
        ]);
        await Promise.race([drained, delay(drainMs, undefined, { ref: false })]);
        await Promise.allSettled([killTrees([live.root]), this.deps.killTerminalsOf(worker.id)]);
        const tail = stderr.toString('utf8');
        const data = { exit_code: exitCode, signal, stderr_tail: tail };
        worker.live = undefined;
        this.publish(worker, worker.journal.appendLast(workerExitedType, data, Date.now()));
        this.deps.ledger.ended(worker.id, Date.now());
        settle();
        this.deps.onQuiet();
      };
      finish().catch((error: unknown) => {
        this.deps.log(`The end of worker ${worker.id} could not be recorded`, error);
      });
    });
  }

  private publish(worker: Worker, event: WorkerEvent): void {
    for (const channel of worker.followers.keys()) this.pump(worker, channel, event);
  }

  /** Sends what the connection takes; the rest waits in the journal. */
  private pump(worker: Worker, channel: FollowerChannel, live?: WorkerEvent): void {
    let sent = worker.followers.get(channel) ?? 0;
    const isFull = (): boolean => channel.isCongested;
    // Asked before anything is read: an event for a channel that takes none costs nothing.
    while (sent < worker.journal.lastSequence && !isFull()) {
      const events = live?.sequence === sent + 1 ? [live] : worker.journal.read(sent);
      if (events.length === 0) return;
      for (const event of events) {
        if (isFull()) return;
        channel.notify('workerEvent', event);
        sent = event.sequence;
        worker.followers.set(channel, sent);
      }
    }
  }
}

function statusOf({ id, kind, pid, startedAt, journal, live }: Worker): WorkerStatus {
  return { id, kind, pid, startedAt, lastSequence: journal.lastSequence, isAlive: live !== undefined };
}
