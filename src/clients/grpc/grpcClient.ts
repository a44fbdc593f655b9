import { Client, connectivityState, credentials } from '@grpc/grpc-js';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { isDaemonUrl, isRefusal } from './daemonUrl.ts';
import type { GrpcTunnel } from './daemonTunnel.ts';
import type { RpcService } from '../../protocol/rpc.ts';
import { createRpcClient, type RpcClient } from './rpcClient.ts';

/** As seed 001 has it, with times in milliseconds. */
export interface GrpcClientConfig {
  /** How long `dial` may take. Default 30,000. */
  readonly dialTimeoutMs: number;
  /** Of calls with one answer, unless the call says otherwise; 0 for no limit. Default 10,000. */
  readonly rpcTimeoutMs: number;
  /** Bytes of one message at most. Default 100 MiB. */
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** Time between attempts to connect again. Default 5,000. */
  readonly reconnectIntervalMs: number;
  /** Attempts in a row before the client gives up and closes; 0, the default, for ever. */
  readonly reconnectMaxAttempts: number;
  /** For a server that asks for one, as those over TCP do. */
  readonly token: string | undefined;
  /** Owner id of the agent whose rights are enough for what is to be done. */
  readonly principal: string | undefined;
  /** PEM of the authority that signed the server's certificate; without it the connection is not encrypted. */
  readonly tlsRoot: Buffer | undefined;
}

export const defaultGrpcClientConfig: GrpcClientConfig = {
  dialTimeoutMs: 30_000,
  rpcTimeoutMs: 10_000,
  maxReceiveBytes: 100 * 1024 * 1024,
  maxSendBytes: 100 * 1024 * 1024,
  reconnectIntervalMs: 5_000,
  reconnectMaxAttempts: 0,
  token: undefined,
  principal: undefined,
  tlsRoot: undefined,
};

const tunnelKeepalive = { 'grpc.keepalive_time_ms': 30_000, 'grpc.keepalive_timeout_ms': 10_000 };

/** One connection to an orchestrator, to be kept and used for everything; it connects again by itself. */
export class GrpcClient {
  private readonly target: string;
  private readonly config: GrpcClientConfig;
  private client: Client | undefined;
  private isClosed = false;
  private failedAttempts = 0;
  private counting: NodeJS.Timeout | undefined;
  private tunnel: GrpcTunnel | undefined;

  /** @param address path of a socket, `host:port`, or the URL of a daemon (`http://127.0.0.1:8787`). */
  constructor(address: string, config: Partial<GrpcClientConfig> = {}) {
    this.target = address.startsWith('/') ? `unix:${address}` : address;
    this.config = { ...defaultGrpcClientConfig, ...config };
  }

  /**
   * Resolves once connected. Errors: "already connected", `closed`, `output_timeout`; of a daemon `unauthenticated`,
   * `permission_denied`.
   */
  async dial(): Promise<void> {
    if (this.isClosed) throw closedError();
    if (this.client !== undefined) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'invalid_request', 'already connected');
    }
    const { config } = this;
    const tunnel = await this.openTunnel();
    const target = tunnel?.target ?? this.target;
    const client = new Client(
      target,
      config.tlsRoot === undefined || tunnel !== undefined
        ? credentials.createInsecure()
        : credentials.createSsl(config.tlsRoot),
      {
        'grpc.max_receive_message_length': config.maxReceiveBytes,
        'grpc.max_send_message_length': config.maxSendBytes,
        'grpc.initial_reconnect_backoff_ms': config.reconnectIntervalMs,
        'grpc.max_reconnect_backoff_ms': config.reconnectIntervalMs,
        'grpc.min_reconnect_backoff_ms': config.reconnectIntervalMs,
        // A path is no authority that HTTP/2 takes.
        ...(target.startsWith('unix:') ? { 'grpc.default_authority': 'localhost' } : {}),
        // Our own socket never breaks; whether the daemon still is behind it, only an answer tells.
        ...(tunnel === undefined ? {} : tunnelKeepalive),
        // Each client has its own connection: closing it ends that one.
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_channelz': 0,
      },
    );
    this.client = client;
    this.watch(client);
    let refusal: Disposable | undefined;
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + config.dialTimeoutMs, (error) => {
        if (error === undefined) resolve();
        else reject(this.isClosed ? closedError() : (tunnel?.lastError ?? this.unreachable(error)));
      });
      // What was refused once is not waited for.
      refusal = tunnel?.onDidFail((error) => {
        if (isRefusal(error)) reject(error);
      });
    })
      .finally(() => refusal?.dispose())
      .catch((error: unknown) => {
        this.stopCounting();
        if (this.client === client) this.client = undefined;
        client.close();
        throw error;
      });
  }

  /** Opened once, and kept for every later attempt. */
  private async openTunnel(): Promise<GrpcTunnel | undefined> {
    if (!isDaemonUrl(this.target)) return undefined;
    const { token, tlsRoot } = this.config;
    // Only who connects to a daemon waits for WebSockets to be loaded.
    const { GrpcTunnel } = await import('./daemonTunnel.ts');
    this.tunnel ??= await GrpcTunnel.open({ url: this.target, token, tlsRoot });
    if (this.isClosed) {
      this.tunnel.dispose();
      throw closedError();
    }
    return this.tunnel;
  }

  /** The functions of a service. They fail with "client not connected" before `dial`. */
  service<S extends RpcService>(definition: S): RpcClient<S> {
    const { token, principal, rpcTimeoutMs } = this.config;
    return createRpcClient(definition, {
      connection: () => this.connection(),
      timeoutMs: rpcTimeoutMs,
      metadata: {
        // A daemon's token goes with the handshake, and nowhere else.
        ...(token === undefined || isDaemonUrl(this.target) ? {} : { authorization: `Bearer ${token}` }),
        ...(principal === undefined ? {} : { 'orchestrator-principal': principal }),
      },
    });
  }

  get isConnected(): boolean {
    return this.client?.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Why a daemon is not reached, where that is known better than a failed call tells it. */
  get connectionError(): OrchestratorError | undefined {
    return this.tunnel?.lastError;
  }

  /** Gives up what is under way. May be called again. */
  close(): void {
    this.isClosed = true;
    this.stopCounting();
    const { client } = this;
    // First: closing is a change of state, and whoever watches would connect again.
    this.client = undefined;
    client?.close();
    this.tunnel?.dispose();
  }

  private connection(): Client {
    if (this.isClosed) throw closedError();
    if (this.client !== undefined) return this.client;
    throw new OrchestratorError('FAILED_PRECONDITION', 'invalid_request', 'client not connected');
  }

  /** Connects again as soon as the connection is lost, instead of with the next call. */
  private watch(client: Client): void {
    if (this.client !== client) return;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) this.stopCounting();
    else this.counting ??= setInterval(() => this.countAttempt(), this.config.reconnectIntervalMs);
    channel.watchConnectivityState(state, Infinity, (error) => {
      if (error === undefined) this.watch(client);
    });
  }

  /** grpc-js tells nobody of its attempts; there is one an interval. */
  private countAttempt(): void {
    const { reconnectMaxAttempts } = this.config;
    this.failedAttempts += 1;
    if (reconnectMaxAttempts > 0 && this.failedAttempts >= reconnectMaxAttempts) this.close();
  }

  private stopCounting(): void {
    clearInterval(this.counting);
    this.counting = undefined;
    this.failedAttempts = 0;
  }

  private unreachable(cause: Error): OrchestratorError {
    return new OrchestratorError(
      'UNAVAILABLE',
      'closed',
      `Nobody answers at ${this.target} within ${this.config.dialTimeoutMs} ms. Is the orchestrator running?`,
      { cause },
    );
  }
}

function closedError(): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'closed', 'client is closed');
}
