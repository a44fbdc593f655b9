import { expect, it } from 'vitest';
import { SequenceBoundary } from './sequenceBoundary.ts';

/** Offsets at which `text` may be cut. */
function boundaries(text: string): number[] {
  const boundary = new SequenceBoundary();
  const found: number[] = [];
  Buffer.from(text).forEach((byte, index) => {
    if (boundary.feed(Uint8Array.of(byte)) === 1) found.push(index + 1);
  });
  return found;
}

it.each([
  ['ab', [1, 2]],
  ['ü€😀x', [2, 5, 9, 10]],
  ['\x1b[31mx', [5, 6]],
  ['\x1b(0q', [3, 4]],
  ['\x1b]0;title\x07x', [10, 11]],
  ['\x1b]0;ü\x1b\\x', [8, 9]],
  ['\x1bPq\x1b[31mx', [8, 9]],
  ['\x1b[3\x18x', [4, 5]],
  ['\x1b7x', [2, 3]],
])('%j may be cut at %j', (text, expected) => {
  expect(boundaries(text)).toEqual(expected);
});

it('gives up on a sequence that does not end', () => {
  const boundary = new SequenceBoundary();
  boundary.feed(Buffer.from('\x1bP'));
  expect(boundary.feed(Buffer.alloc(100_000, 'x'))).toBeGreaterThan(0);
});
