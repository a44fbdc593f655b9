/** So many within a window of time; a new window begins with the first one after the last window's end. */
export class RateWindow {
  private readonly max: number;
  private readonly windowMs: number;
  private endsAt = Number.NEGATIVE_INFINITY;
  private count = 0;
  /** Windows in a row that had too many, the current one included. */
  private bursts = 0;

  constructor(max: number, windowMs: number) {
    this.max = max;
    this.windowMs = windowMs;
  }

  /** How many windows in a row have had too many. */
  get overWindows(): number {
    return this.bursts;
  }

  /** Counts one, or as many as it weighs. @returns by how many the window has too many now, 0 for none. */
  take(nowMs: number, weight = 1): number {
    if (nowMs >= this.endsAt) {
      const isNext = nowMs < this.endsAt + this.windowMs;
      if (this.count <= this.max || !isNext) this.bursts = 0;
      this.endsAt = nowMs + this.windowMs;
      this.count = 0;
    }
    const wasOver = this.count > this.max;
    this.count += weight;
    if (!wasOver && this.count > this.max) this.bursts += 1;
    return Math.max(0, this.count - this.max);
  }
}
