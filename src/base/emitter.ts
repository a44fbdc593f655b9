import { type Disposable, toDisposable } from './disposable.ts';

/** Subscribes a listener; disposing the answer unsubscribes it. Structurally VS Code's `Event<T>`. */
export type Event<T> = (listener: (value: T) => void) => Disposable;

/**
 * One event source. Listeners are called in the order of subscription; one that throws is reported to
 * `onListenerError` and never keeps the others from hearing.
 */
export class Emitter<T> implements Disposable {
  private listeners: ((value: T) => void)[] = [];
  private isDisposed = false;
  private readonly onListenerError: (error: unknown) => void;

  constructor(onListenerError: (error: unknown) => void = rethrowLater) {
    this.onListenerError = onListenerError;
  }

  readonly event: Event<T> = (listener) => {
    if (this.isDisposed) return toDisposable(() => undefined);
    // A wrapper of its own makes the same function subscribable twice, each with its own end.
    const entry = (value: T): void => {
      listener(value);
    };
    this.listeners = [...this.listeners, entry];
    return toDisposable(() => {
      this.listeners = this.listeners.filter((candidate) => candidate !== entry);
    });
  };

  get hasListeners(): boolean {
    return this.listeners.length > 0;
  }

  fire(value: T): void {
    // The array is replaced, never changed, so a listener may unsubscribe while it is called.
    for (const listener of this.listeners) {
      try {
        listener(value);
      } catch (error) {
        this.onListenerError(error);
      }
    }
  }

  dispose(): void {
    this.isDisposed = true;
    this.listeners = [];
  }
}

/** Surfaces the error as an uncaught one, outside the caller's stack. */
function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
