import { describe, expect, it } from 'vitest';
import { DetachKeys } from './detachKeys.ts';

function type(...parts: string[]): { input: string; isDetach: boolean } {
  const keys = new DetachKeys();
  let input = '';
  for (const part of parts) {
    const result = keys.push(Buffer.from(part));
    input += Buffer.from(result.input).toString();
    if (result.isDetach) return { input, isDetach: true };
  }
  return { input, isDetach: false };
}

describe('DetachKeys', () => {
  it.each([
    [['ls\r'], 'ls\r', false],
    [['ab\x1cd', 'more'], 'ab', true],
    [['\x1c', 'd'], '', true],
    [['\x1c\x1c'], '\x1c', false],
    [['\x1cx'], '\x1cx', false],
    [['\x1c\x1cd'], '\x1cd', false],
    [['d'], 'd', false],
  ])('%j', (parts, input, isDetach) => {
    expect(type(...parts)).toEqual({ input, isDetach });
  });
});
