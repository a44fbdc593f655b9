import { describe, expect, it } from 'vitest';
import { clipped, cut, pieceBytes, pieces } from '../../base/clip.ts';
import { JsonLines } from './jsonLines.ts';

describe('lines', () => {
  it('are the same, wherever the bytes are cut', () => {
    const text = 'one\n\ntwo häß 😀\nthree';
    const bytes = Buffer.from(text);
    for (let size = 1; size <= bytes.length; size += 1) {
      const lines = new JsonLines();
      const found: string[] = [];
      for (let at = 0; at < bytes.length; at += size)
        found.push(...lines.push(bytes.subarray(at, at + size)));
      expect([...found, lines.end()]).toEqual(['one', '', 'two häß 😀', 'three']);
      expect(lines.end()).toBeUndefined();
    }
  });

  it('that are too long are left out, and what comes after them is read', () => {
    const lines = new JsonLines(10);
    const found = ['0123456789\n', '01234567890', '1234', '\nnext\n', 'x'.repeat(11)].flatMap((text) =>
      lines.push(Buffer.from(text)),
    );
    expect(found).toEqual(['0123456789', 'next']);
    expect(lines.end()).toBeUndefined();
    expect(lines.dropped).toBe(2);
  });
});

describe('what one event carries', () => {
  it('is cut between characters', () => {
    for (let limit = 0; limit < 12; limit += 1) {
      const begin = cut('aä😀b', limit);
      expect('aä😀b'.startsWith(begin)).toBe(true);
      expect(begin.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(begin)).toBeLessThanOrEqual(limit);
    }
    const long = 'a😀ä'.repeat(30_000);
    expect(pieces(long).join('')).toBe(long);
    expect(
      pieces(long).every((piece) => Buffer.byteLength(piece) <= pieceBytes && piece.isWellFormed()),
    ).toBe(true);
  });

  it('is itself while it is small, and says so where it is not', () => {
    expect(clipped({ a: [1] })).toEqual({ a: [1] });
    expect(clipped(undefined)).toBeNull();
    const big = clipped({ text: 'x'.repeat(100_000) }) as string;
    expect(big).toMatch(/cut: 100011 bytes in all\]$/);
    expect(Buffer.byteLength(big)).toBeLessThan(pieceBytes + 100);
  });
});
