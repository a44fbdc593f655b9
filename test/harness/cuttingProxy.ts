// A TCP proxy that cuts connections in the middle of bytes: at places that a seed decides, in either direction.
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

/** Small, fast and repeatable: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface CuttingProxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  readonly seed: number;
  /** Cuts to make; connections after them are left alone. */
  readonly cuts: number;
  /** How many bytes may pass before a cut: evenly between 0 and this, counted from the connection's beginning. */
  readonly maxBytesDown: number;
  readonly maxBytesUp: number;
}

export class CuttingProxy implements AsyncDisposable {
  /** So far. */
  cuts = 0;
  /** Of those, before the upgrade to a WebSocket was answered. */
  connections = 0;
  readonly port: number;
  private readonly server: ReturnType<typeof createServer>;
  private readonly sockets = new Set<Socket>();

  private constructor(options: CuttingProxyOptions, server: ReturnType<typeof createServer>) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    const random = seededRandom(options.seed);
    server.on('connection', (client) => this.join(client, options, random));
  }

  static async start(options: CuttingProxyOptions): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttingProxy(options, server);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket, options: CuttingProxyOptions, random: () => number): void {
    this.connections += 1;
    const upstream = connect(options.target);
    // Mostly what the daemon sends, now and then what the client does.
    const isDown = random() < 0.75;
    const limit = Math.floor(random() * (isDown ? options.maxBytesDown : options.maxBytesUp));
    const isReset = random() < 0.5;
    let isCut = false;

    const end = (socket: Socket): void => {
      if (isReset && isCut) socket.resetAndDestroy();
      else socket.end();
    };
    const pass = (from: Socket, to: Socket, isLimited: boolean): void => {
      let passed = 0;
      this.sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        if (isCut) return;
        const isOver = isLimited && this.cuts < options.cuts && passed + bytes.length > limit;
        if (!isOver) {
          passed += bytes.length;
          to.write(bytes);
          return;
        }
        isCut = true;
        this.cuts += 1;
        // What came before the cut arrives; a reset may take even that back.
        to.write(bytes.subarray(0, limit - passed), () => {
          end(to);
          end(from);
        });
      });
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    };
    pass(upstream, client, isDown);
    pass(client, upstream, !isDown);
  }
}
