import { describe, expect, it } from 'vitest';
import { isForegroundStat } from './foreground.ts';

describe('isForegroundStat', () => {
  it.each([
    ['100 (node) S 1 100 100 34816 100 4194304', true],
    ['100 (node) S 1 100 90 34816 90 4194304', false],
    ['100 (a) b (c) S 1 100 90 34816 90 4194304', false],
    ['100 (no) terminal) S 1 100 90 0 -1 4194304', false],
  ])('%s', (stat, expected) => {
    expect(isForegroundStat(stat)).toBe(expected);
  });
});
