import type { LineSource } from './firstError.ts';

/** Lines are drawn and measured in blocks of this many. */
export const blockLines = 64;

export const blockOf = (line: number): number => Math.floor(line / blockLines);

export interface TextMetrics {
  readonly lineHeight: number;
  /** Characters that fit in a row. */
  readonly columns: number;
}

/**
 * How high each block of lines is: as measured once it was drawn, else as its text should wrap. With a fixed-width
 * font that guess is nearly always exact, so that nothing jumps when it is drawn.
 */
export class BlockHeights {
  private readonly heights = new Map<number, { height: number; isMeasured: boolean }>();
  private metrics: TextMetrics = { lineHeight: 18, columns: 80 };

  /** Everything wraps anew in another width or font. */
  setMetrics(metrics: TextMetrics): boolean {
    if (metrics.columns === this.metrics.columns && metrics.lineHeight === this.metrics.lineHeight)
      return false;
    this.metrics = metrics;
    this.heights.clear();
    return true;
  }

  invalidateFrom(line: number): void {
    if (line === Number.POSITIVE_INFINITY) return;
    for (const block of this.heights.keys()) if (block >= blockOf(line)) this.heights.delete(block);
  }

  /** The first block loses lines when old output goes. */
  dropBefore(line: number): void {
    for (const block of this.heights.keys()) {
      if (block > blockOf(line)) break;
      if (block < blockOf(line)) this.heights.delete(block);
    }
  }

  invalidate(block: number): void {
    this.heights.delete(block);
  }

  setMeasured(block: number, height: number): void {
    this.heights.set(block, { height, isMeasured: true });
  }

  height(block: number, lines: LineSource): number {
    const known = this.heights.get(block);
    if (known !== undefined) return known.height;
    const from = Math.max(block * blockLines, lines.firstLine);
    const to = Math.min((block + 1) * blockLines, lines.endLine);
    let rows = 0;
    for (let number = from; number < to; number++) rows += this.rows(lines.line(number)?.text.length ?? 0);
    const height = rows * this.metrics.lineHeight;
    this.heights.set(block, { height, isMeasured: false });
    return height;
  }

  /** From the top of the first line to the top of `line`. */
  offsetOf(line: number, lines: LineSource): number {
    let offset = 0;
    for (let block = blockOf(lines.firstLine); block < blockOf(line); block++)
      offset += this.height(block, lines);
    for (let number = Math.max(blockOf(line) * blockLines, lines.firstLine); number < line; number++) {
      offset += this.rows(lines.line(number)?.text.length ?? 0) * this.metrics.lineHeight;
    }
    return offset;
  }

  private rows(length: number): number {
    return Math.max(1, Math.ceil(length / this.metrics.columns));
  }
}

export interface VisibleBlocks {
  readonly from: number;
  /** After the last one. */
  readonly to: number;
  readonly before: number;
  readonly after: number;
}

/** Which blocks touch the stretch from `top` to `bottom` (pixels from the first line), and what lies around them. */
export function visibleBlocks(
  heights: BlockHeights,
  lines: LineSource,
  top: number,
  bottom: number,
): VisibleBlocks {
  const first = blockOf(lines.firstLine);
  const end = lines.endLine === lines.firstLine ? first : blockOf(lines.endLine - 1) + 1;
  let offset = 0;
  let from = -1;
  let to = first;
  let before = 0;
  let shown = 0;
  for (let block = first; block < end; block++) {
    const height = heights.height(block, lines);
    if (offset + height > top && offset < bottom) {
      if (from === -1) {
        from = block;
        before = offset;
      }
      to = block + 1;
      shown += height;
    }
    offset += height;
  }
  if (from === -1) return { from: first, to: first, before: 0, after: offset };
  return { from, to, before, after: offset - before - shown };
}
