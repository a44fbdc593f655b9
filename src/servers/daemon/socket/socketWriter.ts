import type { Socket } from 'node:net';

/** So many bytes go at once, whatever else is to come in this turn. */
const flushBytes = 64 * 1024;

/**
 * Sends what writers have gathered at the end of a turn of the event loop, one write a client. Clients that are sent
 * the same share the bytes: they are joined once.
 */
export class FlushTurn {
  private waiting: SocketWriter[] = [];
  private isPlanned = false;
  private parts: readonly Buffer[] = [];
  private joined = Buffer.alloc(0);

  add(writer: SocketWriter): void {
    this.waiting.push(writer);
    if (this.isPlanned) return;
    this.isPlanned = true;
    setImmediate(() => {
      const { waiting } = this;
      this.waiting = [];
      this.isPlanned = false;
      for (const writer of waiting) writer.takeTurn();
      // Until the next turn they would only be held.
      this.parts = [];
      this.joined = Buffer.alloc(0);
    });
  }

  join(parts: readonly Buffer[], length: number): Buffer {
    const known = this.parts;
    if (known.length !== parts.length || parts.some((part, index) => part !== known[index])) {
      this.parts = parts;
      this.joined = Buffer.concat(parts, length);
    }
    return this.joined;
  }
}

export interface SocketWriterOptions {
  readonly socket: Socket;
  readonly turn: FlushTurn;
  /** Bytes were taken by the system; `waitingBytes` tells how many still wait. */
  readonly onWritten: () => void;
}

/** What goes to one client, as whole frames, in the order in which they came. */
export class SocketWriter {
  private readonly options: SocketWriterOptions;
  private parts: Buffer[] = [];
  private partsLength = 0;
  private isInTurn = false;
  private isEnded = false;

  constructor(options: SocketWriterOptions) {
    this.options = options;
  }

  /** Bytes that the system has not taken yet. */
  get waitingBytes(): number {
    return this.partsLength + this.options.socket.writableLength;
  }

  push(frames: Buffer): void {
    if (this.isEnded) return;
    this.parts.push(frames);
    this.partsLength += frames.length;
    if (this.partsLength >= flushBytes) {
      this.flush();
    } else if (!this.isInTurn) {
      this.isInTurn = true;
      this.options.turn.add(this);
    }
  }

  takeTurn(): void {
    this.isInTurn = false;
    this.flush();
  }

  private flush(): void {
    const { parts, partsLength } = this;
    const [first] = parts;
    if (first === undefined) return;
    this.parts = [];
    this.partsLength = 0;
    const { socket, turn, onWritten } = this.options;
    if (!socket.writable) return;
    socket.write(parts.length === 1 ? first : turn.join(parts, partsLength), onWritten);
  }

  /** Sends what is there; nothing is taken after it. */
  end(): void {
    this.flush();
    this.isEnded = true;
  }
}
