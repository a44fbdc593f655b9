/** A WebSocket client that sends what it is told, wrong bytes too, and takes nothing for granted of what comes. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface RawFrame {
  readonly isFinal: boolean;
  /** RSV1 to RSV3, as a number from 0 to 7. */
  readonly reserved: number;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface FrameParts {
  readonly opcode?: number;
  readonly isFinal?: boolean;
  readonly reserved?: number;
  readonly payload?: Uint8Array | string;
  /** Default: some bytes. Null leaves the frame unmasked. */
  readonly mask?: readonly number[] | null;
  /** Bytes of the length field: 0, 2 or 8; default the shortest. */
  readonly lengthBytes?: number;
  /** What the length field says, if not the truth. */
  readonly claimed?: bigint;
}

export function rawFrame(parts: FrameParts = {}): Buffer {
  const { opcode = 1, isFinal = true, reserved = 0, mask = [0x37, 0xfa, 0x21, 0x3d] } = parts;
  const payload = Buffer.from(parts.payload ?? '');
  const claimed = parts.claimed ?? BigInt(payload.length);
  const lengthBytes = parts.lengthBytes ?? (claimed < 126n ? 0 : claimed < 65_536n ? 2 : 8);
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  header[1] =
    (mask === null ? 0 : 0x80) | (lengthBytes === 0 ? Number(claimed) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) header.writeUInt16BE(Number(claimed), 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(claimed, 2);
  const masked = payload.map((byte, index) => byte ^ (mask?.[index % 4] ?? 0));
  return Buffer.concat([header, Buffer.from(mask ?? []), masked]);
}

export function closePayload(code: number, reason: Uint8Array | string = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

export interface RawConnectOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

export function upgradeRequest(port: number, { token, headers = {}, path = '/' }: RawConnectOptions): string {
  const all: Record<string, string> = {
    Host: `127.0.0.1:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export class RawWebSocket {
  readonly socket: Socket;
  /** The head of the answer to the handshake. */
  head = '';
  /** Resolves at the connection's end. */
  readonly ended: Promise<void>;
  private readonly frames: RawFrame[] = [];
  private bytes = Buffer.alloc(0);
  private isEnded = false;
  private wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.parse();
      this.wake();
    });
    this.ended = new Promise((resolve) =>
      socket.on('close', () => {
        this.isEnded = true;
        this.wake();
        resolve();
      }),
    );
  }

  /** Resolves with the handshake's answer, whatever it is. */
  static async connect(port: number, options: RawConnectOptions = {}): Promise<RawWebSocket> {
    const client = new RawWebSocket(connect(port, '127.0.0.1'));
    client.socket.write(upgradeRequest(port, options));
    await client.until(() => client.head !== '' || client.isEnded);
    return client;
  }

  send(parts: FrameParts): void {
    this.socket.write(rawFrame(parts));
  }

  json(value: unknown): void {
    this.send({ payload: JSON.stringify(value) });
  }

  /** The next frame; undefined at the end of the connection. */
  async next(limitMs = 5_000): Promise<RawFrame | undefined> {
    await this.until(() => this.frames.length > 0 || this.isEnded, limitMs);
    return this.frames.shift();
  }

  /** Its payload as an object. */
  async nextJson(limitMs = 5_000): Promise<Record<string, unknown>> {
    const frame = await this.next(limitMs);
    if (frame?.opcode !== 1) throw new Error(`No text came, but ${JSON.stringify(frame)}`);
    return JSON.parse(frame.payload.toString()) as Record<string, unknown>;
  }

  /** What comes until the connection's end, which must come. */
  async rest(limitMs = 5_000): Promise<RawFrame[]> {
    await this.until(() => this.isEnded, limitMs);
    return this.frames.splice(0);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async until(isThere: () => boolean, limitMs = 5_000): Promise<void> {
    const deadline = delay(limitMs, 'late' as const, { ref: false });
    while (!isThere()) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.wake = () => resolve(undefined);
      if ((await Promise.race([promise, deadline])) === 'late') {
        throw new Error(`Nothing within ${limitMs} ms`);
      }
    }
  }

  private parse(): void {
    if (this.head === '') {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.bytes.toString('latin1', 0, end);
      this.bytes = this.bytes.subarray(end + 4);
      if (!this.head.startsWith('HTTP/1.1 101')) {
        this.head += `\r\n\r\n${this.bytes.toString()}`;
        return;
      }
    }
    while (this.head.startsWith('HTTP/1.1 101') && this.bytes.length >= 2) {
      const [first = 0, second = 0] = this.bytes;
      const short = second & 0x7f;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (this.bytes.length < start) return;
      const length =
        short < 126
          ? short
          : short === 126
            ? this.bytes.readUInt16BE(2)
            : Number(this.bytes.readBigUInt64BE(2));
      if (this.bytes.length < start + length) return;
      this.frames.push({
        isFinal: (first & 0x80) !== 0,
        reserved: (first >> 4) & 7,
        opcode: first & 0x0f,
        payload: Buffer.from(this.bytes.subarray(start, start + length)),
      });
      this.bytes = this.bytes.subarray(start + length);
    }
  }
}
