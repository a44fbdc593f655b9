/** Entries are drawn and measured in chunks of this many. */
export const chunkEntries = 8;
const guessedEntryPx = 34;

export interface VisibleChunks {
  /** First and after the last. */
  readonly from: number;
  readonly to: number;
  /** Pixels before the first and after the last. */
  readonly before: number;
  readonly after: number;
}

/** How high each chunk of entries is: as measured once it was drawn, else a guess. */
export class ChunkHeights {
  private readonly heights = new Map<number, number>();

  clear(): void {
    this.heights.clear();
  }

  dropBefore(chunk: number): void {
    for (const known of this.heights.keys()) if (known < chunk) this.heights.delete(known);
  }

  setMeasured(chunk: number, height: number): void {
    this.heights.set(chunk, height);
  }

  height(chunk: number, entries: number): number {
    return this.heights.get(chunk) ?? entries * guessedEntryPx;
  }

  /** Which chunks of entries [first, end) lie between two offsets from the beginning of the first. */
  visible(first: number, end: number, top: number, bottom: number): VisibleChunks {
    const [start, stop] = [Math.floor(first / chunkEntries), Math.ceil(end / chunkEntries)];
    let from = start;
    let before = 0;
    let offset = 0;
    let to = start;
    let shownEnd = 0;
    for (let chunk = start; chunk < stop; chunk += 1) {
      const count = Math.min((chunk + 1) * chunkEntries, end) - Math.max(chunk * chunkEntries, first);
      const height = this.height(chunk, count);
      // At least one chunk is always drawn, so that there is something to measure.
      if (offset + height <= top && chunk < stop - 1) {
        from = chunk + 1;
        before = offset + height;
      }
      if (offset < bottom || chunk === from) {
        to = chunk + 1;
        shownEnd = offset + height;
      }
      offset += height;
    }
    return {
      from,
      to: Math.max(to, Math.min(from + 1, stop)),
      before,
      after: Math.max(0, offset - shownEnd),
    };
  }
}
