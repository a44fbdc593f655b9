import type { OutputWriter } from './outputWriter.ts';
import { PlainText } from './plainText.ts';

export interface LogPrinterOptions {
  readonly isBytes: boolean;
  /** Only the last so many lines, printed at the end. */
  readonly lines: number | undefined;
}

/** Prints recorded output: as text that can do nothing to the reader's terminal, or byte for byte. */
export class LogPrinter {
  private readonly out: OutputWriter;
  private readonly text: PlainText | undefined;
  private readonly tail: LastLines | undefined;

  constructor(out: OutputWriter, options: LogPrinterOptions) {
    this.out = out;
    this.text = options.isBytes ? undefined : new PlainText({ keepColour: out.isTty });
    this.tail = options.lines === undefined ? undefined : new LastLines(options.lines);
  }

  async print(bytes: Uint8Array): Promise<void> {
    if (this.text === undefined) await this.out.write(bytes);
    else await this.printText(this.text.push(bytes));
  }

  async end(): Promise<void> {
    if (this.text !== undefined) await this.printText(this.text.flush());
    if (this.tail !== undefined) await this.out.write(this.tail.toString());
    // Colours that the program left on must not stay.
    if (this.text !== undefined && this.out.isTty) await this.out.write('\x1b[0m');
  }

  private async printText(text: string): Promise<void> {
    if (this.tail === undefined) await this.out.write(text);
    else this.tail.push(text);
  }
}

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
