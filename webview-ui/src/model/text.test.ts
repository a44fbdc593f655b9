import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contrast, minimumRatio, parseColor, readable } from './contrast.ts';
import type { Rgb } from './contrast.ts';
import { findMatches, matchFrom } from './find.ts';
import { firstErrorLine } from './firstError.ts';
import { formatBytes, formatDay, formatDuration, formatWhen, spokenDuration } from './format.ts';
import { findLinks } from './links.ts';
import { segmentsOf } from './segments.ts';
import { plain } from './style.ts';
import { TaskHistory } from './taskHistory.ts';

const source = (...texts: string[]) => ({
  firstLine: 10,
  endLine: 10 + texts.length,
  line: (number: number) => (texts[number - 10] === undefined ? undefined : { text: texts[number - 10]! }),
});

describe('findLinks', () => {
  const found = (text: string) =>
    findLinks(text).map((link) =>
      link.kind === 'url'
        ? link.url
        : [link.path, link.line, ...(link.column === undefined ? [] : [link.column])],
    );

  it('finds addresses without the punctuation around them', () => {
    expect(found('see (https://a.example/x_(y)?q=1#f), or http://localhost:3000.')).toEqual([
      'https://a.example/x_(y)?q=1#f',
      'http://localhost:3000',
    ]);
    expect(found('javascript:alert(1) file:///etc/passwd ftp://x/y vscode://z')).toEqual([]);
  });

  it('finds places in files as compilers and stack traces name them', () => {
    expect(found('src/a.ts:12:5 - error')).toEqual([['src/a.ts', 12, 5]]);
    expect(found('    at run (/home/m/x y/../dist/cli.js:3:14)').at(-1)).toEqual(['y/../dist/cli.js', 3, 14]);
    expect(found('a.ts(7,3): error TS1')).toEqual([['a.ts', 7, 3]]);
    expect(found('  File "/srv/app/main.py", line 42, in run')).toEqual([['/srv/app/main.py', 42]]);
    expect(found('C:\\work\\a.cs:9')).toEqual([['C:\\work\\a.cs', 9]]);
    expect(found('./ünï/код.go:8: x')).toEqual([['./ünï/код.go', 8]]);
  });

  it('takes times, hosts and versions for what they are', () => {
    expect(found('12:30:45 listening on example.com:443 and 127.0.0.1:8080, v1.2.3:4')).toEqual([]);
  });

  it('never fails, never overlaps and stays in the line', () => {
    const word = fc.constantFrom(
      'http://',
      'https://a.b/',
      'src/',
      'a.ts',
      ':',
      '1',
      '(',
      ')',
      ' ',
      '", line 3',
      '.',
      '/',
      '\\',
      'é',
      '😀',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        const text = words.join('');
        let end = 0;
        for (const link of findLinks(text)) {
          expect(link.start).toBeGreaterThanOrEqual(end);
          expect(link.end).toBeLessThanOrEqual(text.length);
          ({ end } = link);
        }
      }),
    );
  });

  it('is quick with hostile lines', () => {
    const started = performance.now();
    for (const text of ['a/'.repeat(990), 'a.'.repeat(990), `${'/'.repeat(1_900)}:1`, '((([[['.repeat(300)])
      findLinks(text);
    expect(performance.now() - started).toBeLessThan(300);
  });
});

describe('formats', () => {
  it('writes durations', () => {
    expect([0, 20, 420, 12_412, 59_960, 102_000, 3_912_412].map((ms) => formatDuration(ms))).toEqual([
      '< 0.1 s',
      '< 0.1 s',
      '0.4 s',
      '12.4 s',
      '1:00',
      '1:42',
      '1:05:12',
    ]);
    expect([-5, 999, 41_900, 102_999].map((ms) => formatDuration(ms, true))).toEqual([
      '0 s',
      '0 s',
      '41 s',
      '1:42',
    ]);
    expect(spokenDuration(102_000)).toBe('1 minute 42 seconds');
    expect(spokenDuration(300)).toBe('less than a second');
  });

  it('writes bytes, times and days', () => {
    expect([0, 999, 12_400, 999_900, 12_400_000, 3e12].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '12.4 KB',
      '1.0 MB',
      '12.4 MB',
      '3.0 TB',
    ]);
    const now = new Date(2026, 10, 21, 8, 14).getTime();
    expect(formatWhen(now - 30_000, now)).toBe('just now');
    expect(formatWhen(now - 12 * 60_000, now)).toBe('12 min ago');
    expect(formatWhen(now - 5 * 3_600_000, now)).toBe('03:14');
    const day = (days: number) => formatDay(new Date(2026, 10, 21 - days, 23, 0).getTime(), now);
    expect([0, 1, 2, 30, 400].map(day)).toEqual([
      'Today',
      'Yesterday',
      'Thursday',
      '22 October',
      '17 October 2025',
    ]);
  });
});

describe('firstErrorLine', () => {
  it('passes by what only sounds like an error', () => {
    expect(
      firstErrorLine(source('0 errors, 2 warnings', 'compiling error.ts', 'ok', 'a.ts:1:2 - error TS1')),
    ).toBe(13);
    expect(firstErrorLine(source('bash: nope: command not found'))).toBe(10);
    expect(firstErrorLine(source('all fine', 'done'))).toBeUndefined();
  });
});

describe('find', () => {
  it('finds literally, in the order of steps, and goes on from a place', () => {
    const sources = [
      [1, source('a.b', 'A.B a.b')],
      [2, source('axb', 'a.b')],
    ] as const;
    const matches = findMatches(sources, 'a.b', false);
    expect(matches.map(({ step, line, start }) => [step, line, start])).toEqual([
      [1, 10, 0],
      [1, 11, 0],
      [1, 11, 4],
      [2, 11, 0],
    ]);
    expect(findMatches(sources, 'a.b', true)).toHaveLength(3);
    expect(findMatches(sources, '', false)).toEqual([]);
    expect([matchFrom(matches, 1, 11), matchFrom(matches, 2, 0), matchFrom(matches, 3, 0)]).toEqual([
      1, 3, 0,
    ]);
  });
});

describe('segmentsOf', () => {
  it('gives the text back, cut at styles, links and matches', () => {
    const range = fc
      .tuple(fc.nat(30), fc.nat(30))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b), isCurrent: false }));
    fc.assert(
      fc.property(
        fc.string({ minLength: 30, maxLength: 30 }),
        fc.array(range),
        fc.array(fc.nat(29)),
        (text, matches, starts) => {
          const runs =
            starts.length === 0
              ? []
              : [...new Set([0, ...starts])].sort((a, b) => a - b).map((start) => ({ start, style: plain }));
          expect(
            segmentsOf({ text, runs }, [], matches)
              .map((segment) => segment.text)
              .join(''),
          ).toBe(text);
        },
      ),
    );
  });
});

describe('readable', () => {
  const color = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));
  it('always makes text that can be read, and leaves what can be', () => {
    fc.assert(
      fc.property(color, color, (text: Rgb, background: Rgb) => {
        expect(contrast(readable(text, background), background)).toBeGreaterThanOrEqual(minimumRatio);
        if (contrast(text, background) >= minimumRatio) expect(readable(text, background)).toBe(text);
      }),
    );
  });

  it('reads the colours that VS Code gives', () => {
    expect(parseColor(' #1f1f1f')).toEqual({ rgb: [31, 31, 31], opacity: 1 });
    expect(parseColor('#abc')).toEqual({ rgb: [170, 187, 204], opacity: 1 });
    expect(parseColor('rgba(234, 92, 0, 0.33)')).toEqual({ rgb: [234, 92, 0], opacity: 0.33 });
    expect([parseColor(''), parseColor('red'), parseColor('rgb(x)')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('TaskHistory', () => {
  it('goes back through different tasks and returns to the draft', () => {
    const history = new TaskHistory();
    history.setTasks(['b', 'b', 'a']);
    expect([history.older('draft'), history.older('b'), history.older('a')]).toEqual(['b', 'a', undefined]);
    expect([history.newer(), history.newer(), history.newer()]).toEqual(['b', 'draft', undefined]);
  });
});
