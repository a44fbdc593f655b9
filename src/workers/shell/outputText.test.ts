import { describe, expect, it } from 'vitest';
import { outputTail, outputTailLength } from './outputText.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('outputTail', () => {
  it('is text without control sequences, with plain line ends', () => {
    const raw = '\x1b]0;title\x07\x1b[1;31mred\x1b[0m\r\n\x1bPq#0\x1b\\\x1b(Bbar\x08\tend\r\n';
    expect(outputTail(encode(raw), false)).toBe('red\nbar\tend\n');
  });

  it('keeps the end, by whole characters', () => {
    const tail = outputTail(encode('🙂'.repeat(outputTailLength)), false);
    expect(tail.length).toBeLessThanOrEqual(outputTailLength);
    expect(tail).toMatch(/^(?:🙂)+$/u);
  });

  it('drops the character that the cut went through', () => {
    expect(outputTail(encode('漢字').subarray(1), true)).toBe('字');
    expect(outputTail(encode('漢字').subarray(0, 3), false)).toBe('漢');
  });

  it('does not stumble over bytes that are no text', () => {
    expect(outputTail(Uint8Array.of(0xff, 0xfe, 0x41), false)).toBe('��A');
    expect(outputTail(new Uint8Array(0), true)).toBe('');
  });
});
