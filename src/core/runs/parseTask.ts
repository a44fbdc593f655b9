/**
 * The text of a task as commands: one a line, each becomes a step.
 *
 * Blank lines and lines that are only a comment are no commands. A line goes on in the next one where the shell itself
 * would wait for more: after a backslash at its end, inside an open quote, inside a here-document, and after `|`, `&&`
 * or `||` at its end. That is all that is understood of POSIX-like shells. A loop or a function over several lines is
 * NOT kept together: write it on one line with `;`, or put it into a script.
 */
export interface ParsedTask {
  readonly commands: readonly string[];
  /**
   * What the text leaves open at its end, for a message: a shell given the last command would wait for ever.
   * Undefined when the text is complete.
   */
  readonly unfinished?: UnfinishedCommand | undefined;
}

export interface UnfinishedCommand {
  /** Line of the text that opened it, from 1. */
  readonly line: number;
  /** What is open, with what would end it: completes "Line 3 …". */
  readonly what: string;
}

interface HereDocument {
  readonly delimiter: string;
  readonly stripsTabs: boolean;
  readonly line: number;
}

export function parseTask(task: string): ParsedTask {
  const commands: string[] = [];
  let command: string[] = [];
  let scanner = new LineScanner();
  let hereDocuments: HereDocument[] = [];
  const lines = task.split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    const hereDocument = hereDocuments[0];
    if (hereDocument !== undefined) {
      command.push(line);
      const text = hereDocument.stripsTabs ? line.replace(/^\t+/, '') : line;
      if (text === hereDocument.delimiter) hereDocuments = hereDocuments.slice(1);
    } else {
      // Blank lines and comments are skipped after `|` and `&&` too, as the shell does; never inside quotes.
      if (!scanner.isInsideWord && /^\s*(?:#.*)?$/.test(line)) continue;
      command.push(line);
      scanner.scan(line, index + 1);
      hereDocuments = scanner.takeHereDocuments();
    }
    if (hereDocuments.length > 0 || scanner.open !== undefined) continue;
    commands.push(command.join('\n').trim());
    command = [];
    scanner = new LineScanner();
  }
  if (command.length === 0) return { commands };
  commands.push(command.join('\n').trim());
  const hereDocument = hereDocuments[0];
  const unfinished =
    hereDocument === undefined
      ? scanner.open
      : {
          line: hereDocument.line,
          what: `begins a here-document that is never ended: add a line "${hereDocument.delimiter}"`,
        };
  return { commands, unfinished };
}

type Quote = "'" | '"' | '`' | "$'";

/** Follows one command over its lines. */
class LineScanner {
  /** What makes the command go on in the next line. */
  open: UnfinishedCommand | undefined;
  private quote: Quote | undefined;
  private quoteLine = 0;
  private endsWithBackslash = false;
  /** Inside `((…))`, where `<<` shifts bits. */
  private arithmeticDepth = 0;
  private found: HereDocument[] = [];

  /** Whether the next line's first character belongs to a word begun before: it cannot begin a comment. */
  get isInsideWord(): boolean {
    return this.quote !== undefined || this.endsWithBackslash;
  }

  takeHereDocuments(): HereDocument[] {
    const found = this.found;
    this.found = [];
    return found;
  }

  scan(line: string, lineNumber: number): void {
    let position = 0;
    let code = '';
    this.endsWithBackslash = false;
    while (position < line.length) {
      const character = line.charAt(position);
      if (this.quote !== undefined) {
        position = this.scanQuoted(line, position);
        continue;
      }
      const rest = line.slice(position);
      if (character === '#' && (position === 0 || /[\s;&|()]/.test(line.charAt(position - 1)))) break;
      const hereDocument = this.arithmeticDepth === 0 ? matchHereDocument(rest, lineNumber) : undefined;
      if (hereDocument !== undefined) {
        this.found.push(hereDocument.document);
        code += 'h';
        position += hereDocument.length;
      } else if (character === '\\') {
        this.endsWithBackslash = position === line.length - 1;
        code += 'x';
        position += 2;
      } else if (rest.startsWith('<<<')) {
        code += '<<<';
        position += 3;
      } else if (rest.startsWith('((') || rest.startsWith('))')) {
        this.arithmeticDepth = Math.max(0, this.arithmeticDepth + (character === '(' ? 1 : -1));
        code += rest.slice(0, 2);
        position += 2;
      } else if (character === "'" || character === '"' || character === '`') {
        this.quote = character === "'" && line.charAt(position - 1) === '$' ? "$'" : character;
        this.quoteLine = lineNumber;
        code += 'q';
        position += 1;
      } else {
        code += character;
        position += 1;
      }
    }
    this.open = this.findOpen(code, lineNumber);
  }

  /** @returns where to go on. */
  private scanQuoted(line: string, position: number): number {
    const character = line.charAt(position);
    if (character === '\\' && this.quote !== "'") {
      this.endsWithBackslash = position === line.length - 1;
      return position + 2;
    }
    if (character === this.quote?.slice(-1)) this.quote = undefined;
    return position + 1;
  }

  private findOpen(code: string, lineNumber: number): UnfinishedCommand | undefined {
    if (this.quote !== undefined) {
      const sign = this.quote.slice(-1);
      return { line: this.quoteLine, what: `opens a quote (${sign}) that is never closed` };
    }
    if (this.endsWithBackslash) {
      return { line: lineNumber, what: 'ends with a backslash (\\), but no line follows' };
    }
    const operator = /(?:\|\||&&|\|&?)\s*$/.exec(code)?.[0].trim();
    return operator === undefined
      ? undefined
      : { line: lineNumber, what: `ends with ${operator}, but no command follows` };
  }
}

/** `<<WORD`, `<<-WORD`, with the word bare or quoted; never `<<<`. */
function matchHereDocument(
  text: string,
  line: number,
): { readonly document: HereDocument; readonly length: number } | undefined {
  const match = /^<<(-?)[ \t]*(?:'([^']+)'|"([^"]+)"|\\?([A-Za-z_][\w.-]*))/.exec(text);
  const delimiter = match?.[2] ?? match?.[3] ?? match?.[4];
  if (match === null || delimiter === undefined) return undefined;
  return { document: { delimiter, stripsTabs: match[1] === '-', line }, length: match[0].length };
}
