import type { ServerResponse } from 'node:http';
import type { AnswerFrame, ErrorFrame } from '../../../protocol/daemon/frames.ts';
import type { DaemonRequest } from '../../../protocol/daemon/requests.ts';
import type { Caller } from '../../access/caller.ts';
import type { AcceptClient, ClientHandler, ClientLink, FrameBatch } from '../../daemon/clientLink.ts';
import { placeText } from './place.ts';

export interface EventStreamOptions {
  readonly accept: AcceptClient;
  readonly caller: Caller;
  /** `subscribe`, or `resume` from the last event that arrived. */
  readonly begin: DaemonRequest;
  readonly outgoing: ServerResponse;
  /** Besides those of every event stream. */
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: EventStreamLimits;
}

export interface EventStreamLimits {
  /** Bytes that may wait to be written; what comes after them is read again from the log when there is room. */
  readonly maxWaitingBytes: number;
  /** A client that takes nothing for so long, in milliseconds, is let go; it comes back with its last event's id. */
  readonly stalledMs: number;
  /** A comment each so many milliseconds in which nothing else was sent. */
  readonly keepAliveMs: number;
}

export const defaultEventStreamLimits: EventStreamLimits = {
  maxWaitingBytes: 256 * 1024,
  stalledMs: 30_000,
  keepAliveMs: 15_000,
};

export interface EventStream {
  /** Ends it; the client may come back. */
  end(): void;
}

const streamHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
} as const;
/** How long a browser waits before it comes back, in milliseconds. */
const retryMs = 3_000;
/** What is smaller on average is copied into one piece: each piece costs about as much as copying this many bytes. */
const copiedBytes = 8 * 1024;
const keepAlive = Buffer.from(': keep-alive\n\n');
/** Of use to whoever asked over a WebSocket; here there was one question, and what it began is the answer. */
const unsaid: ReadonlySet<AnswerFrame['type']> = new Set([
  'subscribed',
  'resumed',
  'health_check_response',
  'auth_success',
  'pong',
]);

/** Frames that go to many streams are written down once. */
const encodedBatches = new WeakMap<FrameBatch, Buffer>();

/**
 * One client of the daemon that only listens, by server-sent events. All frames of a turn of the event loop leave in
 * one write; what a slow client has not taken is not kept for it, but read again from the log.
 *
 * @returns the stream once it runs; the daemon's error where it cannot begin at that place: nothing was sent then.
 */
export function openEventStream(options: EventStreamOptions): Promise<EventStream | ErrorFrame> {
  return new Promise((resolve) => {
    const stream = new Writer(options, resolve);
    stream.begin();
  });
}

class Writer implements ClientLink, EventStream {
  readonly caller: Caller;
  private readonly outgoing: ServerResponse;
  private readonly options: EventStreamOptions;
  private readonly began: (result: EventStream | ErrorFrame) => void;
  private handler: ClientHandler | undefined;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** A flush is due at the end of this turn. */
  private isScheduled = false;
  private state: 'opening' | 'open' | 'ended' = 'opening';
  /** Node holds more than it likes to. */
  private isFull = false;
  /** The daemon was told that it is enough. */
  private isHeldBack = false;
  private hasSpoken = false;
  private keepAliveTimer: NodeJS.Timeout | undefined;
  private stalledTimer: NodeJS.Timeout | undefined;

  constructor(options: EventStreamOptions, began: (result: EventStream | ErrorFrame) => void) {
    this.options = options;
    this.caller = options.caller;
    this.outgoing = options.outgoing;
    this.began = began;
  }

  begin(): void {
    const { outgoing } = this;
    outgoing.on('close', () => this.finish());
    outgoing.on('error', () => this.finish());
    outgoing.on('drain', () => {
      this.isFull = false;
      clearTimeout(this.stalledTimer);
      this.takeMore();
    });
    this.handler = this.options.accept(this);
    this.handler.handle(this.options.begin);
  }

  answer(frame: AnswerFrame & { readonly seq: number }): void {
    if (this.state === 'opening') {
      if (frame.type === 'error') {
        this.finish();
        this.began(frame);
        return;
      }
      if (frame.type === 'subscribed' || frame.type === 'resumed') this.open();
    }
    // A notice has no place in the stream: it must not become the last event's id.
    if (!unsaid.has(frame.type)) this.put(Buffer.from(`data: ${JSON.stringify(frame)}\n\n`));
  }

  deliver(batch: FrameBatch): boolean {
    if (this.state === 'ended') return false;
    this.put(encoded(batch));
    this.isHeldBack = this.isFull || this.waitingBytes >= this.options.limits.maxWaitingBytes;
    return !this.isHeldBack;
  }

  close(): void {
    this.end();
  }

  end(): void {
    if (this.state !== 'open') return;
    this.flush();
    this.outgoing.end();
    this.finish();
  }

  private open(): void {
    this.state = 'open';
    const { outgoing } = this;
    const { headers, limits } = this.options;
    outgoing.writeHead(200, { ...streamHeaders, ...headers });
    outgoing.write(`retry: ${retryMs}\n\n`);
    this.keepAliveTimer = setInterval(() => {
      if (!this.hasSpoken && !this.isFull) outgoing.write(keepAlive);
      this.hasSpoken = false;
    }, limits.keepAliveMs).unref();
    this.schedule();
    this.began(this);
  }

  private put(bytes: Buffer): void {
    if (this.state === 'ended') return;
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    this.schedule();
  }

  /** At the end of the turn, so that what comes in it leaves together, and what comes alone leaves at once. */
  private schedule(): void {
    if (this.isScheduled || this.state !== 'open' || this.waitingBytes === 0) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.flush();
      if (!this.isFull) this.takeMore();
    });
  }

  private flush(): void {
    const { waiting, waitingBytes, outgoing } = this;
    if (this.state !== 'open' || waitingBytes === 0) return;
    this.waiting = [];
    this.waitingBytes = 0;
    this.hasSpoken = true;
    let hasRoom: boolean;
    if (waitingBytes / waiting.length < copiedBytes) {
      hasRoom = outgoing.write(waiting.length === 1 ? waiting[0] : Buffer.concat(waiting, waitingBytes));
    } else {
      // Node gathers them until the end of this tick; the last one's answer is that of all.
      hasRoom = waiting.map((bytes) => outgoing.write(bytes)).at(-1) === true;
    }
    if (hasRoom || this.isFull) return;
    this.isFull = true;
    this.stalledTimer = setTimeout(() => outgoing.destroy(), this.options.limits.stalledMs).unref();
  }

  private takeMore(): void {
    if (!this.isHeldBack || this.state !== 'open') return;
    this.isHeldBack = false;
    this.handler?.drained();
  }

  private finish(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    clearInterval(this.keepAliveTimer);
    clearTimeout(this.stalledTimer);
    this.waiting = [];
    this.waitingBytes = 0;
    this.handler?.dispose();
  }
}

function encoded(batch: FrameBatch): Buffer {
  let bytes = encodedBatches.get(batch);
  if (bytes === undefined) {
    let text = '';
    for (const frame of batch.frames) text += `id: ${placeText(frame)}\ndata: ${JSON.stringify(frame)}\n\n`;
    bytes = Buffer.from(text);
    encodedBatches.set(batch, bytes);
  }
  return bytes;
}
