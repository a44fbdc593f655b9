import { Emitter } from '../base/emitter.ts';
import type { Logger } from '../base/logger.ts';
import type {
  FollowOptions,
  FollowSink,
  KillOptions,
  ProcessHost,
  ProcessHostConnection,
  ProcessHostStats,
  SnapshotOptions,
  SpawnTerminalOptions,
  StartWorkerOptions,
  TerminalBytes,
  TerminalExit,
  TerminalFollower,
  TerminalSnapshot,
  TerminalStatus,
  WorkerCommand,
  WorkerEvent,
  WorkerStatus,
} from '../core/ports/processHost.ts';
import { closed, HostLink, type HostLinkOptions } from './hostLink.ts';
import { TerminalCalls } from './terminalCalls.ts';

export type ProcessHostClientOptions = HostLinkOptions;

/** The client half of the process host. Connects to nothing until asked. */
export function createProcessHostClient(options: ProcessHostClientOptions): ProcessHost {
  return new ProcessHostClient(options);
}

/**
 * What must be there to be answered starts a host where there is none; what only concerns live children asks no host that
 * would be new. Where one is connected, a request goes out before the call returns: requests keep their callers' order.
 */
class ProcessHostClient implements ProcessHost {
  private readonly logger: Logger;
  private readonly connectionChanges = new Emitter<ProcessHostConnection>();
  private readonly terminalExits = new Emitter<TerminalExit>();
  private readonly workerEvents = new Emitter<WorkerEvent>();
  private readonly link: HostLink;
  private readonly terminals: TerminalCalls;
  /** Last sequence that was delivered, a followed worker. */
  private readonly followedWorkers = new Map<string, number>();
  /** Terminals that were live when last heard of: their exits are told even if they fall into a broken connection. */
  private readonly liveTerminals = new Set<string>();
  readonly onDidChangeConnection = this.connectionChanges.event;
  readonly onDidExitTerminal = this.terminalExits.event;
  readonly onDidReceiveWorkerEvent = this.workerEvents.event;

  constructor(options: ProcessHostClientOptions) {
    this.logger = options.logger;
    this.link = new HostLink(options, {
      onNotification: (name, params) => {
        this.onNotification(name, params);
      },
      onOutput: (stream, offset, bytes) => {
        this.terminals.onOutput(stream, offset, bytes);
      },
      onState: (state) => {
        this.connectionChanges.fire(state);
      },
      onResume: () => {
        void this.resume();
      },
      onLost: (error) => {
        this.terminals.lose(error.toShape());
        this.followedWorkers.clear();
        this.liveTerminals.clear();
      },
    });
    this.terminals = new TerminalCalls(this.link, options.logger);
  }

  get connection(): ProcessHostConnection {
    return this.link.state;
  }

  connectIfRunning(): Promise<boolean> {
    return this.link.connectIfRunning();
  }

  ensureConnected(): Promise<void> {
    return this.link.ensureConnected();
  }

  async spawnTerminal(options: SpawnTerminalOptions): Promise<TerminalStatus> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    const status = await this.terminals.spawnTerminal(options);
    if (status.exit === undefined) this.liveTerminals.add(status.id);
    return status;
  }

  async listTerminals(): Promise<TerminalStatus[]> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    const list = await this.terminals.listTerminals();
    for (const { id, exit } of list) if (exit === undefined) this.liveTerminals.add(id);
    return list;
  }

  writeTerminal(id: string, data: string | Uint8Array): Promise<void> {
    return this.terminals.writeTerminal(id, data);
  }

  resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    return this.terminals.resizeTerminal(id, cols, rows);
  }

  killTerminal(id: string, options?: KillOptions): Promise<void> {
    return this.terminals.killTerminal(id, options);
  }

  async removeTerminal(id: string): Promise<void> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    await this.terminals.removeTerminal(id);
  }

  async snapshotTerminal(id: string, options?: SnapshotOptions): Promise<TerminalSnapshot> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    return this.terminals.snapshotTerminal(id, options);
  }

  async readTerminal(id: string, from: number, to: number): Promise<TerminalBytes> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    return this.terminals.readTerminal(id, from, to);
  }

  async followTerminal(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    return this.terminals.followTerminal(id, options, sink);
  }

  async startWorker(options: StartWorkerOptions): Promise<WorkerStatus> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    return this.link.request('startWorker', options);
  }

  async listWorkers(): Promise<WorkerStatus[]> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    return this.link.request('listWorkers', {});
  }

  async followWorker(id: string, afterSequence: number): Promise<void> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    const previous = this.followedWorkers.get(id);
    this.followedWorkers.set(id, afterSequence);
    try {
      await this.link.request('followWorker', { id, after: afterSequence });
    } catch (error) {
      if (previous === undefined) this.followedWorkers.delete(id);
      throw error;
    }
  }

  async ackWorker(id: string, sequence: number): Promise<void> {
    await this.link.request('ackWorker', { id, sequence });
  }

  async commandWorker(id: string, command: WorkerCommand): Promise<void> {
    await this.link.request('commandWorker', { id, command });
  }

  async killWorker(id: string, options: KillOptions = {}): Promise<void> {
    await this.link.request('killWorker', { id, ...options });
  }

  async removeWorker(id: string): Promise<void> {
    if (!this.link.isConnected) await this.link.ensureConnected();
    await this.link.request('removeWorker', { id });
    this.followedWorkers.delete(id);
  }

  stats(): Promise<ProcessHostStats | undefined> {
    return this.link.isConnected ? this.link.request('stats', {}) : Promise.resolve(undefined);
  }

  async shutdownIfIdle(): Promise<boolean> {
    return this.link.isConnected && (await this.link.request('shutdownIfIdle', {})).ends;
  }

  dispose(): void {
    this.link.dispose();
    this.terminals.lose(closed().toShape());
    for (const emitter of [this.connectionChanges, this.terminalExits, this.workerEvents]) emitter.dispose();
  }

  private onNotification(name: string, params: unknown): void {
    if (this.terminals.onNotification(name, params)) return;
    if (name === 'terminalExit') {
      const exit = params as TerminalExit;
      this.liveTerminals.delete(exit.id);
      this.terminalExits.fire(exit);
    } else if (name === 'workerEvent') {
      const event = params as WorkerEvent;
      this.followedWorkers.set(event.workerId, event.sequence);
      this.workerEvents.fire(event);
    }
  }

  private async resume(): Promise<void> {
    try {
      const followed = [...this.followedWorkers].map(([id, after]) =>
        this.link.request('followWorker', { id, after }),
      );
      await Promise.allSettled([this.terminals.resume(), ...followed]);
      for (const { id, exit, end } of await this.terminals.listTerminals()) {
        if (exit !== undefined && this.liveTerminals.delete(id))
          this.terminalExits.fire({ id, ...exit, end });
      }
    } catch (error) {
      this.logger.warn('The connection to the process host broke again', error);
    }
  }
}
