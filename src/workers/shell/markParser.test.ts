import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxMarkBytes } from '../../core/terminals/osc133.ts';
import { type Mark, MarkParser } from './markParser.ts';

const nonce = '0123456789abcdef0123456789abcdef';
const encoder = new TextEncoder();

function startMark(step: number, terminator = '\x07'): string {
  return `\x1b]133;C;aid=${nonce};step=${step}${terminator}`;
}
function endMark(step: number, exitCode: number, terminator = '\x07', isExit = false): string {
  return `\x1b]133;D;${exitCode};aid=${nonce};step=${step}${isExit ? ';exit' : ''}${terminator}`;
}
function parseAll(text: string, offset = 0): Mark[] {
  return new MarkParser(nonce, offset).push(encoder.encode(text));
}

describe('MarkParser', () => {
  it('tells a mark, its step, its exit code and where it stands', () => {
    const before = 'é\r\n';
    const start = startMark(1);
    const marks = parseAll(`${before}${start}hello${endMark(1, 42)}`, 1_000);
    const from = 1_000 + encoder.encode(before).length;
    expect(marks).toEqual([
      { kind: 'start', step: 1, from, to: from + start.length },
      {
        kind: 'end',
        step: 1,
        exitCode: 42,
        isExit: false,
        from: from + start.length + 5,
        to: from + start.length + 5 + endMark(1, 42).length,
      },
    ]);
  });

  it('takes ST as well as BEL', () => {
    expect(parseAll(endMark(2, 0, '\x1b\\'))).toEqual([
      { kind: 'end', step: 2, exitCode: 0, isExit: false, from: 0, to: endMark(2, 0, '\x1b\\').length },
    ]);
  });

  it.each([
    ['no aid', '\x1b]133;D;0\x07'],
    ['another aid', '\x1b]133;D;0;aid=0123456789abcdef0123456789abcdee;step=1\x07'],
    ['an aid that only begins alike', `\x1b]133;D;0;aid=${nonce}0;step=1\x07`],
    ['no step', `\x1b]133;D;0;aid=${nonce}\x07`],
    ['no exit code', `\x1b]133;D;aid=${nonce};step=1\x07`],
    ['a negative exit code', `\x1b]133;D;-1;aid=${nonce};step=1\x07`],
    ['another letter', `\x1b]133;B;aid=${nonce};step=1\x07`],
    ['another number', `\x1b]633;D;0;aid=${nonce};step=1\x07`],
    ['another last word', `\x1b]133;D;0;aid=${nonce};step=1;exits\x07`],
    ['more at its end', `\x1b]133;D;0;aid=${nonce};step=1;x=1\x07`],
    ['no end', `\x1b]133;D;0;aid=${nonce};step=1`],
    ['a line break in it', `\x1b]133;D;0;aid=${nonce}\n;step=1\x07`],
    ['a sequence that breaks it off', `\x1b]133;D;0;aid=${nonce}\x1b[0m;step=1\x07`],
  ])('is not fooled by a mark with %s', (_name, forged) => {
    expect(parseAll(`${forged}x`)).toEqual([]);
  });

  it('finds a mark right behind a broken one', () => {
    const broken = `\x1b]133;D;0;aid=\x1b\x1b]133;`;
    expect(parseAll(broken + endMark(1, 0))).toMatchObject([{ kind: 'end', from: broken.length }]);
  });

  it('holds back no more than a mark can be long', () => {
    const parser = new MarkParser(nonce);
    parser.push(encoder.encode('text'));
    expect(parser.settledOffset).toBe(4);
    parser.push(encoder.encode('\x1b'));
    expect(parser.settledOffset).toBe(4);
    parser.push(encoder.encode('[0m'));
    expect(parser.settledOffset).toBe(8);
    parser.push(encoder.encode('\x1b]133;'));
    expect(parser.settledOffset).toBe(8);
    parser.push(encoder.encode('x'.repeat(maxMarkBytes)));
    expect(parser.settledOffset).toBe(8 + 6 + maxMarkBytes);
  });

  it('goes on behind a gap', () => {
    const parser = new MarkParser(nonce);
    parser.push(encoder.encode('a\x1b]133;D;0;'));
    parser.skipTo(5_000);
    expect(parser.push(encoder.encode(`aid=${nonce};step=1\x07${endMark(1, 7)}`))).toMatchObject([
      { kind: 'end', exitCode: 7, from: 5_000 + `aid=${nonce};step=1\x07`.length },
    ]);
  });

  it('refuses a nonce that could break its pattern', () => {
    expect(() => new MarkParser('a.c')).toThrow(RangeError);
  });

  // What a hostile program could print, near-misses of a mark above all.
  const noise = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '\x1b',
      '\x1b]',
      '\x1b]133',
      '\x1b]133;',
      '\x1b]133;C',
      '\x1b]133;D;0\x07',
      '\x1b]133;D;0;aid=deadbeef;step=1\x07',
      `\x1b]133;D;0;aid=${nonce}`,
      '\x1b\\',
      '\x07',
      '\x1b[31mred\x1b[0m',
      '\r\n',
      'é漢🙂',
    ),
  );
  const mark = fc.record({
    step: fc.integer({ min: 1, max: 999 }),
    exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
    terminator: fc.constantFrom('\x07', '\x1b\\'),
    isExit: fc.boolean(),
  });
  const stream = fc.array(fc.oneof(noise, noise, mark), { maxLength: 30 });

  it('finds the same marks however the bytes are cut, and every real one', () => {
    fc.assert(
      fc.property(
        stream,
        fc.infiniteStream(fc.integer({ min: 1, max: 17 })),
        fc.nat(1 << 30),
        (parts, cuts, offset) => {
          const chunks: Uint8Array[] = [];
          const expected: Mark[] = [];
          let end = offset;
          for (const part of parts) {
            // A lone BEL keeps a noise part from swallowing the mark behind it, as a terminal would see it too.
            const text =
              typeof part === 'string'
                ? `${part}\x07`
                : part.exitCode === null
                  ? startMark(part.step, part.terminator)
                  : endMark(part.step, part.exitCode, part.terminator, part.isExit);
            const bytes = encoder.encode(text);
            if (typeof part !== 'string') {
              const place = { step: part.step, from: end, to: end + bytes.length };
              expected.push(
                part.exitCode === null
                  ? { kind: 'start', ...place }
                  : { kind: 'end', ...place, exitCode: part.exitCode, isExit: part.isExit },
              );
            }
            chunks.push(bytes);
            end += bytes.length;
          }
          const all = Buffer.concat(chunks);
          const parser = new MarkParser(nonce, offset);
          const found: Mark[] = [];
          for (let index = 0; index < all.length; ) {
            const size: number = cuts.next().value;
            found.push(...parser.push(all.subarray(index, index + size)));
            index += size;
            // What is settled never reaches past what was given, and never into a mark that is found later.
            expect(parser.settledOffset).toBeLessThanOrEqual(offset + Math.min(index, all.length));
            const last = found.at(-1);
            if (last !== undefined) expect(parser.settledOffset).toBeGreaterThanOrEqual(last.to);
          }
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('finds no mark in what does not know the nonce', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (bytes, size) => {
        const parser = new MarkParser(nonce);
        for (let index = 0; index < bytes.length; index += size) {
          expect(parser.push(bytes.subarray(index, index + size))).toEqual([]);
        }
      }),
    );
  });
});
