import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { toDisposable } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { cborProtocol, closeCode, grpcProtocol, jsonProtocol } from '../../../protocol/daemon/handshake.ts';
import type { Authenticator, Caller } from '../../access/caller.ts';
import { checkOrigin, type OriginRules } from '../../http/originRules.ts';
import type { AcceptClient } from '../clientLink.ts';
import { type CallerShare, CallerShares, type WatchCaller } from './callerShares.ts';
import { FrameEncoder, loadEncoding } from './encodings.ts';
import { openGrpcStream } from './grpcStream.ts';
import {
  type Handshake,
  handshakeAnswer,
  readHandshake,
  type Refusal,
  refusalAnswer,
  unauthorized,
} from './handshake.ts';
import { SocketClient } from './socketClient.ts';
import { SocketConnection, type SocketCounts } from './socketConnection.ts';
import { defaultSocketLimits, type SocketLimits } from './socketLimits.ts';
import { FlushTurn } from './socketWriter.ts';

export interface SocketDoorOptions {
  readonly rules: OriginRules;
  readonly authenticator: Authenticator;
  readonly accept: AcceptClient;
  /** What is behind `orchestrator.grpc.v1`, for callers with the scope `admin`; undefined for nothing. */
  readonly acceptGrpc?: ((connection: Duplex, caller: Caller) => void) | undefined;
  /** When a token ends before its caller leaves. Default: at its `expiresAt`. */
  readonly watch?: WatchCaller | undefined;
  /** Whether `?token=` and `?apiKey=` are taken. Default: no. */
  readonly allowsQueryToken?: boolean | undefined;
  readonly limits?: Partial<SocketLimits> | undefined;
  /** Up to where the log is told, for what the door itself sends. */
  readonly sequence: () => number;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
  readonly logger: Logger;
}

export interface SocketFigures extends Readonly<SocketCounts> {
  /** Those that have shown a token. */
  readonly clients: number;
  /** Bytes that wait for clients, in all. */
  readonly waitingBytes: number;
}

/** WebSockets of the daemon, on the port of an HTTP server. */
export interface SocketDoor {
  /** For the `upgrade` event of a `node:http` or `node:https` server; answers everything, also what it refuses. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  figures(): SocketFigures;
  /** Tells every client (1001), and cuts those that do not leave within the limit. Nothing is let in any more. */
  stop(): Promise<void>;
}

export function createSocketDoor(options: SocketDoorOptions): SocketDoor {
  return new Door(options);
}

/** A client and what is under it. */
interface Entry {
  readonly connection: SocketConnection;
  readonly client: SocketClient;
}

/** How often limits of time are looked at, in milliseconds: fast enough for the shortest of them. */
const maxSweepMs = 250;
const minSweepMs = 10;
const sweepsInLimit = 4;
/** How long a refused client may take to read why, in milliseconds. */
const refusalMs = 1_000;

class Door implements SocketDoor {
  private readonly options: SocketDoorOptions;
  private readonly limits: SocketLimits;
  private readonly now: () => number;
  private readonly shares: CallerShares;
  private readonly turn = new FlushTurn();
  private readonly encoders = new Map<string, FrameEncoder>();
  private readonly counts: SocketCounts = {
    framesSent: 0,
    bytesSent: 0,
    framesReceived: 0,
    bytesReceived: 0,
  };
  /** Every connection that was handed over, from before its handshake to its end. */
  private readonly sockets = new Set<Socket>();
  private readonly entries = new Set<Entry>();
  /** In the order in which they came. */
  private readonly strangers = new Set<Entry>();
  private sweepTimer: NodeJS.Timeout | undefined;
  private isStopping = false;
  private onEmpty: () => void = () => undefined;

  constructor(options: SocketDoorOptions) {
    this.options = options;
    this.limits = { ...defaultSocketLimits, ...options.limits };
    this.now = options.now ?? Date.now;
    this.shares = new CallerShares(
      this.limits,
      options.watch ?? ((caller, gone) => this.watch(caller, gone)),
    );
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // What node:http and node:https hand over is one.
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    socket.on('error', () => socket.destroy());
    const refusal = this.refusalFor(request);
    if (refusal !== undefined) {
      this.refuse(socket, refusal);
      return;
    }
    const handshake = readHandshake(request, this.options.allowsQueryToken ?? false);
    if ('status' in handshake) {
      this.refuse(socket, handshake);
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      if (this.sockets.size === 0) this.onEmpty();
    });
    this.admit(handshake, request, socket, head).catch((error: unknown) => {
      const known = OrchestratorError.from(error);
      this.options.logger.error(`A WebSocket could not be opened: ${known.message}`, known);
      socket.destroy();
    });
  }

  figures(): SocketFigures {
    let waitingBytes = 0;
    for (const { connection } of this.entries) waitingBytes += connection.waitingBytes;
    return { ...this.counts, clients: this.entries.size - this.strangers.size, waitingBytes };
  }

  stop(): Promise<void> {
    this.isStopping = true;
    for (const { connection } of this.entries) connection.close(closeCode.goingAway, 'Server shutting down');
    if (this.sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.sockets) socket.destroy();
      }, this.limits.closeTimeoutMs);
      this.onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Before anything else of the request is looked at. */
  private refusalFor({ headers }: IncomingMessage): Refusal | undefined {
    const { host, origin, 'sec-fetch-site': fetchSite } = headers;
    try {
      checkOrigin({ host, origin, fetchSite: fetchSite?.toString() }, this.options.rules);
    } catch (error) {
      return forbidden(OrchestratorError.from(error).message);
    }
    if (this.isStopping) {
      return { status: 503, error: 'Server shutting down', code: 'UNAVAILABLE', reason: 'closed' };
    }
    return this.sockets.size >= this.limits.maxConnections ? tooManyConnections : undefined;
  }

  private async admit(
    handshake: Handshake,
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
  ): Promise<void> {
    const { protocol, token } = handshake;
    const isGrpc = protocol === grpcProtocol;
    let isGone = (): void => void socket.destroy();
    let share: CallerShare | undefined;
    if (token !== undefined) {
      const caller = await this.callerOf(token, socket);
      if ('status' in caller) {
        this.refuse(socket, caller);
        return;
      }
      share = this.shares.enter(caller, () => isGone());
      if (share === undefined) {
        this.refuse(socket, tooManyConnections);
        return;
      }
      const { leave } = share;
      socket.once('close', leave);
    }
    const refusal = isGrpc ? this.grpcRefusal(share?.caller) : undefined;
    if (refusal !== undefined) {
      this.refuse(socket, refusal);
    } else if (isGrpc) {
      await this.openGrpc(request, socket, head, share);
    } else {
      const isDeflating = handshake.extension !== undefined;
      const encoder = await this.encoderFor(protocol, isDeflating);
      if (socket.destroyed || this.isStopping) {
        socket.destroy();
        return;
      }
      socket.write(handshakeAnswer(handshake));
      const client = this.open(socket, encoder, isDeflating, share, head);
      isGone = () => client.onGone();
    }
  }

  private open(
    socket: Socket,
    encoder: FrameEncoder,
    isDeflating: boolean,
    share: CallerShare | undefined,
    head: Buffer,
  ): SocketClient {
    const { limits, options, turn, counts } = this;
    const connection = new SocketConnection(
      { socket, isDeflating, limits, turn, counts, monotonic },
      share === undefined ? limits.maxStrangerBytes : limits.maxMessageBytes,
      {
        message: (data, isText) => client.message(data, isText),
        oversized: (isBegun) => client.oversizedMessage(isBegun),
        drained: () => client.drained(),
        closed: (code, reason) => {
          this.entries.delete(entry);
          this.strangers.delete(entry);
          options.logger.debug(
            `A WebSocket client of ${socket.remoteAddress ?? ''} has left: ${code} ${reason}`,
          );
          client.dispose();
        },
      },
    );
    const client = new SocketClient({
      connection,
      encoder,
      remoteAddress: socket.remoteAddress ?? '',
      authenticator: options.authenticator,
      accept: options.accept,
      limits,
      sequence: options.sequence,
      now: this.now,
      monotonic,
      enter: (caller, onGone) => this.shares.enter(caller, onGone),
      onTrusted: () => this.strangers.delete(entry),
    });
    const entry = { connection, client };
    this.entries.add(entry);
    this.strangers.add(entry);
    client.start(share);
    if (share === undefined) this.limitStrangers();
    connection.start(head);
    this.planSweep();
    return client;
  }

  /** The oldest goes: whoever is slow to show a token keeps out nobody who has one. */
  private limitStrangers(): void {
    const [oldest] = this.strangers;
    if (oldest === undefined || this.strangers.size <= this.limits.maxStrangers) return;
    oldest.connection.close(closeCode.authTimeout, 'Too many clients have not sent "auth".');
  }

  private async openGrpc(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    share: CallerShare | undefined,
  ): Promise<void> {
    const stream = await openGrpcStream(request, socket, head, this.limits.maxMessageBytes);
    if (share !== undefined) this.options.acceptGrpc?.(stream, share.caller);
  }

  private grpcRefusal(caller: Caller | undefined): Refusal | undefined {
    if (this.options.acceptGrpc === undefined) {
      return { status: 404, error: 'There is no gRPC here.', code: 'NOT_FOUND', reason: 'invalid_request' };
    }
    if (caller === undefined) return unauthorized('credentials_missing');
    return caller.scopes.has('admin') ? undefined : forbidden('gRPC needs the scope "admin".');
  }

  private async callerOf(token: string, { remoteAddress = '' }: Socket): Promise<Caller | Refusal> {
    try {
      return await this.options.authenticator.authenticate({ token, remoteAddress });
    } catch (error) {
      const { code, reason, message } = OrchestratorError.from(error);
      if (code === 'UNAUTHENTICATED') return unauthorized(message);
      if (reason === 'permission_denied') return tooMany(message);
      throw error;
    }
  }

  private async encoderFor(protocol: Handshake['protocol'], isDeflating: boolean): Promise<FrameEncoder> {
    const name = `${protocol} ${isDeflating}`;
    const known = this.encoders.get(name);
    if (known !== undefined) return known;
    const encoding = await loadEncoding(protocol === cborProtocol ? protocol : jsonProtocol);
    // Two may have waited for it: all clients must have the same.
    const encoder =
      this.encoders.get(name) ??
      new FrameEncoder(encoding, isDeflating ? this.limits.compressFromBytes : Number.POSITIVE_INFINITY);
    this.encoders.set(name, encoder);
    return encoder;
  }

  private refuse(socket: Socket, refusal: Refusal): void {
    this.options.logger.debug(
      `A WebSocket of ${socket.remoteAddress ?? ''} was refused: ${refusal.status} ${refusal.error}`,
    );
    socket.end(refusalAnswer(refusal));
    // Without reading it would not be seen that the other end has closed.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), refusalMs);
    socket.once('close', () => clearTimeout(timer));
  }

  /** For callers whose end is known. */
  private watch({ expiresAt }: Caller, onGone: () => void): ReturnType<WatchCaller> {
    if (expiresAt === undefined) return toDisposable(() => undefined);
    const timer = setInterval(() => {
      if (this.now() < expiresAt) return;
      clearInterval(timer);
      onGone();
    }, this.sweepMs());
    return toDisposable(() => clearInterval(timer));
  }

  private planSweep(): void {
    this.sweepTimer ??= setInterval(() => {
      const nowMs = monotonic();
      for (const { client, connection } of this.entries) {
        client.sweep(nowMs);
        connection.sweep(nowMs);
      }
      if (this.entries.size > 0) return;
      clearInterval(this.sweepTimer);
      this.sweepTimer = undefined;
    }, this.sweepMs());
  }

  private sweepMs(): number {
    const { authTimeoutMs, messageTimeoutMs, stallTimeoutMs, pingIntervalMs, pongTimeoutMs } = this.limits;
    const shortest = Math.min(authTimeoutMs, messageTimeoutMs, stallTimeoutMs, pingIntervalMs, pongTimeoutMs);
    return Math.min(maxSweepMs, Math.max(minSweepMs, Math.floor(shortest / sweepsInLimit)));
  }
}

const monotonic = (): number => performance.now();

/** Contract 002, section 5. */
const tooManyConnections = tooMany('connection_limit_exceeded');

function tooMany(error: string): Refusal {
  return { status: 429, error, code: 'LIMIT_EXCEEDED', reason: 'permission_denied' };
}

function forbidden(error: string): Refusal {
  return { status: 403, error, code: 'FORBIDDEN', reason: 'permission_denied' };
}
