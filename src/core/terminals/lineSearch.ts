import { invalidRequest } from '../text.ts';

export interface OutputMatch {
  /** From 1, counted from the first line that the record still holds. */
  readonly line: number;
  /** The line without control sequences, at most 2,000 characters of it. */
  readonly text: string;
}

export interface PatternMatch {
  /** What the pattern matched. */
  readonly match: string;
  /** The line that the match ends in, as far as it is printed. */
  readonly line: string;
}

const lineLimit = 2_000;
/** Matches of one search at most. */
export const matchLimit = 1_000;
/** How much text a pattern can span, and a line may hold before it is looked at in parts; UTF-16 units. */
export const windowLength = 64 * 1024;

/** Finds lines in a text that comes in pieces; keeps the newest matches and at most one line. */
export class LineSearch {
  private readonly find: (text: string) => PatternMatch | undefined;
  private readonly limit: number;
  private readonly matches: OutputMatch[] = [];
  private line = 1;
  private rest = '';

  constructor(pattern: string | RegExp, limit = matchLimit) {
    this.find = finder(pattern);
    this.limit = limit;
  }

  push(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      this.take(line);
      this.line += 1;
    }
    if (this.rest.length <= windowLength) return;
    this.take(this.rest);
    this.rest = this.rest.slice(-windowLength / 2);
  }

  /** The text is at its end. @returns the matches, oldest first. */
  end(): OutputMatch[] {
    if (this.rest !== '') this.take(this.rest);
    this.rest = '';
    return this.matches;
  }

  private take(drawn: string): void {
    const text = lastDrawing(drawn);
    if (this.find(text) === undefined || this.matches.at(-1)?.line === this.line) return;
    this.matches.push({ line: this.line, text: text.slice(0, lineLimit) });
    if (this.matches.length > this.limit) this.matches.shift();
  }
}

/** @returns a function that answers with the first match in a text. */
export function finder(pattern: string | RegExp): (text: string) => PatternMatch | undefined {
  if (typeof pattern === 'string') {
    if (pattern === '') throw invalidRequest('Give the text to look for.');
    return (text) => {
      const index = text.indexOf(pattern);
      return index === -1 ? undefined : { match: pattern, line: lineAt(text, index + pattern.length) };
    };
  }
  if (!(pattern instanceof RegExp)) throw invalidRequest('A pattern is a text or a regular expression.');
  // `g` and `y` would make the answer depend on the call before.
  const expression = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return (text) => {
    const found = expression.exec(text);
    return found === null
      ? undefined
      : { match: found[0], line: lineAt(text, found.index + found[0].length) };
  };
}

/** A line that was drawn over, as a progress bar is, as it was drawn last. */
export function lastDrawing(line: string): string {
  return line.slice(line.replace(/\r+$/, '').lastIndexOf('\r') + 1);
}

function lineAt(text: string, end: number): string {
  const from = text.lastIndexOf('\n', end - 1) + 1;
  const to = text.indexOf('\n', end);
  return lastDrawing(text.slice(Math.min(from, end), to === -1 ? undefined : to)).slice(0, lineLimit);
}
