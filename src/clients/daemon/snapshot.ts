import type { Disposable } from '../../base/disposable.ts';
import type { Clock } from '../../base/clock.ts';

/**
 * An immutable value that can be watched: the shape that React's `useSyncExternalStore` and most other libraries take.
 */
export class Snapshot<T extends object> {
  private value: T;
  private readonly clock: Clock;
  private readonly notifyEveryMs: number;
  private readonly listeners = new Set<() => void>();
  private timer: Disposable | undefined;

  /** @param notifyEveryMs listeners hear of many changes at once, this often at most; 0 for of each at once. */
  constructor(initial: T, clock: Clock, notifyEveryMs: number) {
    this.value = initial;
    this.clock = clock;
    this.notifyEveryMs = notifyEveryMs;
  }

  /** The same object as long as nothing has changed. */
  readonly get = (): T => this.value;

  /** @returns a function that takes the listener off again. */
  readonly subscribe = (listener: () => void): (() => void) => {
    // A wrapper of its own makes the same function subscribable twice.
    const entry = (): void => listener();
    this.listeners.add(entry);
    return () => {
      this.listeners.delete(entry);
    };
  };

  /** Keeps the object where every value is the same as it was. */
  change(changes: Partial<T>): void {
    const names = Object.keys(changes) as (keyof T)[];
    if (names.every((name) => Object.is(changes[name], this.value[name]))) return;
    this.value = { ...this.value, ...changes };
    if (this.notifyEveryMs === 0) this.notify();
    else this.timer ??= this.clock.setTimer(this.notifyEveryMs, () => this.notify());
  }

  dispose(): void {
    this.timer?.dispose();
    this.listeners.clear();
  }

  private notify(): void {
    this.timer = undefined;
    for (const listener of [...this.listeners]) listener();
  }
}
