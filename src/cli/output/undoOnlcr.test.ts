import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OnlcrUndo } from './undoOnlcr.ts';

function undo(chunks: readonly Uint8Array[]): Buffer {
  const stream = new OnlcrUndo();
  return Buffer.concat([...chunks.map((chunk) => stream.push(chunk)), stream.flush()]);
}

/** What the line discipline does to what a program writes. */
function onlcr(bytes: Uint8Array): Buffer {
  return Buffer.from([...bytes].flatMap((byte) => (byte === 0x0a ? [0x0d, 0x0a] : [byte])));
}

describe('OnlcrUndo', () => {
  it.each([
    ['hi\r\n', 'hi\n'],
    ['a\r\r\nb', 'a\r\nb'],
    ['50%\r100%\r\n', '50%\r100%\n'],
    ['\r', '\r'],
    ['\n', '\n'],
    ['\r\r', '\r\r'],
    ['', ''],
  ])('%j → %j', (shown, written) => {
    expect(undo([Buffer.from(shown)]).toString()).toBe(written);
  });

  it('gives back exactly what the program wrote, however the terminal cut it', () => {
    const byte = fc.oneof(fc.constantFrom(0x0d, 0x0a), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
        (bytes, sizes) => {
          const shown = onlcr(Uint8Array.from(bytes));
          const chunks: Buffer[] = [];
          for (let from = 0, index = 0; from < shown.length; index++) {
            const size = sizes[index % sizes.length] ?? 1;
            chunks.push(shown.subarray(from, from + size));
            from += size;
          }
          expect([...undo(chunks)]).toEqual(bytes);
        },
      ),
    );
  });

  it('leaves the bytes that it was given alone', () => {
    const shown = Buffer.from('a\r\nb');
    new OnlcrUndo().push(shown);
    expect(shown.toString()).toBe('a\r\nb');
  });
});
