import { type Clock, systemClock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { OrchestratorError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { ProcessHostConnection } from '../core/ports/processHost.ts';
import {
  helloTimeoutMs,
  type HelloResult,
  oldestProcessHostProtocol,
  processHostProtocol,
} from '../protocol/processHost.ts';
import { Connection, lost } from './connection.ts';
import { failed, launchHost, openSocket, readEndpoint } from './hostLauncher.ts';
import { type HostPaths, hostPaths } from './paths.ts';
import type { ClientNotifications, HostMethod, HostRequests } from './wire.ts';

export interface HostLinkOptions {
  readonly stateDir: string;
  /** Folder that holds processHost.js, screenWorker.js and worker.js. */
  readonly distDir: string;
  /** Of this product. */
  readonly version: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Node that runs the host; this process's own executable when missing. */
  readonly execPath?: string;
  /** How long a host without child and client stays; default 30,000 ms. */
  readonly idleExitMs?: number;
}

export interface HostLinkHandler {
  onNotification(name: string, params: unknown): void;
  onOutput(stream: number, offset: number, bytes: Buffer): void;
  onState(state: ProcessHostConnection): void;
  /** The same host is reached again after its connection broke: go on where it was. */
  onResume(): void;
  /** The host is gone with everything under it. Called before the state tells. */
  onLost(error: OrchestratorError): void;
}

/** How long a host that holds the lock may take to answer or to end. */
const startTimeoutMs = 10_000;
/** A broken connection is tried again for so long before its host counts as lost. */
const reconnectTimeoutMs = 500;
const retryMs = 25;

interface Peer {
  readonly connection: Connection;
  readonly hello: HelloResult;
}

/** The way to the process host: finds it, starts it, upgrades it, and finds it again. */
export class HostLink implements Disposable {
  private readonly options: HostLinkOptions;
  private readonly handler: HostLinkHandler;
  private readonly paths: HostPaths;
  private readonly clock: Clock;
  private current: ProcessHostConnection = { state: 'absent' };
  private peer: Peer | undefined;
  /** Whose connection broke, while it is tried again. */
  private broken: { hello: HelloResult; error: OrchestratorError } | undefined;
  /** The attempts that every caller shares. */
  private connecting: Promise<boolean> | undefined;
  private starting: Promise<void> | undefined;
  private isDisposed = false;

  constructor(options: HostLinkOptions, handler: HostLinkHandler) {
    this.options = options;
    this.handler = handler;
    this.paths = hostPaths(options.stateDir);
    this.clock = options.clock ?? systemClock;
  }

  get state(): ProcessHostConnection {
    return this.current;
  }

  get isConnected(): boolean {
    return this.peer !== undefined;
  }

  connectIfRunning(): Promise<boolean> {
    if (this.isDisposed) return Promise.reject(closed());
    if (this.peer !== undefined) return Promise.resolve(true);
    this.connecting ??= this.connect().finally(() => {
      this.connecting = undefined;
    });
    return this.connecting;
  }

  /** Starts the host where it does not run, and replaces one of another version where it is idle. */
  ensureConnected(): Promise<void> {
    this.starting ??= this.start().finally(() => {
      this.starting = undefined;
    });
    return this.starting;
  }

  /** @throws OrchestratorError the host's own, process_host_lost without a connection, closed after disposal. */
  request<M extends HostMethod>(
    method: M,
    params: HostRequests[M]['params'],
  ): Promise<HostRequests[M]['result']> {
    if (this.isDisposed) return Promise.reject(closed());
    if (this.peer === undefined) return Promise.reject(lost('There is no connection to it.'));
    return this.peer.connection.request(method, params) as Promise<HostRequests[M]['result']>;
  }

  notify<N extends keyof ClientNotifications>(name: N, params: ClientNotifications[N]): void {
    this.peer?.connection.notify(name, params);
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    const { peer } = this;
    this.peer = undefined;
    this.broken = undefined;
    this.current = { state: 'absent' };
    peer?.connection.close(undefined);
  }

  /** One attempt at the running host. */
  private async connect(): Promise<boolean> {
    const endpoint = readEndpoint(this.paths);
    const socket = endpoint === undefined ? undefined : await openSocket(endpoint.socket);
    if (endpoint === undefined || socket === undefined) return false;
    const connection: Connection = new Connection(socket, {
      onRequest: () => {
        throw new OrchestratorError('UNIMPLEMENTED', 'invalid_request', 'A client answers no requests.');
      },
      onNotification: (name, params) => {
        this.handler.onNotification(name, params);
      },
      onOutput: (stream, offset, bytes) => {
        this.handler.onOutput(stream, offset, bytes);
      },
      onClose: (error) => {
        if (this.peer?.connection === connection) void this.onBroken(this.peer, error);
      },
    });
    const timer = this.clock.setTimer(helloTimeoutMs, () => {
      connection.close(lost(`Process ${endpoint.pid} does not answer.`));
    });
    try {
      const hello = (await connection.request('hello', {
        protocol: processHostProtocol,
        oldestProtocol: oldestProcessHostProtocol,
        version: this.options.version,
        token: endpoint.token,
        role: 'client',
      })) as HelloResult;
      if (this.isDisposed) throw closed();
      connection.beat();
      this.adopt({ connection, hello });
      return true;
    } catch (error) {
      connection.close(undefined);
      // A host that was just ending, or an endpoint file that was just replaced: as good as none.
      if (OrchestratorError.is(error, 'process_host_lost')) return false;
      if (OrchestratorError.is(error, 'unauthenticated')) return false;
      throw error;
    } finally {
      timer.dispose();
    }
  }

  private adopt(peer: Peer): void {
    const { hostId, pid, version } = peer.hello;
    const { broken } = this;
    this.broken = undefined;
    const isSame = broken?.hello.hostId === hostId;
    // Somebody has started another one meanwhile.
    if (broken !== undefined && !isSame) this.lose(broken.error);
    this.peer = peer;
    this.setState({ state: 'connected', pid, hostId, version });
    if (isSame) this.handler.onResume();
  }

  private async start(): Promise<void> {
    if ((await this.connectIfRunning()) && !(await this.replaceOlder())) return;
    if (this.current.state !== 'connecting') this.setState({ state: 'connecting' });
    try {
      const { distDir, execPath = process.execPath, idleExitMs } = this.options;
      const deadline = this.clock.now() + startTimeoutMs;
      // Who holds the lock is another one that starts and will answer soon, or an old one that ends and will free it.
      while (
        !(await this.connectSoon(await launchHost({ paths: this.paths, distDir, execPath, idleExitMs })))
      ) {
        if (this.clock.now() < deadline) continue;
        throw failed(
          this.paths,
          'Another one holds the lock of this state directory and does not answer. If it is stopped, continue or end it.',
        );
      }
    } catch (error) {
      const known = OrchestratorError.from(error);
      if (!this.isDisposed) this.setState({ state: 'absent' });
      throw known;
    }
  }

  /** @param isOurs whether the host that we have started said that it is ready. */
  private async connectSoon(isOurs: boolean): Promise<boolean> {
    for (let attempt = 0; attempt < (isOurs ? 1 : 10); attempt++) {
      if (await this.connectIfRunning()) return true;
      await this.delay(retryMs);
    }
    return false;
  }

  /** A host of another version makes room if nothing runs under it; otherwise it serves on. */
  private async replaceOlder(): Promise<boolean> {
    const { peer } = this;
    if (peer === undefined || peer.hello.version === this.options.version) return false;
    // Who still waits for an answer of it would be told that it is lost.
    if (peer.connection.isAwaited) return false;
    if (!(await this.request('shutdownIfIdle', {})).ends) return false;
    this.options.logger.info(
      `The process host of version ${peer.hello.version} ends for one of version ${this.options.version}.`,
    );
    this.peer = undefined;
    peer.connection.close(undefined);
    return true;
  }

  /** The socket closed under us. The host may live on: then everything goes on over a new one. */
  private async onBroken(
    { hello }: Peer,
    error = lost(`Process ${hello.pid} closed the connection.`),
  ): Promise<void> {
    this.peer = undefined;
    if (this.isDisposed) return;
    this.broken = { hello, error };
    this.setState({ state: 'connecting' });
    const isBroken = (): boolean => this.broken?.hello === hello;
    const deadline = this.clock.now() + reconnectTimeoutMs;
    while (!(await this.connectIfRunning().catch(() => false)) && this.clock.now() < deadline) {
      await this.delay(retryMs);
    }
    if (isBroken()) this.lose(error);
  }

  private lose(error: OrchestratorError): void {
    this.broken = undefined;
    this.handler.onLost(error);
    this.setState({ state: 'lost', error: error.toShape() });
  }

  private setState(state: ProcessHostConnection): void {
    this.current = state;
    this.handler.onState(state);
  }

  private delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms, resolve);
    });
  }
}

export function closed(): OrchestratorError {
  return new OrchestratorError(
    'CANCELLED',
    'closed',
    'The connection to the process host was closed by this program.',
  );
}
