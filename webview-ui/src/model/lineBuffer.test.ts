import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineBuffer } from './lineBuffer.ts';
import type { Line } from './line.ts';
import { Flag, RGB } from './style.ts';

const E = '\u001b[';

function linesOf(buffer: LineBuffer): Line[] {
  const lines: Line[] = [];
  for (let number = buffer.firstLine; number < buffer.endLine; number++) lines.push(buffer.line(number)!);
  return lines;
}

function written(...chunks: string[]): LineBuffer {
  const buffer = new LineBuffer();
  for (const chunk of chunks) buffer.write(chunk);
  return buffer;
}

const texts = (...chunks: string[]): string[] => linesOf(written(...chunks)).map(({ text }) => text);

describe('LineBuffer', () => {
  it('splits lines at LF and CRLF, and has no empty line after the last one', () => {
    expect(texts('a\r\nb\nc')).toEqual(['a', 'b', 'c']);
    expect(texts('a\r\n\r\n')).toEqual(['a', '']);
    expect(texts('')).toEqual([]);
  });

  it('shows what a progress bar shows in the end', () => {
    expect(texts('  0 %\r 50 %\r100 %\r\ndone\r\n')).toEqual(['100 %', 'done']);
    expect(texts(`⠋ installing packages${E}1G${E}0K✓ done\r\n`)).toEqual(['✓ done']);
    expect(texts(`long line here\r${E}2Kshort`)).toEqual(['short']);
    expect(texts('abc\b\bX')).toEqual(['aXc']);
    expect(texts('a\tb')).toEqual(['a       b']);
  });

  it('redraws lines above the cursor, as package managers and test runners do', () => {
    const first = 'one: pulling\r\ntwo: waiting\r\n';
    expect(texts(first, `${E}2A${E}2Kone: done\r\n${E}2Ktwo: pulling\r\n`)).toEqual([
      'one: done',
      'two: pulling',
    ]);
    expect(texts(first, `${E}2F${E}Jall done\r\n`)).toEqual(['all done']);
  });

  it('loses nothing when a program clears its screen, and never moves above it again', () => {
    expect(texts(`before\r\n${E}2J${E}Hafter`, `${E}9A\rAFTER`)).toEqual(['before', 'AFTER']);
    expect(texts(`before${E}3J${E}2Jafter`)).toEqual(['before', 'after']);
  });

  it('leaves out full-screen programs and says so', () => {
    expect(texts(`$ vim\r\n${E}?1049h~~~${E}12;3Hjunk\r\n${E}?1049lbye\r\n`)).toEqual([
      '$ vim',
      'A full-screen program took over here. Open the terminal to see it.',
      'bye',
    ]);
  });

  it('drops strings for the terminal: titles, links, clipboard, marks', () => {
    expect(
      texts('\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\b\u001b]8;;\u001b\\\u001b]52;c;aGk=\u0007c'),
    ).toEqual(['abc']);
    expect(texts('\u001bP1$r\u001b\\x\u001b(B\u001b=y')).toEqual(['xy']);
    expect(texts('\u001b]0;its end was lost\r\nnext')).toEqual(['', 'next']);
  });

  it('keeps markup as text', () => {
    expect(texts('<img src=x onerror=alert(1)>')).toEqual(['<img src=x onerror=alert(1)>']);
  });

  it('knows colours of all three kinds and styles', () => {
    const [line] = linesOf(
      written(`${E}31;1mred${E}0m ${E}38;5;208mo${E}48;2;1;2;3mb${E}m${E}38:2::9:8:7mc`),
    );
    expect(line?.text).toBe('red obc');
    expect(
      line?.runs.map(({ start, style }) => [start, style.foreground, style.background, style.flags]),
    ).toEqual([
      [0, 1, -1, Flag.bold],
      [3, -1, -1, 0],
      [4, RGB | 0xff8700, -1, 0],
      [5, RGB | 0xff8700, RGB | 0x010203, 0],
      [6, RGB | 0x090807, -1, 0],
    ]);
  });

  it('overwrites with its own style and leaves the rest', () => {
    const [line] = linesOf(written(`${E}32mgreen text${E}0m\r${E}31mR`));
    expect(line?.text).toBe('Rreen text');
    expect(line?.runs.map(({ start, style }) => [start, style.foreground])).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it('is bounded in lines, characters and line length, and counts what went', () => {
    const buffer = new LineBuffer({ maxLines: 100, maxChars: 10_000, maxLineChars: 500 });
    for (let i = 0; i < 5_000; i++) buffer.write(`line ${i}\r\n`);
    expect(buffer.endLine - buffer.firstLine).toBeLessThanOrEqual(100);
    expect(buffer.line(buffer.endLine - 1)?.text).toBe('line 4999');
    expect(buffer.endLine).toBe(5_000);
    expect(buffer.dropped).toBeGreaterThan(40_000);
    buffer.write('x'.repeat(50_000));
    const kept = linesOf(buffer).reduce((sum, { text }) => sum + text.length, 0);
    expect(kept).toBeLessThanOrEqual(10_500);
  });

  it('tells from which line on the view is to be drawn again', () => {
    const buffer = written('a\r\nb\r\nc\r\n');
    buffer.takeDirty();
    expect(buffer.takeDirty()).toBe(Number.POSITIVE_INFINITY);
    buffer.write(`${E}2AX`);
    expect(buffer.takeDirty()).toBe(1);
  });

  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\b',
      '\t',
      '\u001b',
      '[',
      ';',
      '\u0007',
      '\u001b\\',
      '😀',
      '\ud83d',
      '\ude00',
      `${E}31m`,
      `${E}0m`,
      `${E}38;5;200m`,
      `${E}K`,
      `${E}1K`,
      `${E}2K`,
      `${E}J`,
      `${E}2J`,
      `${E}A`,
      `${E}3B`,
      `${E}5C`,
      `${E}2D`,
      `${E}4G`,
      `${E}2P`,
      `${E}3X`,
      `${E}s`,
      `${E}u`,
      `${E}?1049h`,
      `${E}?1049l`,
      '\u001b]0;t\u0007',
      '\u001bc',
    ),
  );

  it('gives the same lines however the output was cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.array(fc.nat(200), { maxLength: 10 }),
        (pieces, cuts) => {
          const text = pieces.join('');
          const places = [...new Set([0, text.length, ...cuts.map((cut) => cut % (text.length + 1))])].sort(
            (a, b) => a - b,
          );
          const chunks = places.slice(1).map((end, i) => text.slice(places[i], end));
          const whole = written(text);
          const parts = written(...chunks);
          expect(linesOf(parts)).toEqual(linesOf(whole));
          for (const { text: shown, runs } of linesOf(whole)) {
            expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
            const starts = runs.map(({ start }) => start);
            expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
            if (starts.length > 0) expect([starts[0], starts.at(-1)! < shown.length]).toEqual([0, true]);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('keeps a note of ours from a program that goes back to where it was', () => {
    const buffer = new LineBuffer();
    for (const part of ['\x1b[?1049h', '\x1b[?1049l', '\x1b[u', 'x']) buffer.write(part);
    expect(linesOf(buffer)[0]?.text).toMatch(/^A full-screen program/);
  });

  it('stays within its bounds whatever comes', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        const buffer = new LineBuffer({ maxLines: 5, maxChars: 200, maxLineChars: 20, redrawLines: 3 });
        for (const part of pieces) buffer.write(part);
        const lines = linesOf(buffer);
        expect(lines.length).toBeLessThanOrEqual(5);
        for (const { text } of lines) {
          if (!text.startsWith('A full-screen')) expect(text.length).toBeLessThanOrEqual(21);
        }
      }),
    );
  });
});
