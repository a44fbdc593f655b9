import { lastDrawing } from '../../core/terminals/lineSearch.ts';
import { PlainText } from '../../core/terminals/plainText.ts';

const newLine = 0x0a;
/** Of the line that tells of a gap, at most. */
const gapBytes = 64;

/**
 * What a program printed, as a model may read it: control sequences gone, lines that were drawn over as they were drawn
 * last, and no character that shows nothing or turns the direction of what follows, which could say to a model what a
 * person does not see.
 */
export function plainOutput(data: Uint8Array): string {
  const plain = new PlainText();
  return visible(plain.push(data) + plain.flush());
}

/** The same for what is text already. */
export function visible(text: string): string {
  return text.split('\n').map(lastDrawing).join('\n').replace(hidden, '');
}

// Other C0 and C1 than tab and line feed; soft hyphen; zero-width and direction marks; tags; variation selectors of the supplement.
const hidden =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** Bytes of the text in a result, which is JSON. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

export interface FittedOutput {
  readonly text: string;
  /** Bytes of the data that the text stands for, from its beginning or to its end. */
  readonly taken: number;
}

/** As much of the beginning as fits; it ends with a line where one ends in its second half. */
export function fitHead(data: Uint8Array, limitBytes: number): FittedOutput {
  return fit(data, limitBytes, (size) => data.subarray(0, wholeHead(data, size)));
}

/** As much of the end as fits; it begins with a line where one begins in its first half. */
export function fitTail(data: Uint8Array, limitBytes: number): FittedOutput {
  return fit(data, limitBytes, (size) => data.subarray(wholeTail(data, data.length - size)));
}

/**
 * All of it, or the beginning and the end with a line between them that tells how much was left out.
 * @param kept the beginning and the end of what there was, without a gap where that is all of it
 * @param total how many bytes there were
 */
export function fitEnds(
  kept: Uint8Array,
  total: number,
  limitBytes: number,
): { readonly text: string; readonly omittedBytes: number } {
  if (kept.length === total) {
    const whole = plainOutput(kept);
    if (jsonBytes(whole) <= limitBytes) return { text: whole, omittedBytes: 0 };
  }
  const head = fitHead(kept, limitBytes / 4);
  const tail = fitTail(kept.subarray(head.taken), (limitBytes * 3) / 4 - gapBytes);
  const omittedBytes = total - head.taken - tail.taken;
  const gap = `${head.text.endsWith('\n') ? '' : '\n'}… ${omittedBytes} bytes left out …\n`;
  return { text: head.text + gap + tail.text, omittedBytes };
}

function fit(data: Uint8Array, limitBytes: number, part: (size: number) => Uint8Array): FittedOutput {
  let size = Math.min(data.length, limitBytes);
  for (;;) {
    const taken = part(size);
    const text = plainOutput(taken);
    const bytes = jsonBytes(text);
    if (bytes <= limitBytes || size <= 1) return { text, taken: taken.length };
    size = Math.floor(Math.min(size - 1, (size * limitBytes) / bytes));
  }
}

/** Where the beginning of at most `size` bytes is to end. */
function wholeHead(data: Uint8Array, size: number): number {
  if (size >= data.length) return data.length;
  const line = data.lastIndexOf(newLine, size - 1);
  if (line >= size / 2) return line + 1;
  let end = size;
  // Not within a character.
  while (end > 0 && isContinuation(data[end])) end -= 1;
  return end === 0 ? size : end;
}

/** Where the end from at least `start` on is to begin. */
function wholeTail(data: Uint8Array, start: number): number {
  if (start <= 0) return 0;
  if (data[start - 1] === newLine) return start;
  const line = data.indexOf(newLine, start);
  if (line !== -1 && line < start + (data.length - start) / 2) return line + 1;
  let begin = start;
  while (begin < data.length && isContinuation(data[begin])) begin += 1;
  return begin;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
