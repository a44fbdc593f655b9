import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createWebSocketStream, WebSocket } from 'ws';
import type { Disposable } from '../../base/disposable.ts';
import { Emitter } from '../../base/emitter.ts';
import { type ErrorCode, type ErrorReason, OrchestratorError } from '../../base/errors.ts';
import { grpcProtocol } from '../../protocol/daemon/handshake.ts';
import { isDaemonUrl, isRefusal } from './daemonUrl.ts';

export interface GrpcTunnelOptions {
  /** Of the daemon: `http(s)://HOST:PORT`, or `ws(s)://…`. */
  readonly url: string;
  readonly token: string | undefined;
  /** PEM of the authority that signed the daemon's certificate, where it is none that the system knows. */
  readonly tlsRoot?: Buffer | undefined;
  /** How long the daemon may take to answer the handshake, in milliseconds. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** After the daemon has refused the token it is asked again only so much later, in milliseconds. Default 30,000. */
  readonly refusedPauseMs?: number;
}

/** Bytes of a WebSocket message that are taken; a daemon of ours sends no larger ones. */
const maxMessageBytes = 16 * 1024 * 1024;

/**
 * gRPC over a daemon's WebSocket, for a client that can only dial: a private socket of ours, each connection of which
 * is a WebSocket of its own. Ends with `dispose`, and everything through it with it.
 */
export class GrpcTunnel implements Disposable {
  private readonly options: GrpcTunnelOptions;
  private readonly url: string;
  private readonly server: Server;
  private readonly open = new Set<() => void>();
  private readonly failed = new Emitter<OrchestratorError>();
  private path = '';
  private _lastError: OrchestratorError | undefined;
  private refusedUntil = 0;
  private isDisposed = false;

  /** A connection did not come about. */
  readonly onDidFail = this.failed.event;

  private constructor(options: GrpcTunnelOptions) {
    this.options = options;
    this.url = webSocketUrl(options.url);
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.connect(socket));
  }

  /** Listens; the daemon is asked with the first connection. Error: `invalid_request` for a bad URL. */
  static async open(options: GrpcTunnelOptions): Promise<GrpcTunnel> {
    const tunnel = new GrpcTunnel(options);
    await tunnel.listen();
    return tunnel;
  }

  /** Where a gRPC client dials. */
  get target(): string {
    return `unix:${this.path}`;
  }

  /** Why there is no connection; undefined since the last one that came about. */
  get lastError(): OrchestratorError | undefined {
    return this._lastError;
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    this.server.close();
    for (const end of [...this.open]) end();
    this.failed.dispose();
    // At once: the process may be about to end.
    if (process.platform !== 'win32') rmSync(dirname(this.path), { recursive: true, force: true });
  }

  private async listen(): Promise<void> {
    if (process.platform === 'win32') {
      this.path = `\\\\.\\pipe\\orchestrator-tunnel-${randomBytes(16).toString('hex')}`;
    } else {
      // The folder is ours alone (0700): whoever reaches the socket has our token.
      this.path = join(await mkdtemp(join(tmpdir(), 'ow-tunnel-')), 's');
    }
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.path, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    if (process.platform !== 'win32') await chmod(this.path, 0o600);
  }

  private connect(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.isDisposed || Date.now() < this.refusedUntil) {
      socket.destroy();
      if (this._lastError !== undefined) this.failed.fire(this._lastError);
      return;
    }
    const { token, tlsRoot, handshakeTimeoutMs = 10_000 } = this.options;
    const webSocket = new WebSocket(this.url, [grpcProtocol], {
      handshakeTimeout: handshakeTimeoutMs,
      maxPayload: maxMessageBytes,
      // HTTP/2 compresses its headers, and what programs print gains little for what it costs.
      perMessageDeflate: false,
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      ...(tlsRoot === undefined ? {} : { ca: tlsRoot }),
    });
    const end = (): void => {
      if (!this.open.delete(end)) return;
      socket.destroy();
      webSocket.terminate();
    };
    this.open.add(end);
    socket.once('close', end);
    webSocket.once('unexpected-response', (_request, response) => {
      end();
      this.fail(errorOfAnswer(this.options.url, response));
    });
    // `terminate` while it connects is an error too, of which nobody needs to hear.
    webSocket.on('error', (error) => {
      if (!this.open.has(end)) return;
      end();
      this.fail(unreachable(this.options.url, error));
    });
    webSocket.once('open', () => {
      this._lastError = undefined;
      const stream = createWebSocketStream(webSocket);
      // Each ends with the other; with `pipe` in both directions neither is read faster than the other takes it.
      stream.on('error', end);
      stream.once('close', end);
      socket.pipe(stream).pipe(socket);
    });
  }

  private fail(error: OrchestratorError): void {
    // What ends because we end it is no failure.
    if (this.isDisposed) return;
    this._lastError = error;
    if (isRefusal(error)) this.refusedUntil = Date.now() + (this.options.refusedPauseMs ?? 30_000);
    this.failed.fire(error);
  }
}

function webSocketUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !isDaemonUrl(text)) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `The address of a daemon is http(s)://HOST:PORT, not "${text}".`,
    );
  }
  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.hash = '';
  return url.href;
}

function errorOfAnswer(url: string, response: IncomingMessage): OrchestratorError {
  const { statusCode = 0 } = response;
  response.destroy();
  const [code, reason, text] = refusals[statusCode] ?? [
    'UNAVAILABLE',
    'closed',
    `${url} answered with HTTP ${statusCode}.`,
  ];
  return new OrchestratorError(code, reason, text.replace('URL', url), { details: { url, statusCode } });
}

const noDaemon = [
  'UNIMPLEMENTED',
  'closed',
  'Something answers at URL, but it is no daemon that this version can connect to. Check the address, and that `orchestrator` is up to date there.',
] as const;

const refusals: Readonly<Record<number, readonly [code: ErrorCode, reason: ErrorReason, text: string]>> = {
  400: noDaemon,
  401: [
    'UNAUTHENTICATED',
    'unauthenticated',
    'The daemon at URL does not know this token. Take the one in the file http-token of its state directory (`orchestrator status` names it).',
  ],
  403: [
    'PERMISSION_DENIED',
    'permission_denied',
    'The daemon at URL refuses: the token needs the scope "admin", and the daemon must allow the name by which it is called (`--http-allowed-host`).',
  ],
  404: noDaemon,
  426: noDaemon,
  429: [
    'RESOURCE_EXHAUSTED',
    'permission_denied',
    'The daemon at URL was given too many wrong tokens and takes none for a while. Wait a minute, then connect with the right one.',
  ],
};

function unreachable(url: string, cause: Error): OrchestratorError {
  if (/subprotocol/i.test(cause.message)) {
    const [code, reason, text] = noDaemon;
    return new OrchestratorError(code, reason, text.replace('URL', url), { cause });
  }
  return new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    `Nobody answers at ${url} (${cause.message}). Is the daemon running there? Start it with \`orchestrator serve --http\`.`,
    { cause },
  );
}
