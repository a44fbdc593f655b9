import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedCapture } from './boundedCapture.ts';
import { fitEnds, fitHead, fitTail, jsonBytes, plainOutput } from './plainOutput.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('plain output', () => {
  it.each([
    ['colours and moves', '\x1b[31mred\x1b[0m\x1b[2J\x1b[1;1H', 'red'],
    ['titles and links', '\x1b]0;title\x07\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\', 'here'],
    ['what is drawn over', ' 1%\r 50%\r100%\r\ndone\r\n', '100%\ndone\n'],
    ['bells, backspaces and C1', 'a\x07\x08\x9bb\x85c', 'abc'],
    ['what turns the direction', 'user\u202enimda\u202c \u2066x\u2069', 'usernimda x'],
    ['what shows nothing', 'a\u200bb\ufeffc\u00add\u2060e', 'abcde'],
    ['tags that only a model reads', 'hi\u{e006f}\u{e0062}\u{e0065}\u{e0079}', 'hi'],
    ['tabs, accents and faces, which stay', 'a\tä\u{1f600}\n', 'a\tä\u{1f600}\n'],
  ])('loses %s', (_what, printed, shown) => {
    // C1 stands as a character here, not as a byte.
    expect(plainOutput(bytes(printed))).toBe(shown);
  });

  it('has no control character left, whatever was printed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (data) => {
        expect(plainOutput(data)).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});

describe('what fits', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc.string({ maxLength: 800, unit: 'grapheme' }).map(bytes),
    fc
      .array(fc.constantFrom('"', '\\', '\n', 'x', 'ä'), { maxLength: 2_000 })
      .map((parts) => bytes(parts.join(''))),
  );

  it('is never larger than it may be, and goes on exactly where it ended', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 16, max: 600 }), (data, limit) => {
        let taken = 0;
        while (taken < data.length) {
          const piece = fitHead(data.subarray(taken), limit);
          expect(jsonBytes(piece.text)).toBeLessThanOrEqual(limit);
          expect(piece.taken).toBeGreaterThan(0);
          taken += piece.taken;
        }
        expect(taken).toBe(data.length);
        expect(jsonBytes(fitTail(data, limit).text)).toBeLessThanOrEqual(limit);
      }),
    );
  });

  it('reads as the whole when it is read in pieces, where it is lines of text', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-zäöü"\\ ]{0,30}$/), { maxLength: 60 }), (lines) => {
        const text = lines.map((line) => `${line}\n`).join('');
        const data = bytes(text);
        let read = '';
        for (let taken = 0; taken < data.length; ) {
          const piece = fitHead(data.subarray(taken), 200);
          read += piece.text;
          taken += piece.taken;
        }
        expect(read).toBe(text);
        expect(text.endsWith(fitTail(data, 200).text)).toBe(true);
      }),
    );
  });

  it('of both ends tells how much lies between them', () => {
    const text = Array.from({ length: 1_000 }, (_, index) => `line ${index}\n`).join('');
    const { text: shown, omittedBytes } = fitEnds(bytes(text), text.length, 1_000);
    expect(shown).toMatch(/^line 0\n[^]*… \d+ bytes left out …\n[^]*line 999\n$/);
    expect(shown.replace(/… \d+ bytes left out …\n/, '').length + omittedBytes).toBe(text.length);
    expect(fitEnds(bytes('short'), 5, 1_000)).toEqual({ text: 'short', omittedBytes: 0 });
  });

  it('is captured from a flood without keeping it', () => {
    const capture = new BoundedCapture(4_096);
    const piece = bytes('0123456789\n'.repeat(100));
    for (let index = 0; index < 2_000; index += 1) capture.push(piece);
    const { text, omittedBytes } = capture.text();
    expect(jsonBytes(text)).toBeLessThanOrEqual(4_096 + 64);
    expect(text).toMatch(/^0123456789\n[^]*left out …\n[^]*0123456789\n$/);
    expect(omittedBytes).toBeGreaterThan(2_000 * 1_100 - 4_096);
  });
});
