import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortestPrefixes } from './ids.ts';

describe('shortestPrefixes', () => {
  it('shows eight characters, or as many as tell the ids apart', () => {
    const ids = ['0192d5a4-1c2f-7aaa', '0192d5a4-1c30-7bbb', 'ffffffff-0000-4000'];
    expect([...shortestPrefixes(ids).values()]).toEqual(['0192d5a4-1c2', '0192d5a4-1c3', 'ffffffff']);
  });

  it('leaves no id that could be another', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.uuid(), { maxLength: 50 }), (ids) => {
        for (const [id, prefix] of shortestPrefixes(ids)) {
          expect(ids.filter((other) => other.startsWith(prefix))).toEqual([id]);
        }
      }),
    );
  });
});
