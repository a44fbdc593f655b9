import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlainText } from './plainText.ts';

function plain(text: string, options: { keepColour?: boolean } = {}, size = text.length): string {
  const bytes = Buffer.from(text);
  const stream = new PlainText(options);
  let result = '';
  for (let from = 0; from < bytes.length; from += Math.max(1, size)) {
    result += stream.push(bytes.subarray(from, from + Math.max(1, size)));
  }
  return result + stream.flush();
}

describe('PlainText', () => {
  it.each([
    ['\x1b[1mbold\x1b[0m\r\n', 'bold\n'],
    ['\x1b]0;title\x07x\x1b]52;c;AAAA\x1b\\y', 'xy'],
    ['\x1b[6n\x1b[c\x1bPq\x1b\\ok', 'ok'],
    ['\x9b31mé\x00\x08', '31mé'],
    ['a\tb\r50%\r\n', 'a\tb\r50%\n'],
    ['\x1b(B\x1b7\x1b=x', 'x'],
    ['cut off \x1b[3', 'cut off '],
  ])('%j → %j', (raw, text) => {
    expect(plain(raw)).toBe(text);
  });

  it('keeps colours where asked, and nothing else', () => {
    expect(plain('\x1b[1;38:2:1:2:3mc\x1b[2J\x1b[0m', { keepColour: true })).toBe(
      '\x1b[1;38:2:1:2:3mc\x1b[0m',
    );
  });

  it('says the same however the bytes are cut', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom('\x1b', '\r', '\n', '\x1b[1m', '\x1b]0;t', '\x07', '\x1b\\', '\x1b[', '\x1b('),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (parts, size) => {
        const text = parts.join('');
        expect(plain(text, {}, size)).toBe(plain(text));
        expect(plain(text, {}, size)).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/);
      }),
      { numRuns: 500 },
    );
  });
});
