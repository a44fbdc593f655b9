import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PrivateModes } from './privateModes.ts';

const piece = fc.constantFrom(
  '\x1b[?1049h',
  '\x1b[?1;25l',
  '\x1b[?2004h',
  'text',
  '\x1b[31m',
  '\x1b=',
  '\x1b>',
  '\x1bc',
  '\x1b[!p',
  '\x1b[?7',
);

it('finds the same modes however the output is cut', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.integer({ min: 1, max: 9 }), (pieces, step) => {
      const bytes = Buffer.from(pieces.join(''));
      const whole = new PrivateModes();
      whole.fold(bytes);
      const cut = new PrivateModes();
      for (let from = 0; from < bytes.length; from += step) cut.fold(bytes.subarray(from, from + step));
      expect(cut.preamble).toBe(whole.preamble);
      expect(PrivateModes.parse(whole.preamble).preamble).toBe(whole.preamble);
    }),
  );
});

it('forgets at a reset', () => {
  const modes = new PrivateModes();
  modes.fold(Buffer.from('\x1b[?1049h\x1b[?25l\x1bc\x1b[?2004h'));
  expect(modes.preamble).toBe('\x1b[?2004h');
});
