import { type DaemonFrame, isStreamFrame } from './frameCodec.ts';

/** Behind a frame of the stream; without a `part`, behind all of an event. */
export interface Place {
  readonly seq: number;
  readonly part?: number | undefined;
}

/**
 * Where a client stands in the daemon's event log. Over any number of connections it lets each frame of the stream
 * through once and in order: what a resumed stream repeats is dropped, and so is what a new connection sends before
 * its stream has been resumed, because that comes again.
 */
export class StreamPlace {
  private last: Place | undefined;
  /** Where the log stood when the first connection began: nothing before it was ever meant for this client. */
  private start: Place | undefined;
  private isInterrupted = false;
  private isStartingAnew = false;

  /** Where to go on after a drop; undefined where there is nothing to resume. */
  get resumeAfter(): Place | undefined {
    return this.isInterrupted ? (this.last ?? this.start) : undefined;
  }

  /** The connection is gone: no frame of the stream counts until it is `resumed`. */
  interrupt(): void {
    this.isInterrupted = (this.last ?? this.start) !== undefined;
    this.isStartingAnew = false;
  }

  /** The log from there on is gone: the stream begins anew with the answer to a `subscribe`. */
  startAnew(): void {
    this.isStartingAnew = true;
  }

  /** @returns false for a frame that the client has had, or will get again. */
  accept(frame: DaemonFrame): boolean {
    if (!isStreamFrame(frame)) {
      this.noteAnswer(frame);
      return true;
    }
    if (this.isInterrupted || !this.isNew(frame)) return false;
    this.last = { seq: frame.seq, part: frame.part };
    return true;
  }

  /** Here and not where the answer is awaited: the stream may follow it in the same breath. */
  private noteAnswer(frame: DaemonFrame): void {
    this.start ??= { seq: frame.seq };
    if (!this.isInterrupted) return;
    if (frame.type === 'resumed') this.isInterrupted = false;
    else if (frame.type === 'subscribed' && this.isStartingAnew) {
      this.last = undefined;
      this.start = { seq: frame.seq };
      this.isInterrupted = false;
      this.isStartingAnew = false;
    }
  }

  private isNew({ seq, part }: { readonly seq: number; readonly part: number }): boolean {
    const { last } = this;
    if (last === undefined || seq > last.seq) return true;
    return seq === last.seq && last.part !== undefined && part > last.part;
  }
}
