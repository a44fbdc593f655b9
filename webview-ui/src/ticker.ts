/** One timer for all running times. It runs only while someone watches, on the second. */
class Ticker {
  private readonly listeners = new Set<() => void>();
  private timer: number | undefined;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    this.schedule();
    return () => {
      this.listeners.delete(listener);
    };
  }

  private schedule(): void {
    if (this.timer !== undefined || this.listeners.size === 0) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        for (const listener of [...this.listeners]) listener();
        this.schedule();
      },
      1_000 - (Date.now() % 1_000),
    );
  }
}

export const ticker = new Ticker();
