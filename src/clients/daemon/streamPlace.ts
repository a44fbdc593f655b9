import type { DaemonFrame } from './frameCodec.ts';

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

  /** Where to go on after a drop; undefined before the first frame. */
  get resumeAfter(): Place | undefined {
    return this.last ?? this.start;
  }

  /** The connection is gone: no frame of the stream counts until `resume`. */
  interrupt(): void {
    this.isInterrupted = this.resumeAfter !== undefined;
  }

  /** The stream goes on from here. */
  resume(): void {
    this.isInterrupted = false;
  }

  /** The log as it was is gone: from now on. */
  restart(seq: number): void {
    this.last = undefined;
    this.start = { seq };
    this.isInterrupted = false;
  }

  /** @returns false for a frame that the client has had, or will get again. */
  accept(frame: DaemonFrame): boolean {
    if (!('part' in frame) || frame.type === 'resumed') {
      this.start ??= { seq: frame.seq };
      return true;
    }
    if (this.isInterrupted || !this.isNew(frame)) return false;
    this.last = { seq: frame.seq, part: frame.part };
    return true;
  }

  private isNew({ seq, part }: { readonly seq: number; readonly part: number }): boolean {
    const { last } = this;
    if (last === undefined || seq > last.seq) return true;
    return seq === last.seq && last.part !== undefined && part > last.part;
  }
}
