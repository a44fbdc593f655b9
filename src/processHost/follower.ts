import type { TerminalExit } from '../core/ports/processHost.ts';
import { type ResizeEntry, resizeIndexAt } from './recordFiles.ts';
import type { TerminalRecord } from './terminalRecord.ts';
import type { HostNotifications } from './wire.ts';

/** Where a follower's frames go: one connection. */
export interface FollowerChannel {
  /** The peer does not take more at the moment; `pump` is called again once it does. */
  readonly isCongested: boolean;
  sendOutput(stream: number, offset: number, bytes: Buffer): void;
  notify<N extends keyof HostNotifications>(name: N, params: HostNotifications[N]): void;
}

export interface FollowerOptions {
  readonly stream: number;
  readonly from: number;
  readonly windowBytes: number;
  readonly isForeground: boolean;
}

/** Largest output frame. */
const frameBytes = 64 * 1024;

/**
 * One reader of one terminal. It is sent what its window and its connection take; what it has not been sent stays in
 * the record, so that a reader that stalls costs nothing.
 */
export class Follower {
  readonly stream: number;
  readonly isForeground: boolean;
  private readonly record: TerminalRecord;
  private readonly channel: FollowerChannel;
  private readonly windowBytes: number;
  /** Offset of the next byte to send. */
  private position: number;
  private acked: number;
  /** The size that it was told last. */
  private size: ResizeEntry | undefined;
  private hasEnded = false;

  constructor(record: TerminalRecord, channel: FollowerChannel, options: FollowerOptions) {
    this.record = record;
    this.channel = channel;
    this.stream = options.stream;
    this.isForeground = options.isForeground;
    this.windowBytes = options.windowBytes;
    this.position = options.from;
    this.acked = options.from;
  }

  /** Bytes that it has not acknowledged, sent or not. */
  get lag(): number {
    return this.record.end - this.acked;
  }

  get window(): number {
    return this.windowBytes;
  }

  ack(offset: number): void {
    // Nobody has used what was not sent.
    this.acked = Math.max(this.acked, Math.min(offset, this.position));
  }

  /**
   * Sends what can be sent, the size that holds at its position first: a reader that was given a snapshot may not know
   * of a resize since.
   * @param live bytes that were just recorded, so that a reader at their start needs no disk.
   */
  pump(exit: TerminalExit | undefined, live?: { offset: number; data: Buffer }): void {
    while (!this.hasEnded && !this.channel.isCongested) {
      const { resizes } = this.record;
      const index = resizeIndexAt(resizes, this.position);
      this.tellSize(resizes[index]);
      const nextResize = resizes[index + 1]?.offset ?? Number.POSITIVE_INFINITY;
      if (this.position >= this.record.end) {
        if (exit === undefined) return;
        this.hasEnded = true;
        this.channel.notify('end', { stream: this.stream, exit });
        return;
      }
      const room = Math.min(
        this.windowBytes - (this.position - this.acked),
        nextResize - this.position,
        frameBytes,
      );
      if (room <= 0) return;
      const skip = live === undefined ? -1 : this.position - live.offset;
      if (live !== undefined && skip >= 0 && skip < live.data.length) {
        this.send(live.data.subarray(skip, skip + room));
        continue;
      }
      const { from, data } = this.record.read(this.position, room);
      if (from > this.position) this.skipTo(from);
      else this.send(data);
      if (data.length === 0 && from <= this.position) return;
    }
  }

  private send(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.channel.sendOutput(this.stream, this.position, bytes);
    this.position += bytes.length;
  }

  /** What is gone cannot be acknowledged; it takes no part of the window. */
  private skipTo(offset: number): void {
    this.channel.notify('gap', { stream: this.stream, from: this.position, to: offset });
    this.position = offset;
    this.acked = offset;
  }

  private tellSize(size: ResizeEntry | undefined): void {
    if (size === undefined || size === this.size) return;
    this.size = size;
    this.channel.notify('resize', { stream: this.stream, cols: size.cols, rows: size.rows });
  }
}
