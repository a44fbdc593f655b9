import type { Socket } from 'node:net';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const httpAnswer = [
  'HTTP/1.1 505 HTTP Version Not Supported',
  'Content-Type: text/plain; charset=utf-8',
  'Connection: close',
  '',
  'This socket speaks gRPC over HTTP/2.',
  '',
].join('\r\n');

export interface ConnectionGateOptions {
  /** Connections at a time at most; the next one is closed at once. */
  readonly maxConnections: number;
  /** How long a client may take to begin, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Lets in who speaks HTTP/2, and only so many. A client speaks first, so that one look at its first bytes tells; who
 * says nothing is sent away after a time, and who speaks HTTP/1 is told.
 */
export class ConnectionGate {
  private readonly options: ConnectionGateOptions;
  private readonly open = new Set<Socket>();
  private onEmpty: () => void = () => undefined;

  constructor(options: ConnectionGateOptions) {
    this.options = options;
  }

  /** @returns whether there is room for it. */
  admit(socket: Socket): boolean {
    // A client that goes away may do so at any time; whoever has the socket then hears of its close.
    socket.on('error', () => socket.destroy());
    if (this.open.size >= this.options.maxConnections) {
      socket.destroy();
      return false;
    }
    this.open.add(socket);
    socket.once('close', () => {
      this.open.delete(socket);
      if (this.open.size === 0) this.onEmpty();
    });
    return true;
  }

  /** Calls back with the connection, with all its bytes, once its first ones are those of HTTP/2. */
  expectHttp2(socket: Socket, onReady: () => void): void {
    const timer = setTimeout(() => socket.destroy(), this.options.timeoutMs);
    socket.once('close', () => clearTimeout(timer));
    let seen = Buffer.alloc(0);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      seen = Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, preface.length);
      const isHttp2 = seen.subarray(0, length).equals(preface.subarray(0, length));
      if (isHttp2 && length < preface.length) return;
      socket.off('readable', onReadable);
      clearTimeout(timer);
      if (isHttp2) {
        socket.unshift(seen);
        onReady();
      } else {
        socket.end(/^[A-Z]{3,7} /.test(seen.toString('latin1', 0, 8)) ? httpAnswer : '');
        socket.resume();
        socket.setTimeout(this.options.timeoutMs, () => socket.destroy());
      }
    };
    socket.on('readable', onReadable);
  }

  /** Resolves when no connection is left, or after the time, in milliseconds. */
  drained(limitMs: number): Promise<void> {
    if (this.open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  destroyAll(): void {
    for (const socket of this.open) socket.destroy();
  }
}
