import { describe, expect, it } from 'vitest';
import { highlight } from './highlight.ts';
import { diffOf, fileChangeOf, inputSummary, looksLikeDiff, outputSummary } from './toolSummary.ts';
import { visible } from './visible.ts';

describe('foreign text', () => {
  it('shows what turns or hides the writing, and leaves the rest alone', () => {
    expect(visible('user\u202egnp.exe')).toBe('user⟨U+202E⟩gnp.exe');
    expect(visible('a\u200bb\ufeff\u0000')).toBe('a⟨U+200B⟩b⟨U+FEFF⟩⟨U+0000⟩');
    expect(visible('\u001b[31mred\u001b[0m \u001b]8;;https://x\u0007link\u001b]8;;\u0007')).toBe('red link');
    expect(visible('a\r\nb\rc')).toBe('a\r\nb⟨U+000D⟩c');
    expect(visible('مرحبا, שלום, 👩‍💻')).toBe('مرحبا, שלום, 👩‍💻');
  });

  it('tells a call in one line', () => {
    expect(inputSummary('{"description":"why","command":"df -h\\n/var"}')).toBe('df -h /var + 1 more');
    expect(inputSummary('plain words')).toBe('plain words');
    expect(inputSummary('{"a":{"b":1}}')).toBe('{"a":{"b":1}}');
    expect(inputSummary('{broken')).toBe('{broken');
    expect(inputSummary(JSON.stringify({ text: 'x'.repeat(500) })).length).toBe(160);
    expect(outputSummary('\n\nfirst\nsecond\n')).toBe('first + 1 line');
  });

  it('makes a diff of a change, what is the same on both sides once', () => {
    const change = fileChangeOf('{"file_path":"f","old_string":"a\\nb\\nc","new_string":"a\\nx\\nc"}');
    expect(change === undefined ? '' : diffOf(change)).toBe(' a\n-b\n+x\n c');
    expect(fileChangeOf('{"file_path":"f"}')).toBeUndefined();
    expect(looksLikeDiff('@@ -1,2 +1,2 @@\n-a')).toBe(true);
    expect(looksLikeDiff('a - b')).toBe(false);
  });

  it('colours code and loses none of it', () => {
    const code = '# why\nfor name in ["a\\"b", 12]:\n    print(name)\n"open';
    const tokens = highlight(code, 'python');
    expect(tokens.map(({ text }) => text).join('')).toBe(code);
    expect(tokens.filter(({ kind }) => kind !== 'plain').map(({ kind, text }) => `${kind} ${text}`)).toEqual([
      'comment # why',
      'keyword for',
      'keyword in',
      'string "a\\"b"',
      'number 12',
      'string "open',
    ]);
    expect(highlight(code, 'unheard-of')).toEqual([{ kind: 'plain', text: code }]);
  });
});
