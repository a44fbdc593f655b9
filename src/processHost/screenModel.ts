import { SerializeAddon } from '@xterm/addon-serialize';
import { Terminal } from '@xterm/headless';
import {
  listSegments,
  readPreamble,
  readSegments,
  recordEnd,
  type ResizeEntry,
  resizeIndexAt,
  type Segment,
} from './recordFiles.ts';
import { PrivateModes } from './privateModes.ts';
import { SequenceBoundary } from './sequenceBoundary.ts';

export interface ScreenRequest {
  /** Folder of the record. */
  readonly dir: string;
  readonly resizes: readonly ResizeEntry[];
  /** End of the record, and what of it is not on disk. */
  readonly end: number;
  readonly unwritten: { readonly from: number; readonly data: Uint8Array };
  readonly scrollback: number;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
}

export interface Screen {
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
  readonly data: string;
  readonly text: string;
}

const pageBytes = 1024 * 1024;
/** Below the frame limit, with room for what JSON escapes. */
const maxDataBytes = 6 * 1024 * 1024;
const minScrollback = 1_000;
/** A long line of a log. Where lines are longer, more is read. */
const tailBytesPerLine = 160;
const minTailBytes = 256 * 1024;
/** Within so much a line must begin, or nothing is left out. */
const lineSearchBytes = 64 * 1024;

/** A headless terminal that is fed from a record, only as far and as often as somebody asks. */
export class ScreenModel {
  readonly scrollback: number;
  private readonly terminal: Terminal;
  private readonly modes: ExtraModes;
  private readonly serializer = new SerializeAddon();
  private boundary = new SequenceBoundary();
  /** Everything before is on the screen. */
  private position = 0;
  /** [position, read): a sequence that is not complete. */
  private incomplete: Buffer[] = [];
  private read = 0;

  constructor(scrollback: number) {
    this.scrollback = Math.max(scrollback, minScrollback);
    this.terminal = createTerminal(80, 24, this.scrollback);
    this.terminal.loadAddon(this.serializer);
    boundRepetitions(this.terminal);
    this.modes = new ExtraModes(this.terminal);
  }

  /** Brings the model to the end of the record and draws it. Calls must not overlap. */
  async draw(request: ScreenRequest): Promise<Screen> {
    await this.advance(request);
    const { cols, rows } = this.terminal;
    const wantedCols = request.cols ?? cols;
    const wantedRows = request.rows ?? rows;
    if (wantedCols === cols && wantedRows === rows)
      return this.take(this.terminal, this.serializer, request.scrollback);
    // Another layout is made of a copy: the model itself stays as the program sees it.
    const copy = createTerminal(cols, rows, this.scrollback);
    const serializer = new SerializeAddon();
    copy.loadAddon(serializer);
    await write(copy, this.serialize(this.serializer, this.terminal, this.scrollback));
    copy.resize(wantedCols, wantedRows);
    try {
      return this.take(copy, serializer, request.scrollback);
    } finally {
      copy.dispose();
    }
  }

  dispose(): void {
    this.terminal.dispose();
  }

  private async advance(request: ScreenRequest): Promise<void> {
    const { dir, unwritten } = request;
    const segments = listSegments(dir);
    if (this.read > 0) {
      await this.parse(request, segments);
      return;
    }
    // A long record is drawn from its last part, as long as that fills the scrollback.
    const start = segments[0]?.offset ?? unwritten.from;
    let tailBytes = Math.max(minTailBytes, this.scrollback * tailBytesPerLine);
    for (;;) {
      const tail = findTail(dir, segments, tailBytes);
      this.skipTo(tail?.from ?? start);
      await write(this.terminal, tail?.preamble ?? readPreamble(dir));
      await this.parse(request, segments);
      if (tail === undefined || this.terminal.buffer.normal.baseY >= this.scrollback) return;
      tailBytes *= 4;
      this.terminal.reset();
      this.modes.reset();
    }
  }

  private async parse(
    { dir, resizes, end, unwritten }: ScreenRequest,
    segments: readonly Segment[],
  ): Promise<void> {
    while (this.read < end) {
      this.applySize(resizes);
      const nextResize = resizes[resizeIndexAt(resizes, this.read) + 1]?.offset ?? Number.POSITIVE_INFINITY;
      const limit = Math.min(pageBytes, end - this.read, nextResize - this.read);
      const stored = readSegments(dir, segments, this.read, limit);
      let { from } = stored;
      let data: Uint8Array = stored.data;
      if (data.length === 0) {
        if (unwritten.data.length === 0 || recordEnd(segments) >= end) break;
        from = Math.max(this.read, unwritten.from);
        data = unwritten.data.subarray(from - unwritten.from, from - unwritten.from + limit);
        if (data.length === 0) break;
      }
      if (from > this.read) this.skipTo(from);
      await this.feed(Buffer.from(data));
    }
    this.applySize(resizes);
  }

  /** What was dropped or torn out breaks any sequence that was open. */
  private skipTo(offset: number): void {
    this.boundary = new SequenceBoundary();
    this.incomplete = [];
    this.position = this.read = offset;
  }

  private async feed(data: Buffer): Promise<void> {
    const complete = this.boundary.feed(data);
    this.read += data.length;
    if (complete === 0) {
      this.incomplete.push(data);
      return;
    }
    const bytes = Buffer.concat([...this.incomplete, data.subarray(0, complete)]);
    this.incomplete = complete < data.length ? [data.subarray(complete)] : [];
    this.position += bytes.length;
    await write(this.terminal, bytes);
  }

  private applySize(resizes: readonly ResizeEntry[]): void {
    const size = resizes[resizeIndexAt(resizes, this.read)];
    if (size !== undefined) {
      this.terminal.resize(size.cols, size.rows);
    }
  }

  private take(terminal: Terminal, serializer: SerializeAddon, scrollback: number): Screen {
    let lines = Math.min(scrollback, this.scrollback);
    let data = this.serialize(serializer, terminal, lines);
    while (data.length > maxDataBytes && lines > 0) {
      lines = Math.floor(lines / 2);
      data = this.serialize(serializer, terminal, lines);
    }
    const { active } = terminal.buffer;
    const text = Array.from(
      { length: terminal.rows },
      (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
    ).join('\n');
    return { offset: this.position, cols: terminal.cols, rows: terminal.rows, data, text };
  }

  private serialize(serializer: SerializeAddon, terminal: Terminal, scrollback: number): string {
    return serializer.serialize({ scrollback, excludeModes: true }) + this.modes.serialize(terminal);
  }
}

/**
 * Where the last `bytes` of a record may be drawn without the rest: at the start of a line, outside of full-screen
 * programs. Undefined where they may not, or where there is no more than that.
 */
function findTail(
  dir: string,
  segments: readonly Segment[],
  bytes: number,
): { from: number; preamble: string } | undefined {
  const from = recordEnd(segments) - bytes;
  if (from <= (segments[0]?.offset ?? 0)) return undefined;
  const first = readSegments(dir, segments, from, lineSearchBytes);
  const lineEnd = first.data.indexOf(0x0a);
  if (lineEnd < 0) return undefined;
  const lineStart = first.from + lineEnd + 1;
  const modes = PrivateModes.parse(readPreamble(dir));
  let position = segments[0]?.offset ?? 0;
  while (position < lineStart) {
    const page = readSegments(dir, segments, position, Math.min(pageBytes, lineStart - position));
    if (page.data.length === 0 || page.from >= lineStart) break;
    modes.fold(page.data.subarray(0, lineStart - page.from));
    position = page.from + page.data.length;
  }
  return modes.isPlain ? { from: lineStart, preamble: modes.preamble } : undefined;
}

function createTerminal(cols: number, rows: number, scrollback: number): Terminal {
  return new Terminal({ cols, rows, scrollback, allowProposedApi: true, logLevel: 'off' });
}

/** No screen has more rows or columns. */
const maxRepetitions = 1_000;

/**
 * Lines to insert, delete and scroll, tabs, and repetitions of a character: xterm does as often as it is told, without
 * end for 2,147,483,647, and takes 8 GiB for the last. Such a number is nobody's intention, so nothing is done then.
 */
function boundRepetitions({ parser }: Terminal): void {
  for (const final of ['L', 'M', 'S', 'T', 'I', 'Z', 'b']) {
    parser.registerCsiHandler({ final }, ([count]) => typeof count === 'number' && count > maxRepetitions);
  }
}

function write(terminal: Terminal, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    terminal.write(data, resolve);
  });
}

const mouseModes = {
  none: '',
  x10: '\x1b[?9h',
  vt200: '\x1b[?1000h',
  drag: '\x1b[?1002h',
  any: '\x1b[?1003h',
};

/** Modes of a terminal as sequences; those that xterm does not tell are watched as they come. */
class ExtraModes {
  private isCursorHidden = false;
  private mouseEncoding: number | undefined;
  private cursorStyle: number | undefined;
  private margins: readonly [number, number] | undefined;

  constructor(terminal: Terminal) {
    const { parser } = terminal;
    const seePrivate = (isSet: boolean) => (params: (number | number[])[]) => {
      for (const param of params) this.setPrivate(param, isSet);
      return false;
    };
    parser.registerCsiHandler({ prefix: '?', final: 'h' }, seePrivate(true));
    parser.registerCsiHandler({ prefix: '?', final: 'l' }, seePrivate(false));
    parser.registerCsiHandler({ intermediates: ' ', final: 'q' }, ([style]) => {
      this.cursorStyle = typeof style === 'number' && style > 0 ? style : undefined;
      return false;
    });
    parser.registerCsiHandler({ final: 'r' }, ([top, bottom]) => {
      const first = typeof top === 'number' && top > 0 ? top : 1;
      const last = typeof bottom === 'number' && bottom > 0 ? bottom : terminal.rows;
      if (last > first) this.margins = first === 1 && last >= terminal.rows ? undefined : [first, last];
      return false;
    });
    parser.registerEscHandler({ final: 'c' }, () => {
      this.reset();
      return false;
    });
    parser.registerCsiHandler({ intermediates: '!', final: 'p' }, () => {
      this.isCursorHidden = false;
      this.margins = undefined;
      return false;
    });
    terminal.onResize(() => {
      this.margins = undefined;
    });
  }

  reset(): void {
    this.isCursorHidden = false;
    this.mouseEncoding = this.cursorStyle = this.margins = undefined;
  }

  serialize(terminal: Terminal): string {
    const { modes, buffer } = terminal;
    let text = '';
    if (this.margins !== undefined || modes.originMode) {
      // Both move the cursor, so it is put back: counted from the margin in origin mode.
      const [top, bottom] = this.margins ?? [1, terminal.rows];
      const row = buffer.active.cursorY + 1 - (modes.originMode ? top - 1 : 0);
      const column = Math.min(buffer.active.cursorX + 1, terminal.cols);
      text += `\x1b[${top};${bottom}r${modes.originMode ? '\x1b[?6h' : ''}\x1b[${row};${column}H`;
    }
    if (modes.applicationCursorKeysMode) text += '\x1b[?1h';
    if (modes.applicationKeypadMode) text += '\x1b=';
    if (modes.bracketedPasteMode) text += '\x1b[?2004h';
    if (modes.insertMode) text += '\x1b[4h';
    if (modes.reverseWraparoundMode) text += '\x1b[?45h';
    if (modes.sendFocusMode) text += '\x1b[?1004h';
    if (!modes.wraparoundMode) text += '\x1b[?7l';
    text += mouseModes[modes.mouseTrackingMode];
    if (this.mouseEncoding !== undefined) text += `\x1b[?${this.mouseEncoding}h`;
    if (this.cursorStyle !== undefined) text += `\x1b[${this.cursorStyle} q`;
    if (this.isCursorHidden) text += '\x1b[?25l';
    return text;
  }

  private setPrivate(mode: number | number[], isSet: boolean): void {
    if (mode === 25) this.isCursorHidden = !isSet;
    else if (mode === 1005 || mode === 1006 || mode === 1015 || mode === 1016) {
      if (isSet) this.mouseEncoding = mode;
      else if (this.mouseEncoding === mode) this.mouseEncoding = undefined;
    }
  }
}
