import { LastLines } from '../../core/terminals/lastLines.ts';
import { LineSearch } from '../../core/terminals/lineSearch.ts';
import { PlainText } from '../../core/terminals/plainText.ts';
import type { OutputWriter } from './outputWriter.ts';

export interface LogPrinterOptions {
  readonly isBytes: boolean;
  /** Only the last so many lines, printed at the end. */
  readonly lines: number | undefined;
  /** Only lines that have it, with their numbers, printed at the end. */
  readonly search?: string | RegExp | undefined;
}

/** Prints recorded output: as text that can do nothing to the reader's terminal, or byte for byte. */
export class LogPrinter {
  private readonly out: OutputWriter;
  private readonly text: PlainText | undefined;
  private readonly tail: LastLines | undefined;
  private readonly search: LineSearch | undefined;

  constructor(out: OutputWriter, options: LogPrinterOptions) {
    this.out = out;
    this.search = options.search === undefined ? undefined : new LineSearch(options.search);
    // Colours would stand in the way of what is searched for.
    const keepColour = out.isTty && this.search === undefined;
    this.text = options.isBytes ? undefined : new PlainText({ keepColour });
    this.tail = options.lines === undefined ? undefined : new LastLines(options.lines);
  }

  async print(bytes: Uint8Array): Promise<void> {
    if (this.text === undefined) await this.out.write(bytes);
    else await this.printText(this.text.push(bytes));
  }

  async end(): Promise<void> {
    if (this.text !== undefined) await this.printText(this.text.flush());
    if (this.tail !== undefined) await this.out.write(this.tail.toString());
    for (const { line, text } of this.search?.end() ?? []) await this.out.write(`${line}: ${text}\n`);
    // Colours that the program left on must not stay.
    if (this.text !== undefined && this.out.isTty) await this.out.write('\x1b[0m');
  }

  private async printText(text: string): Promise<void> {
    if (this.search !== undefined) this.search.push(text);
    else if (this.tail === undefined) await this.out.write(text);
    else this.tail.push(text);
  }
}
