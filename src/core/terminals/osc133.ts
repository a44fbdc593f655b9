import { joinBytes } from '../../base/bytes.ts';

/**
 * Finds marks of the shell-integration family in a terminal's byte stream: `ESC ] 133 ; <body>`, ended by BEL or ST,
 * wherever the stream is cut into chunks. Whether a body is a mark is up to the reader: one that asks for a nonce takes
 * what a program prints for output like any other.
 */

const escape = 0x1b;
const bell = 0x07;
const backslash = 0x5c;
/** `ESC ] 133 ;` */
const introducer = Uint8Array.of(escape, 0x5d, 0x31, 0x33, 0x33, 0x3b);
/** Longer than any mark of ours; what has no end within it is no mark, so little is ever held back. */
export const maxMarkBytes = 128;

const empty = new Uint8Array(0);

/** The mark that a body is, or undefined; `from` and `to` are absolute: its first byte, and one past its last. */
export type MarkReader<M> = (body: string, from: number, to: number) => M | undefined;

export class Osc133Parser<M> {
  private readonly readMark: MarkReader<M>;
  private held: Uint8Array = empty;
  private end: number;

  /** @param offset where the stream begins, in absolute bytes of the terminal's record. */
  constructor(readMark: MarkReader<M>, offset = 0) {
    this.readMark = readMark;
    this.end = offset;
  }

  /** Every byte before this offset is known to be no part of a mark that is still to be found. */
  get settledOffset(): number {
    return this.end - this.held.length;
  }

  /** Takes the next bytes. @returns the marks that these bytes complete, in order. */
  push(chunk: Uint8Array): M[] {
    const bytes = this.held.length === 0 ? chunk : joinBytes([this.held, chunk]);
    const base = this.settledOffset;
    this.end += chunk.length;
    this.held = empty;

    const marks: M[] = [];
    let index = bytes.indexOf(escape);
    while (index !== -1) {
      const terminator = findTerminator(bytes, index);
      if (terminator === 'incomplete') {
        this.held = bytes.slice(index);
        break;
      }
      const mark = terminator === 'none' ? undefined : this.read(bytes, index, terminator, base);
      if (mark !== undefined) marks.push(mark);
      index = bytes.indexOf(escape, mark === undefined || terminator === 'none' ? index + 1 : terminator.to);
    }
    return marks;
  }

  /** The bytes up to `offset` are not to be had: what was held back can no longer become a mark. */
  skipTo(offset: number): void {
    this.held = empty;
    this.end = offset;
  }

  private read(bytes: Uint8Array, start: number, terminator: Terminator, base: number): M | undefined {
    const body = asciiOf(bytes, start + introducer.length, terminator.from);
    return this.readMark(body, base + start, base + terminator.to);
  }
}

/** Checks a nonce, so that it can stand in an expression and in a mark. */
export function checkNonce(nonce: string): string {
  if (!/^[0-9A-Za-z]+$/.test(nonce)) throw new RangeError('A nonce is made of letters and digits.');
  return nonce;
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
