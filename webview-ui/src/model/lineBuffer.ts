import { AnsiParser } from './ansi.ts';
import type { AnsiSink } from './ansi.ts';
import { emptyLine, replaceRange } from './line.ts';
import type { Line } from './line.ts';
import { applySgr, Flag, plain } from './style.ts';
import type { Style } from './style.ts';

export interface LineBufferLimits {
  readonly maxLines: number;
  readonly maxChars: number;
  /** A longer line goes on in the next one, so that no single line can stall the view. */
  readonly maxLineChars: number;
  /** How far up a program may move to redraw, in lines. */
  readonly redrawLines: number;
}

export const defaultLimits: LineBufferLimits = {
  maxLines: 20_000,
  maxChars: 4_000_000,
  maxLineChars: 8_000,
  redrawLines: 200,
};

const note: Style = { foreground: -1, background: -1, flags: Flag.dim | Flag.italic };

/**
 * The end of a step's output as styled lines. It does what a terminal does within a few lines, so that progress bars
 * and spinners look as they should (carriage return, backspace, erase, moves up and down); what would need a whole
 * screen (absolute positions, the alternate screen) is left out. Lines are numbered from the first one ever seen, so
 * numbers stay right when old lines go.
 */
export class LineBuffer {
  private readonly limits: LineBufferLimits;
  private readonly parser: AnsiParser;
  private lines: Line[] = [emptyLine];
  /** How many entries at the front of `lines` are gone: removing them one by one would cost too much. */
  private head = 0;
  private first = 0;
  private row = 0;
  private column = 0;
  /** Moves up stop here: at what the program itself cleared away. */
  private topRow = 0;
  private style: Style = plain;
  private savedRow = 0;
  private savedColumn = 0;
  private isAlternateScreen = false;
  private chars = 0;
  private droppedChars = 0;
  private dirty = 0;

  constructor(limits: Partial<LineBufferLimits> = {}) {
    this.limits = { ...defaultLimits, ...limits };
    const sink: AnsiSink = {
      print: (text) => {
        if (!this.isAlternateScreen) this.print(text);
      },
      control: (code) => {
        if (!this.isAlternateScreen) this.control(code);
      },
      sequence: (final, parameters) => this.sequence(final, parameters),
      reset: () => {
        this.style = plain;
        this.isAlternateScreen = false;
        this.startFresh();
      },
    };
    this.parser = new AnsiParser(sink);
  }

  /** Number of the oldest line that is still here. */
  get firstLine(): number {
    return this.first;
  }

  /** Number after the last line. An empty last line is where the cursor waits, not a line. */
  get endLine(): number {
    const count = this.lines.length - this.head;
    const last = this.lines.at(-1);
    return this.first + (last?.text === '' ? count - 1 : count);
  }

  /** UTF-16 units that were shown once and had to go. */
  get dropped(): number {
    return this.droppedChars;
  }

  line(number: number): Line | undefined {
    return number < this.first ? undefined : this.lines[this.head + number - this.first];
  }

  /** The lowest line that changed since the last call, for the view to draw again; Infinity for none. */
  takeDirty(): number {
    const { dirty } = this;
    this.dirty = Number.POSITIVE_INFINITY;
    return dirty;
  }

  write(text: string): void {
    this.parser.write(text);
    this.trim();
  }

  /** A remark of ours between the lines. */
  addNote(text: string): void {
    this.startFresh();
    this.setLine(this.row, { text, runs: [{ start: 0, style: note }] });
    this.newLine();
    // It is ours: nothing that a program prints gets back to it.
    this.topRow = this.row;
  }

  private print(text: string): void {
    let rest = text;
    while (rest !== '') {
      const room = this.limits.maxLineChars - this.column;
      if (room <= 0) {
        this.newLine();
        continue;
      }
      const part = rest.slice(0, room);
      const line = this.line(this.row) ?? emptyLine;
      this.setLine(this.row, replaceRange(line, this.column, this.column + part.length, part, this.style));
      this.column += part.length;
      rest = rest.slice(room);
    }
  }

  private control(code: number): void {
    if (code === 0x0a) this.newLine();
    else if (code === 0x0d) this.column = 0;
    else if (code === 0x08) this.column = Math.max(0, this.column - 1);
    else if (code === 0x09) {
      const to = Math.min((Math.floor(this.column / 8) + 1) * 8, this.limits.maxLineChars);
      const length = this.line(this.row)?.text.length ?? 0;
      // A tab moves; only beyond the end of the line does it leave blanks.
      if (to > length) {
        this.column = Math.max(this.column, length);
        this.print(' '.repeat(to - this.column));
      } else this.column = to;
    }
  }

  private newLine(): void {
    this.column = 0;
    this.moveTo(this.row + 1);
  }

  private moveTo(row: number): void {
    this.row = row;
    while (this.first + this.lines.length - this.head <= row) {
      this.lines.push(emptyLine);
      this.markDirty(row);
      // A flood in one chunk must not grow the buffer beyond its bounds either.
      if (this.lines.length - this.head > this.limits.maxLines * 2) this.trim();
    }
  }

  private get lastRow(): number {
    return this.first + this.lines.length - this.head - 1;
  }

  /** Where a program that clears its screen goes on: below everything, so that nothing shown is lost. */
  private startFresh(): void {
    this.moveTo(this.lastRow);
    if ((this.line(this.row)?.text ?? '') !== '') this.moveTo(this.row + 1);
    this.column = 0;
    this.topRow = this.row;
  }

  private moveUp(by: number): void {
    const top = Math.max(this.topRow, this.first, this.lastRow - this.limits.redrawLines);
    this.row = Math.min(this.row, Math.max(top, this.row - by));
  }

  private sequence(final: string, parameters: string): void {
    if (final === 'm') {
      // `ESC [ > … m` and the like are questions to the terminal, not colours.
      if (!/[^\d;:]/.test(parameters)) this.style = applySgr(this.style, parameters);
      return;
    }
    if (final === 'h' || final === 'l') {
      this.setMode(parameters, final === 'h');
      return;
    }
    if (this.isAlternateScreen || /[^\d;]/.test(parameters)) return;
    const given = Number.parseInt(parameters, 10) || 0;
    const count = Math.max(1, given);
    const line = this.line(this.row) ?? emptyLine;
    switch (final) {
      case 'A':
        this.moveUp(count);
        return;
      case 'B':
        this.moveTo(Math.min(this.row + count, this.lastRow));
        return;
      case 'E':
        this.column = 0;
        this.moveTo(Math.min(this.row + count, this.lastRow));
        return;
      case 'F':
        this.column = 0;
        this.moveUp(count);
        return;
      case 'C':
        this.column = Math.min(this.column + count, this.limits.maxLineChars - 1);
        return;
      case 'D':
        this.column = Math.max(0, this.column - count);
        return;
      case 'G':
        this.column = Math.min(count, this.limits.maxLineChars) - 1;
        return;
      case 'K':
        this.setLine(this.row, this.erasedInLine(line, given));
        return;
      case 'P':
        if (this.column < line.text.length) {
          this.setLine(this.row, replaceRange(line, this.column, this.column + count, '', plain));
        }
        return;
      case 'X': {
        const length = Math.min(count, line.text.length - this.column);
        if (length > 0) {
          const end = this.column + length;
          this.setLine(this.row, replaceRange(line, this.column, end, ' '.repeat(length), plain));
        }
        return;
      }
      case 'J':
        if (given >= 2) this.startFresh();
        else if (given === 0) this.eraseBelow(line);
        return;
      case 's':
        this.savedRow = this.row;
        this.savedColumn = this.column;
        return;
      case 'u':
        this.row = Math.max(this.savedRow, this.first, this.topRow);
        this.column = this.savedColumn;
        return;
      default:
        return;
    }
  }

  private erasedInLine(line: Line, mode: number): Line {
    if (mode === 2) return emptyLine;
    if (mode === 1) {
      const end = Math.min(this.column + 1, line.text.length);
      return end === line.text.length ? emptyLine : replaceRange(line, 0, end, ' '.repeat(end), plain);
    }
    return this.column >= line.text.length
      ? line
      : replaceRange(line, this.column, line.text.length, '', plain);
  }

  private eraseBelow(line: Line): void {
    this.setLine(this.row, this.erasedInLine(line, 0));
    for (let row = this.row + 1; row <= this.lastRow; row++) this.setLine(row, emptyLine);
    this.lines.length = this.head + this.row - this.first + 1;
  }

  private setMode(parameters: string, isOn: boolean): void {
    if (!/^\?(?:.*;)?(?:47|1047|1049)(?:;|$)/.test(parameters) || isOn === this.isAlternateScreen) return;
    this.isAlternateScreen = isOn;
    if (isOn) this.addNote('A full-screen program took over here. Open the terminal to see it.');
  }

  private setLine(row: number, line: Line): void {
    const index = this.head + row - this.first;
    const before = this.lines[index] ?? emptyLine;
    if (before === line) return;
    this.lines[index] = line;
    this.chars += line.text.length - before.text.length;
    this.markDirty(row);
  }

  private markDirty(row: number): void {
    if (row < this.dirty) this.dirty = row;
  }

  private trim(): void {
    const { maxLines, maxChars } = this.limits;
    let index = this.head;
    while (index < this.lines.length - 1 && (this.lines.length - index > maxLines || this.chars > maxChars)) {
      const length = this.lines[index]?.text.length ?? 0;
      this.chars -= length;
      this.droppedChars += length + 1;
      index++;
    }
    this.first += index - this.head;
    this.head = index;
    if (this.row < this.first) this.row = this.first;
    if (this.head > 4_096 && this.head * 2 > this.lines.length) {
      this.lines = this.lines.slice(this.head);
      this.head = 0;
    }
  }
}
