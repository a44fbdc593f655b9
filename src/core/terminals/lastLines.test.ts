import { describe, expect, it } from 'vitest';
import { LastLines } from './lastLines.ts';

function last(limit: number, ...parts: string[]): string {
  const lines = new LastLines(limit);
  for (const part of parts) lines.push(part);
  return lines.toString();
}

describe('LastLines', () => {
  it.each([
    [2, ['a\nb\nc\n'], 'b\nc\n'],
    [2, ['a\nb\nc'], 'b\nc'],
    [5, ['a\n', 'b\n'], 'a\nb\n'],
    [1, ['a\nun', 'finished'], 'unfinished'],
    [1, ['a\n\n'], '\n'],
    [0, ['a\nb'], ''],
    [3, [''], ''],
  ])('%i of %j', (limit, parts, expected) => {
    expect(last(limit, ...parts)).toBe(expected);
  });

  it('keeps the end of a long text', () => {
    const parts = Array.from({ length: 5_000 }, (_, line) => `line ${line}\n`);
    expect(last(2, ...parts)).toBe('line 4998\nline 4999\n');
  });
});
