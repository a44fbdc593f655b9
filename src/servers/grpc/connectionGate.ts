import type { Duplex } from 'node:stream';
import { correctedConnection } from './authority/correctedConnection.ts';
import { FrameCorrector } from './authority/frameCorrector.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const httpAnswer = [
  'HTTP/1.1 505 HTTP Version Not Supported',
  'Content-Type: text/plain; charset=utf-8',
  'Connection: close',
  '',
  'This socket speaks gRPC over HTTP/2.',
  '',
].join('\r\n');

const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
/** How long a connection may wait for its first request before it is let in unknown, and how much it may send. */
const maxHoldMs = 30_000;
const maxHeldBytes = 262_144;

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
  private readonly open = new Set<Duplex>();
  /** Those of the open ones that were not let in yet. */
  private readonly waiting = new Set<Duplex>();
  private onEmpty: () => void = () => undefined;

  constructor(options: ConnectionGateOptions) {
    this.options = options;
  }

  /** @returns whether there is room for it. */
  admit(socket: Duplex): boolean {
    // A client that goes away may do so at any time; whoever has the socket then hears of its close.
    socket.on('error', () => socket.destroy());
    if (this.open.size >= this.options.maxConnections) {
      socket.destroy();
      return false;
    }
    this.open.add(socket);
    socket.once('close', () => {
      this.open.delete(socket);
      this.waiting.delete(socket);
      if (this.open.size === 0) this.onEmpty();
    });
    return true;
  }

  /**
   * Calls back with the connection, with all its bytes, once its first ones are those of HTTP/2; with
   * `correctsAuthority` once its first request is there, or it wants an answer before that. What it calls back with is
   * the socket itself, unless the client's `:authority` needs correction.
   */
  expectHttp2(
    socket: Duplex,
    { correctsAuthority }: { correctsAuthority: boolean },
    onReady: (connection: Duplex) => void,
  ): void {
    const letIn = (connection: Duplex): void => {
      this.waiting.delete(socket);
      onReady(connection);
    };
    this.waiting.add(socket);
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
      if (!isHttp2) {
        socket.end(/^[A-Z]{3,7} /.test(seen.toString('latin1', 0, 8)) ? httpAnswer : '');
        socket.resume();
        const linger = setTimeout(() => socket.destroy(), this.options.timeoutMs);
        socket.once('close', () => clearTimeout(linger));
      } else if (correctsAuthority) {
        this.expectRequest(socket, seen.subarray(preface.length), letIn);
      } else {
        socket.unshift(seen);
        letIn(socket);
      }
    };
    socket.on('readable', onReadable);
  }

  /** Reads until the first request tells whether the socket itself may be let in; see `FrameCorrector`. */
  private expectRequest(socket: Duplex, received: Buffer, letIn: (connection: Duplex) => void): void {
    const corrector = new FrameCorrector();
    const held: Buffer[] = [preface];
    let heldBytes = 0;
    /** @returns whether that was enough to decide. */
    const take = (chunk: Buffer): boolean => {
      const bytes = corrector.push(chunk);
      held.push(bytes);
      heldBytes += bytes.length;
      const { finding, isDone } = corrector;
      return isDone || finding === 'corrected' || finding === 'ping' || heldBytes > maxHeldBytes;
    };
    const finish = (): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      if (corrector.isDone) {
        socket.unshift(Buffer.concat([...held, corrector.takeRest()]));
        letIn(socket);
      } else {
        letIn(correctedConnection(socket, corrector, Buffer.concat(held)));
      }
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null && take(chunk)) finish();
    };
    const timer = setTimeout(finish, Math.min(this.options.timeoutMs, maxHoldMs));
    socket.once('close', () => clearTimeout(timer));
    if (take(received)) {
      finish();
      return;
    }
    // Most clients wait for it before they request. The real one follows when the connection is let in.
    socket.write(emptySettings);
    corrector.takeAck();
    socket.on('readable', onReadable);
  }

  /**
   * Resolves when no connection is left, or after the time, in milliseconds. Those that have requested nothing are
   * ended: nobody else can tell them.
   */
  drained(limitMs: number): Promise<void> {
    for (const socket of this.waiting) socket.destroy();
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
