import type { ServerResponse } from 'node:http';
import type { EventStreamLimits } from '../events/eventStream.ts';

const streamHeaders = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache',
  'X-Accel-Buffering': 'no',
} as const;

/**
 * Server-sent events to one client, for a source that is pulled: it waits for room before it reads on, so that nothing is
 * kept for a slow client but what Node holds of one write. All frames of a turn of the event loop leave in one write.
 */
export class SseWriter {
  /** The client is gone, or the stream was ended. */
  readonly ended: AbortSignal;
  private readonly outgoing: ServerResponse;
  private readonly limits: EventStreamLimits;
  private readonly ending = new AbortController();
  private waiting = '';
  private isScheduled = false;
  private isFull = false;
  private stalledTimer: NodeJS.Timeout | undefined;
  private wake: () => void = () => undefined;

  /** @param headers besides those of every event stream */
  constructor(
    outgoing: ServerResponse,
    limits: EventStreamLimits,
    headers: Readonly<Record<string, string>>,
  ) {
    this.outgoing = outgoing;
    this.limits = limits;
    this.ended = this.ending.signal;
    outgoing.on('close', () => this.finish());
    outgoing.on('error', () => this.finish());
    outgoing.on('drain', () => {
      this.isFull = false;
      clearTimeout(this.stalledTimer);
      this.wake();
    });
    // It may have gone while its run was started; nobody tells of that again.
    if (outgoing.closed) {
      this.finish();
      return;
    }
    outgoing.writeHead(200, { ...streamHeaders, ...headers });
    outgoing.flushHeaders();
  }

  /** Never blocks; whoever has much to say asks for `room` in between. */
  put(frames: string): void {
    if (this.ended.aborted) return;
    this.waiting += frames;
    if (this.waiting.length >= this.limits.maxWaitingBytes) this.flush();
    else this.schedule();
  }

  get hasRoom(): boolean {
    return !this.isFull || this.ended.aborted;
  }

  /** Resolves when the client has taken what was written, or is gone. */
  async room(): Promise<void> {
    while (!this.hasRoom) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** Writes what waits, and ends the answer. */
  end(): void {
    if (this.ended.aborted) return;
    this.flush();
    this.outgoing.end();
    this.finish();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.ended.aborted || this.waiting === '') return;
    const text = this.waiting;
    this.waiting = '';
    if (this.outgoing.write(text) || this.isFull) return;
    this.isFull = true;
    // It comes back with its last event's id.
    this.stalledTimer = setTimeout(() => this.outgoing.destroy(), this.limits.stalledMs).unref();
  }

  private finish(): void {
    if (this.ended.aborted) return;
    clearTimeout(this.stalledTimer);
    this.waiting = '';
    this.ending.abort();
    this.wake();
  }
}
