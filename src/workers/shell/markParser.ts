/**
 * Finds the marks that the driver script (shellDriver.ts) prints around each step, in a terminal's byte stream.
 *
 * A mark is an OSC 133 sequence of the shell-integration family: `ESC ] 133 ; C ; aid=<nonce> ; step=<n>` before a
 * step's output and `ESC ] 133 ; D ; <exit code> ; aid=<nonce> ; step=<n>` after it, ended by BEL or ST; the last one
 * has `; exit` behind it, which tells that the shell itself ends. What does not carry the run's nonce is output like
 * any other: a program that prints `ESC ] 133 ; D ; 0 BEL` cannot end its step.
 */
export type Mark =
  | { readonly kind: 'start'; readonly step: number; readonly from: number; readonly to: number }
  | {
      readonly kind: 'end';
      readonly step: number;
      readonly exitCode: number;
      /** The shell ends too. */
      readonly isExit: boolean;
      readonly from: number;
      readonly to: number;
    };

const escape = 0x1b;
const bell = 0x07;
const backslash = 0x5c;
/** `ESC ] 133 ;` */
const introducer = Uint8Array.of(escape, 0x5d, 0x31, 0x33, 0x33, 0x3b);
/** Longer than any mark of ours; what has no end within it is no mark, so little is ever held back. */
export const maxMarkBytes = 128;

const empty = new Uint8Array(0);

export class MarkParser {
  private readonly pattern: RegExp;
  private held: Uint8Array = empty;
  private end: number;

  /**
   * @param nonce the run's own: letters and digits.
   * @param offset where the stream begins, in absolute bytes of the terminal's record.
   */
  constructor(nonce: string, offset = 0) {
    if (!/^[0-9A-Za-z]+$/.test(nonce)) throw new RangeError('A nonce is made of letters and digits.');
    this.pattern = new RegExp(`^(?:C|D;(\\d{1,9}));aid=${nonce};step=(\\d{1,9})(;exit)?$`);
    this.end = offset;
  }

  /** Every byte before this offset is known to be no part of a mark that is still to be found. */
  get settledOffset(): number {
    return this.end - this.held.length;
  }

  /**
   * Takes the next bytes. `from` and `to` of a mark are absolute: its first byte, and one past its last.
   * @returns the marks that these bytes complete, in order.
   */
  push(chunk: Uint8Array): Mark[] {
    const bytes = this.held.length === 0 ? chunk : concat(this.held, chunk);
    const base = this.settledOffset;
    this.end += chunk.length;
    this.held = empty;

    const marks: Mark[] = [];
    let index = bytes.indexOf(escape);
    while (index !== -1) {
      const terminator = findTerminator(bytes, index);
      if (terminator === 'incomplete') {
        this.held = bytes.slice(index);
        break;
      }
      const mark = terminator === 'none' ? undefined : this.read(bytes, index, terminator, base);
      if (mark !== undefined) marks.push(mark);
      index = bytes.indexOf(escape, mark === undefined ? index + 1 : mark.to - base);
    }
    return marks;
  }

  /** The bytes up to `offset` are not to be had: what was held back can no longer become a mark. */
  skipTo(offset: number): void {
    this.held = empty;
    this.end = offset;
  }

  private read(bytes: Uint8Array, start: number, terminator: Terminator, base: number): Mark | undefined {
    const body = asciiOf(bytes, start + introducer.length, terminator.from);
    const match = this.pattern.exec(body);
    if (match === null) return undefined;
    const step = Number(match[2]);
    const from = base + start;
    const to = base + terminator.to;
    return match[1] === undefined
      ? { kind: 'start', step, from, to }
      : { kind: 'end', step, exitCode: Number(match[1]), isExit: match[3] !== undefined, from, to };
  }
}

interface Terminator {
  readonly from: number;
  readonly to: number;
}

/** Where the OSC 133 that may begin at `start` ends; `none` if there is none, `incomplete` if more bytes must tell. */
function findTerminator(bytes: Uint8Array, start: number): Terminator | 'none' | 'incomplete' {
  for (let index = 0; index < introducer.length; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return 'incomplete';
    if (byte !== introducer[index]) return 'none';
  }
  const limit = start + maxMarkBytes;
  for (let index = start + introducer.length; index < limit; index++) {
    const byte = bytes[index];
    if (byte === undefined) return 'incomplete';
    if (byte === bell) return { from: index, to: index + 1 };
    if (byte === escape) {
      const next = bytes[index + 1];
      if (next === undefined) return 'incomplete';
      return next === backslash ? { from: index, to: index + 2 } : 'none';
    }
  }
  return 'none';
}

function asciiOf(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
