/** The last lines of a text that comes in pieces; keeps no more than those. */
export class LastLines {
  private readonly limit: number;
  private lines: string[] = [];
  private unfinished = '';

  /** @param limit 0 or more. */
  constructor(limit: number) {
    this.limit = limit;
  }

  push(text: string): void {
    const parts = (this.unfinished + text).split('\n');
    this.unfinished = parts.pop() ?? '';
    for (const part of parts) this.lines.push(part);
    if (this.lines.length > 2 * this.limit + 1_000) this.lines = this.lastOf(this.lines);
  }

  toString(): string {
    if (this.unfinished === '')
      return this.lastOf(this.lines)
        .map((line) => `${line}\n`)
        .join('');
    return this.lastOf([...this.lastOf(this.lines), this.unfinished]).join('\n');
  }

  private lastOf(lines: readonly string[]): string[] {
    return this.limit === 0 ? [] : lines.slice(-this.limit);
  }
}
