import { expect, it } from 'vitest';
import { plainText } from './plainText.ts';

it.each([
  ['colours', '\u001b[1;31mred\u001b[0m\r\n', 'red\n'],
  ['a title and a link', '\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b\u001b]8;;\u001b\\', 'ab'],
  ['marks', '\u001b]133;C\u001b\\out\u001b]133;D;0\u0007', 'out'],
  ['charset and keypad', '\u001b(Ba\u001b=b\u001b>', 'ab'],
  ['a progress bar', '10%\r50%\r100%\r\ndone', '100%\ndone'],
  ['a shorter drawing', 'abcdef\rxy\n', 'xycdef\n'],
  ['backspaces', 'ab\b\bcd', 'cd'],
  ['bells and nulls', 'a\u0007\u0000b', 'ab'],
  ['tabs stay', 'a\tb', 'a\tb'],
  ['an unfinished sequence', 'a\u001b]0;never ends', 'a'],
])('%s', (_, output, text) => {
  expect(plainText(output)).toBe(text);
});
