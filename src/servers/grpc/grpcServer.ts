import { type Metadata, type Server as RpcServer, ServerCredentials } from '@grpc/grpc-js';
import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { invalidRequest } from '../../core/text.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Principal, validOwner } from '../../core/terminals/owners.ts';
import type { CallEnvironment } from './callAdapters.ts';
import { ConnectionGate } from './connectionGate.ts';
import { Health } from './health.ts';
import { reflectionServices } from './reflection.ts';
import type { ServiceImplementation } from './rpcHandlers.ts';
import { createRpcServer, serviceNames } from './rpcServer.ts';
import type { ServerCall } from './serverCall.ts';
import { listenError, listenOnSocket, prepareSocketPath } from './socketFile.ts';

export interface GrpcServerOptions {
  readonly services: readonly ServiceImplementation[];
  /** Absolute path of the socket, or name of a pipe on Windows; without it only what is attached is served. */
  readonly socketPath?: string | undefined;
  /** Over TCP too; without it nothing listens there. */
  readonly tcp?: TcpOptions | undefined;
  readonly limits?: Partial<GrpcLimits> | undefined;
  readonly logger: Logger;
}

export interface TcpOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** What clients send as `authorization: Bearer TOKEN`. */
  readonly token: string;
  /** PEM. Only on a loopback address may it be missing. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

export interface GrpcLimits {
  /** Bytes of one message at most. */
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** How long a client may take to begin, in milliseconds. */
  readonly connectionTimeoutMs: number;
  /** How long calls under way may take at the end, in milliseconds. */
  readonly shutdownTimeoutMs: number;
  /** Connections at a time; those over TCP and those that are attached are counted apart. */
  readonly maxConnections: number;
}

export const defaultGrpcLimits: GrpcLimits = {
  maxReceiveBytes: 100 * 1024 * 1024,
  maxSendBytes: 100 * 1024 * 1024,
  connectionTimeoutMs: 30_000,
  shutdownTimeoutMs: 10_000,
  maxConnections: 100,
};

/** An agent that calls with its own rights instead of the person's names itself here. */
const principalKey = 'orchestrator-principal';

interface Listener {
  /** Undefined for what is attached: others listen for that. */
  readonly server: Server | undefined;
  readonly rpc: RpcServer;
  readonly gate: ConnectionGate;
}

/** The gRPC door: serves from `start` to `stop`, once. */
export class GrpcServer {
  private readonly options: GrpcServerOptions;
  private readonly limits: GrpcLimits;
  private readonly health: Health;
  private readonly services: readonly ServiceImplementation[];
  private readonly openStreams = new Set<ServerCall>();
  private readonly listeners: Listener[] = [];
  private attachConnection: ((connection: Duplex) => void) | undefined;
  private state: 'new' | 'starting' | 'started' | 'closed' = 'new';

  constructor(options: GrpcServerOptions) {
    this.options = options;
    this.limits = { ...defaultGrpcLimits, ...options.limits };
    const names = options.services.flatMap(({ definition }) => serviceNames(definition.fullName));
    const shortNames = options.services.map(({ definition }) => definition.fullName.replace(/\..*$/, ''));
    this.health = new Health([...names, ...shortNames]);
    this.services = [
      ...options.services,
      this.health.service,
      ...reflectionServices([...names, this.health.service.definition.fullName]),
    ];
  }

  /** Empty where it listens on none. */
  get socketPath(): string {
    return this.options.socketPath ?? '';
  }

  /** Of the TCP listener, where there is one. */
  get tcpAddress(): AddressInfo | undefined {
    for (const { server } of this.listeners) {
      const address = server?.address() ?? null;
      if (address !== null && typeof address === 'object') return address;
    }
    return undefined;
  }

  /**
   * Listens, and serves. After an error it may be called again, unless `stop` was. Errors: `invalid_request`
   * ("server already started", a bad path or address), `closed`, `socket_in_use`, `socket_unsafe`, `listen_failed`.
   */
  async start(): Promise<void> {
    if (this.state === 'closed') throw closedError();
    if (this.state !== 'new') {
      throw invalidRequest('server already started');
    }
    this.state = 'starting';
    try {
      await this.listen();
    } catch (error) {
      for (const listener of this.listeners.splice(0)) abandon(listener);
      this.state = 'new';
      throw error;
    }
    this.state = 'started';
    this.health.setServing(true);
  }

  /**
   * Serves a connection that somebody else has accepted, and whose other end has shown that it is the person: it has
   * the rights of one to the Unix socket. Without room for it, or when nothing is served, it is closed at once.
   */
  attach(connection: Duplex): void {
    if (this.state !== 'started') {
      connection.destroy();
      return;
    }
    this.attachConnection ??= this.openIntake('attached', ServerCredentials.createInsecure(), principalOf);
    this.attachConnection(connection);
  }

  /** What health tells, e.g. while the core is being closed. Serving from `start` on. */
  setServing(isServing: boolean): void {
    if (this.state === 'started') this.health.setServing(isServing);
  }

  /**
   * Tells streams to end, lets other calls finish within the limit, then cuts what is left. The socket is gone when it
   * resolves. Error: `invalid_request` "server already closed".
   */
  async stop(): Promise<void> {
    if (this.state === 'closed') {
      throw invalidRequest('server already closed');
    }
    this.state = 'closed';
    this.health.dispose();
    const closings = this.listeners.flatMap(({ server }) => (server === undefined ? [] : [closed(server)]));
    // Whoever watches the health hears of the end before its stream ends.
    await nextTurn();
    for (const call of this.openStreams) call.abort(goingAway());
    await Promise.all(this.listeners.map((listener) => this.drain(listener)));
    await Promise.all(closings);
  }

  private async listen(): Promise<void> {
    const { socketPath, tcp } = this.options;
    if (socketPath !== undefined) {
      await prepareSocketPath(socketPath);
      const local = this.createListener('socket', ServerCredentials.createInsecure(), principalOf);
      await listenOnSocket(local, socketPath);
      this.checkNotClosed();
    }
    if (tcp === undefined) return;
    checkTcp(tcp);
    const credentials =
      tcp.tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ cert_chain: tcp.tls.cert, private_key: tcp.tls.key }]);
    const remote = this.createListener(tcp.tls === undefined ? 'tcp' : 'tls', credentials, (metadata) => {
      checkToken(metadata, tcp.token);
      return principalOf(metadata);
    });
    await listenOnTcp(remote, tcp);
    this.checkNotClosed();
  }

  private createListener(
    kind: 'socket' | 'tcp' | 'tls',
    credentials: ServerCredentials,
    authenticate: CallEnvironment['authenticate'],
  ): Server {
    const server = createServer((socket) => takeIn(socket));
    const takeIn = this.openIntake(kind, credentials, authenticate, server);
    return server;
  }

  private openIntake(
    kind: 'socket' | 'tcp' | 'tls' | 'attached',
    credentials: ServerCredentials,
    authenticate: CallEnvironment['authenticate'],
    server?: Server,
  ): (connection: Duplex) => void {
    const { limits, openStreams, options } = this;
    const rpc = createRpcServer(this.services, limits, {
      authenticate,
      openStreams,
      maxSendBytes: limits.maxSendBytes,
      onInternalError: (path, error) => options.logger.error(`${path} failed: ${error.message}`, error),
    });
    const injector = rpc.createConnectionInjector(credentials);
    const gate = new ConnectionGate({
      maxConnections: limits.maxConnections,
      timeoutMs: limits.connectionTimeoutMs,
    });
    this.listeners.push({ server, rpc, gate });
    const letIn = (connection: Duplex): void => injector.injectConnection(connection);
    return (connection) => {
      if (!gate.admit(connection)) return;
      // With TLS the first bytes are those of a handshake, which has a time limit of its own.
      if (kind === 'tls') letIn(connection);
      // Only at a socket is there no host that a client could name as its `:authority`.
      else gate.expectHttp2(connection, { correctsAuthority: kind === 'socket' }, letIn);
    };
  }

  /** Connections end with their last call. grpc-js calls back before that, so they are watched instead. */
  private async drain({ rpc, gate }: Listener): Promise<void> {
    rpc.tryShutdown(() => undefined);
    await gate.drained(this.limits.shutdownTimeoutMs);
    gate.destroyAll();
    rpc.forceShutdown();
  }

  private checkNotClosed(): void {
    if (this.state === 'closed') throw closedError();
  }
}

function abandon({ server, rpc, gate }: Listener): void {
  if (server?.listening === true) server.close();
  rpc.forceShutdown();
  gate.destroyAll();
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function closedError(): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'closed', 'server is closed');
}

function goingAway(): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    'The server is closing. Connect again, and go on from the last sequence or offset.',
  );
}

/** Whoever may connect is the person; who names an owner acts with that one's rights only. */
function principalOf(metadata: Metadata): Principal {
  const [owner] = metadata.get(principalKey);
  return owner === undefined ? null : validOwner(String(owner));
}

function checkToken(metadata: Metadata, token: string): void {
  const [header] = metadata.get('authorization');
  if (header === undefined) throw unauthenticated('no authorization token provided');
  const [scheme, given] = splitOnce(String(header));
  if (scheme !== 'Bearer') throw unauthenticated('authorization token must start with "Bearer "');
  if (given === '') throw unauthenticated('empty authorization token');
  const [wanted, actual] = [Buffer.from(token), Buffer.from(given)];
  if (wanted.length !== actual.length || !timingSafeEqual(wanted, actual)) {
    throw unauthenticated('invalid authentication token');
  }
}

function splitOnce(header: string): [scheme: string, rest: string] {
  const at = header.indexOf(' ');
  return at < 0 ? [header, ''] : [header.slice(0, at), header.slice(at + 1).trim()];
}

function unauthenticated(message: string): OrchestratorError {
  return new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', message);
}

function checkTcp({ host, token, tls }: TcpOptions): void {
  if (token === '') throw invalidTcp('needs a token, and it is empty');
  if (tls !== undefined || /^(?:localhost|127(?:\.\d+){3}|::1)$/.test(host)) return;
  throw invalidTcp(`on ${host} needs TLS: without it only loopback addresses are served`);
}

function invalidTcp(what: string): OrchestratorError {
  return invalidRequest(`gRPC over TCP ${what}.`);
}

function listenOnTcp(server: Server, { host, port }: TcpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenError(`${host}:${port}`, error));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
