/**
 * Brings a terminal's bytes to its view, and tells the sender how far the view has come. VS Code gives terminals of
 * extensions no flow control: what is written faster than the window draws piles up there. So the pump writes a part,
 * waits until the window has answered, and only then acknowledges it; the unacknowledged window stops the PTY.
 */
export interface OutputPumpOptions {
  readonly write: (text: string) => void;
  /** Settles when the window has taken what was written before. */
  readonly settle: () => Promise<void>;
  /** Everything before this offset was taken. */
  readonly acknowledge: (offset: number) => void;
}

/** Characters of one write. */
const writeLimit = 64 * 1024;
/** Bytes between two waits for the window. */
const settleEveryBytes = 128 * 1024;

export class OutputPump {
  private readonly options: OutputPumpOptions;
  private readonly decoder = new TextDecoder('utf-8');
  private queue: { readonly data: Uint8Array; readonly offset: number }[] = [];
  private pumping: Promise<void> = Promise.resolve();
  private isPumping = false;
  private unsettledBytes = 0;
  private isStopped = false;

  constructor(options: OutputPumpOptions) {
    this.options = options;
  }

  push(data: Uint8Array, offset: number): void {
    if (this.isStopped) return;
    this.queue.push({ data, offset });
    if (!this.isPumping) this.pumping = this.pump();
  }

  /** Settles once everything that was pushed is written. */
  async drain(): Promise<void> {
    while (this.isPumping) await this.pumping;
  }

  /** Nothing more is written or acknowledged. */
  stop(): void {
    this.isStopped = true;
    this.queue = [];
  }

  private async pump(): Promise<void> {
    this.isPumping = true;
    try {
      for (let part = this.queue.shift(); part !== undefined; part = this.queue.shift()) {
        const text = this.decoder.decode(part.data, { stream: true });
        for (const piece of splitText(text, writeLimit)) this.options.write(piece);
        this.unsettledBytes += part.data.byteLength;
        // Small output is acknowledged at once: a prompt must not wait for a round trip.
        if (this.unsettledBytes >= settleEveryBytes) {
          await this.options.settle();
          this.unsettledBytes = 0;
        }
        if (this.isStopped) return;
        this.options.acknowledge(part.offset + part.data.byteLength);
      }
    } finally {
      // In the same turn as the last look at the queue, so that nothing is pushed unseen between the two.
      this.isPumping = false;
    }
  }
}

/** Parts of at most `limit` characters, never between the halves of a surrogate pair. */
export function* splitText(text: string, limit: number): Generator<string> {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(start + limit, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff && end - 1 > start) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}

/** Input in order: what is typed while a write is under way goes out together as the next one. */
export class InputQueue {
  private readonly write: (text: string) => Promise<void>;
  private readonly onError: (error: unknown) => void;
  private waiting = '';
  private isWriting = false;

  constructor(write: (text: string) => Promise<void>, onError: (error: unknown) => void) {
    this.write = write;
    this.onError = onError;
  }

  push(text: string): void {
    this.waiting += text;
    if (!this.isWriting) void this.flush();
  }

  private async flush(): Promise<void> {
    this.isWriting = true;
    try {
      while (this.waiting !== '') {
        const text = this.waiting;
        this.waiting = '';
        await this.write(text);
      }
    } catch (error) {
      this.waiting = '';
      this.onError(error);
    } finally {
      this.isWriting = false;
    }
  }
}
