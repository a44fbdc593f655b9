import { type Disposable, toDisposable } from './disposable.ts';

/** Time as a dependency, so that what depends on it is tested without waiting. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `delayMs`; disposing the answer cancels. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return toDisposable(() => {
      clearTimeout(handle);
    });
  },
};

/** A clock that stands still until `advance` is called; due timers run in the order of their times. */
export class FakeClock implements Clock {
  private timeMs: number;
  private timers: { dueMs: number; order: number; callback: () => void }[] = [];
  private nextOrder = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.timeMs = startMs;
  }

  now(): number {
    return this.timeMs;
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    const timer = { dueMs: this.timeMs + delayMs, order: this.nextOrder++, callback };
    this.timers.push(timer);
    return toDisposable(() => {
      this.timers = this.timers.filter((candidate) => candidate !== timer);
    });
  }

  advance(byMs: number): void {
    const endMs = this.timeMs + byMs;
    for (;;) {
      const due = this.timers
        .filter((timer) => timer.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.timeMs = Math.max(this.timeMs, due.dueMs);
      due.callback();
    }
    this.timeMs = endMs;
  }
}
