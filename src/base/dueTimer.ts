import type { Clock } from './clock.ts';
import type { Disposable } from './disposable.ts';

/** Looks again at least so often, also where a timer cannot wait as long as is asked. */
const longestWaitMs = 60 * 60 * 1_000;

/**
 * One timer for many deadlines: after it fired, its owner looks at all that is due and answers when the next one is.
 * A deadline that moves later costs nothing; one that comes earlier is told by `by`.
 */
export class DueTimer implements Disposable {
  private readonly clock: Clock;
  private readonly onDue: (now: number) => number;
  private timer: Disposable | undefined;
  private dueAt = Number.POSITIVE_INFINITY;
  private isDisposed = false;

  /** @param onDue does what is due and answers the time of the next deadline; `Infinity` for none. */
  constructor(clock: Clock, onDue: (now: number) => number) {
    this.clock = clock;
    this.onDue = onDue;
  }

  /** Fires at `time` (milliseconds since the epoch) or earlier. */
  by(time: number): void {
    if (this.isDisposed || time >= this.dueAt) return;
    this.timer?.dispose();
    this.dueAt = time;
    const wait = Math.min(longestWaitMs, Math.max(0, time - this.clock.now()));
    this.timer = this.clock.setTimer(wait, () => this.fire());
  }

  dispose(): void {
    this.isDisposed = true;
    this.timer?.dispose();
  }

  private fire(): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    this.timer = undefined;
    if (!this.isDisposed) this.by(this.onDue(this.clock.now()));
  }
}
