import { describe, expect, it } from 'vitest';
import { isNodeRecentEnough } from './nodeVersion.ts';

describe('isNodeRecentEnough', () => {
  it.each([
    ['20.20.2', false],
    ['24.17.9', false],
    ['24.18.0', true],
    ['25.0.0', true],
  ])('%s → %s', (version, expected) => {
    expect(isNodeRecentEnough(version)).toBe(expected);
  });
});
