import { Emitter } from '../../src/base/emitter.ts';
import { OrchestratorError, type ErrorShape } from '../../src/base/errors.ts';
import type {
  FollowOptions,
  FollowSink,
  ProcessHost,
  ProcessHostConnection,
  ProcessHostStats,
  SpawnTerminalOptions,
  StartWorkerOptions,
  TerminalBytes,
  TerminalExit,
  TerminalExitStatus,
  TerminalFollower,
  TerminalSnapshot,
  TerminalStatus,
  WorkerCommand,
  WorkerEvent,
  WorkerStatus,
} from '../../src/core/ports/processHost.ts';
import { workerExitedType } from '../../src/core/ports/processHost.ts';

export interface FakeWorker {
  readonly options: StartWorkerOptions;
  readonly commands: WorkerCommand[];
  /** What was not acknowledged yet: as the real host, it forgets what was. */
  journal: WorkerEvent[];
  lastSequence: number;
  isAlive: boolean;
}

interface FakeTerminal {
  status: TerminalStatus;
  input: string;
}

const hostLost: ErrorShape = {
  code: 'UNAVAILABLE',
  reason: 'process_host_lost',
  message: 'The process host ended.',
};

/** A process host and what runs under it: it outlives the cores of a test, which reach it by `FakeProcessHost`. */
export class FakeMachine {
  readonly terminals = new Map<string, FakeTerminal>();
  readonly workers = new Map<string, FakeWorker>();
  /** How often each worker was really started, also those removed since. */
  readonly workerStarts = new Map<string, number>();
  readonly terminalStarts = new Map<string, number>();
  readonly clients = new Set<FakeProcessHost>();
  hostId = 1;
  isRunning = false;
  maxLiveWorkers = 0;
  now: () => number = () => 1_700_000_000_000;
  /** Called with each worker that was started. */
  onStart: (worker: FakeWorker) => void = () => undefined;
  /** Called with each command for a worker. */
  onCommand: (worker: FakeWorker, command: WorkerCommand) => void = () => undefined;
  /** Workers that do not end when they are killed have this set. */
  failWith = new Map<string, OrchestratorError>();

  emit(workerId: string, type: string, data: Record<string, unknown> = {}): void {
    const worker = this.worker(workerId);
    worker.lastSequence += 1;
    const event: WorkerEvent = { workerId, sequence: worker.lastSequence, time: this.now(), type, data };
    worker.journal.push(event);
    for (const client of this.clients) client.deliver(event);
  }

  exitWorker(workerId: string, exitCode: number | null = 0, signal: string | null = null, stderr = ''): void {
    const worker = this.worker(workerId);
    if (!worker.isAlive) return;
    worker.isAlive = false;
    this.emit(workerId, workerExitedType, { exit_code: exitCode, signal, stderr_tail: stderr });
  }

  /** As a worker does it: the terminal is the host's. */
  startTerminal(options: SpawnTerminalOptions): TerminalStatus {
    const { id, file, cwd, cols, rows, ceilings } = options;
    if (this.terminals.has(id))
      throw new OrchestratorError('ALREADY_EXISTS', 'terminal_exists', `${id} exists`);
    this.terminalStarts.set(id, (this.terminalStarts.get(id) ?? 0) + 1);
    const pid = 1_000 + this.terminals.size;
    const status: TerminalStatus = {
      id,
      pid,
      cols,
      rows,
      cwd,
      file,
      startedAt: this.now(),
      recordStart: 0,
      end: 0,
      ceilings,
    };
    this.terminals.set(id, { status, input: '' });
    return status;
  }

  exitTerminal(id: string, exit: Partial<TerminalExitStatus> = {}): void {
    const terminal = this.terminal(id);
    if (terminal.status.exit !== undefined) return;
    const full: TerminalExitStatus = {
      exitCode: 0,
      signal: null,
      reason: 'exited',
      exitedAt: this.now(),
      ...exit,
    };
    terminal.status = { ...terminal.status, exit: full };
    for (const client of this.clients) client.deliverExit({ ...full, id, end: terminal.status.end });
  }

  /** The host and all below it are gone; a next one can be started and knows nothing. */
  die(): void {
    this.isRunning = false;
    this.hostId += 1;
    this.terminals.clear();
    this.workers.clear();
    for (const client of [...this.clients]) client.lose(hostLost);
  }

  terminal(id: string): FakeTerminal {
    const terminal = this.terminals.get(id);
    if (terminal === undefined) throw new OrchestratorError('NOT_FOUND', 'terminal_not_found', `no ${id}`);
    return terminal;
  }

  worker(id: string): FakeWorker {
    const worker = this.workers.get(id);
    if (worker === undefined) throw new OrchestratorError('NOT_FOUND', 'worker_not_found', `no ${id}`);
    return worker;
  }
}

/** One core's connection to a `FakeMachine`. */
export class FakeProcessHost implements ProcessHost {
  connection: ProcessHostConnection = { state: 'absent' };
  readonly calls: string[] = [];
  private readonly machine: FakeMachine;
  private readonly followed = new Set<string>();
  private readonly connectionEmitter = new Emitter<ProcessHostConnection>();
  private readonly exitEmitter = new Emitter<TerminalExit>();
  private readonly workerEmitter = new Emitter<WorkerEvent>();
  readonly onDidChangeConnection = this.connectionEmitter.event;
  readonly onDidExitTerminal = this.exitEmitter.event;
  readonly onDidReceiveWorkerEvent = this.workerEmitter.event;

  constructor(machine: FakeMachine) {
    this.machine = machine;
  }

  deliver(event: WorkerEvent): void {
    if (this.followed.has(event.workerId)) this.workerEmitter.fire(event);
  }

  deliverExit(exit: TerminalExit): void {
    this.exitEmitter.fire(exit);
  }

  lose(error: ErrorShape): void {
    this.machine.clients.delete(this);
    this.followed.clear();
    this.connection = { state: 'lost', error };
    this.connectionEmitter.fire(this.connection);
  }

  async connectIfRunning(): Promise<boolean> {
    await this.called('connectIfRunning');
    if (!this.machine.isRunning) return false;
    this.connect();
    return true;
  }

  async ensureConnected(): Promise<void> {
    await this.called('ensureConnected');
    this.machine.isRunning = true;
    this.connect();
  }

  async spawnTerminal(options: SpawnTerminalOptions): Promise<TerminalStatus> {
    await this.reach('spawnTerminal');
    return this.machine.startTerminal(options);
  }

  async listTerminals(): Promise<TerminalStatus[]> {
    await this.reach('listTerminals');
    return [...this.machine.terminals.values()].map((terminal) => terminal.status);
  }

  async writeTerminal(id: string, data: string | Uint8Array): Promise<void> {
    await this.reach('writeTerminal');
    this.machine.terminal(id).input += typeof data === 'string' ? data : new TextDecoder().decode(data);
  }

  async resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    await this.reach('resizeTerminal');
    const terminal = this.machine.terminal(id);
    terminal.status = { ...terminal.status, cols, rows };
  }

  async killTerminal(id: string): Promise<void> {
    await this.reach('killTerminal');
    this.machine.terminal(id);
    this.machine.exitTerminal(id, { exitCode: null, signal: 15, reason: 'killed' });
  }

  async removeTerminal(id: string): Promise<void> {
    await this.reach('removeTerminal');
    this.machine.terminal(id);
    this.machine.terminals.delete(id);
  }

  async snapshotTerminal(id: string): Promise<TerminalSnapshot> {
    await this.reach('snapshotTerminal');
    const { cols, rows, end } = this.machine.terminal(id).status;
    return { offset: end, cols, rows, data: '', text: '', droppedBytes: 0 };
  }

  async readTerminal(id: string, from: number, _to: number): Promise<TerminalBytes> {
    await this.reach('readTerminal');
    return { from, data: new Uint8Array(), end: this.machine.terminal(id).status.end };
  }

  async followTerminal(id: string, _options: FollowOptions, _sink: FollowSink): Promise<TerminalFollower> {
    await this.reach('followTerminal');
    this.machine.terminal(id);
    return { ack: () => undefined, dispose: () => undefined };
  }

  async startWorker(options: StartWorkerOptions): Promise<WorkerStatus> {
    await this.reach('startWorker');
    const { machine } = this;
    if (machine.workers.has(options.id)) {
      throw new OrchestratorError('ALREADY_EXISTS', 'worker_exists', `${options.id} exists`);
    }
    const worker: FakeWorker = { options, commands: [], journal: [], lastSequence: 0, isAlive: true };
    machine.workers.set(options.id, worker);
    machine.workerStarts.set(options.id, (machine.workerStarts.get(options.id) ?? 0) + 1);
    const live = [...machine.workers.values()].filter((candidate) => candidate.isAlive).length;
    machine.maxLiveWorkers = Math.max(machine.maxLiveWorkers, live);
    machine.onStart(worker);
    return statusOf(worker);
  }

  async listWorkers(): Promise<WorkerStatus[]> {
    await this.reach('listWorkers');
    return [...this.machine.workers.values()].map(statusOf);
  }

  async followWorker(id: string, afterSequence: number): Promise<void> {
    await this.reach('followWorker');
    const worker = this.machine.worker(id);
    this.followed.add(id);
    for (const event of [...worker.journal])
      if (event.sequence > afterSequence) this.workerEmitter.fire(event);
  }

  async ackWorker(id: string, sequence: number): Promise<void> {
    await this.reach('ackWorker');
    const worker = this.machine.worker(id);
    worker.journal = worker.journal.filter((event) => event.sequence > sequence);
  }

  async commandWorker(id: string, command: WorkerCommand): Promise<void> {
    await this.reach('commandWorker');
    const worker = this.machine.worker(id);
    worker.commands.push(command);
    this.machine.onCommand(worker, command);
  }

  async killWorker(id: string): Promise<void> {
    await this.reach('killWorker');
    this.machine.exitWorker(id, null, 'SIGKILL');
  }

  async removeWorker(id: string): Promise<void> {
    await this.reach('removeWorker');
    if (this.machine.worker(id).isAlive) throw new Error('a worker that lives was to be removed');
    this.machine.workers.delete(id);
  }

  stats(): Promise<ProcessHostStats | undefined> {
    return Promise.resolve(undefined);
  }

  shutdownIfIdle(): Promise<boolean> {
    return Promise.resolve(false);
  }

  dispose(): void {
    this.machine.clients.delete(this);
    this.connectionEmitter.dispose();
    this.exitEmitter.dispose();
    this.workerEmitter.dispose();
  }

  private connect(): void {
    if (this.connection.state === 'connected') return;
    this.machine.clients.add(this);
    this.connection = {
      state: 'connected',
      pid: 1,
      hostId: String(this.machine.hostId),
      version: '0',
    };
    this.connectionEmitter.fire(this.connection);
  }

  private async called(method: string): Promise<void> {
    this.calls.push(method);
    await Promise.resolve();
    const failure = this.machine.failWith.get(method);
    if (failure !== undefined) throw failure;
  }

  private async reach(method: string): Promise<void> {
    await this.called(method);
    if (this.connection.state !== 'connected' || !this.machine.isRunning)
      throw OrchestratorError.fromShape(hostLost);
  }
}

function statusOf(worker: FakeWorker): WorkerStatus {
  const { id, kind } = worker.options;
  return { id, kind, pid: 1, startedAt: 0, lastSequence: worker.lastSequence, isAlive: worker.isAlive };
}
