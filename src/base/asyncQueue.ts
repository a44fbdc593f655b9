/**
 * Hands what is pushed to one reader, in order. It grows with what is not read: whoever pushes limits how much that can
 * be.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  private items: T[] = [];
  private hasEnded = false;
  private failure: { readonly error: unknown } | undefined;
  private wake: (() => void) | undefined;

  push(item: T): void {
    if (this.hasEnded || this.failure !== undefined) return;
    this.items.push(item);
    this.wake?.();
  }

  /** The reader ends after what was pushed. */
  end(): void {
    this.hasEnded = true;
    this.wake?.();
  }

  /** The reader fails after what was pushed. */
  fail(error: unknown): void {
    this.failure ??= { error };
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    while (true) {
      const { items } = this;
      this.items = [];
      yield* items;
      if (this.items.length > 0) continue;
      if (this.failure !== undefined) throw this.failure.error;
      if (this.hasEnded) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
