import { describe, expect, it } from 'vitest';
import {
  baseName,
  count,
  formatAge,
  formatDay,
  formatDuration,
  formatElapsed,
  formatTime,
  oneLine,
  shortPath,
} from './format.ts';

const at = (text: string): number => new Date(text).getTime();

describe('durations', () => {
  it.each([
    [0, '0:00'],
    [41_900, '0:41'],
    [102_000, '1:42'],
    [3_723_000, '1:02:03'],
    [-5, '0:00'],
  ])('%i ms elapsed reads %s', (ms, text) => expect(formatElapsed(ms)).toBe(text));

  it.each([
    [84, '84 ms'],
    [8_140, '8.1 s'],
    [102_000, '1:42'],
  ])('%i ms taken reads %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [10_000, 'just now'],
    [720_000, '12 min'],
    [3 * 3_600_000, '3 h'],
    [3 * 86_400_000, '3 d'],
  ])('%i ms ago reads %s', (ms, text) => expect(formatAge(ms)).toBe(text));
});

describe('times', () => {
  const now = at('2026-11-21T12:00:00');

  it('leaves the day out when it is today, and the year when it is this one', () => {
    expect(formatTime(at('2026-11-21T08:14:00'), now)).toBe('08:14');
    expect(formatTime(at('2026-11-20T08:14:00'), now)).toBe('20 Nov 08:14');
    expect(formatTime(at('2025-12-31T23:59:00'), now)).toBe('31 Dec 2025 23:59');
  });

  it('names the days that have a name', () => {
    expect(formatDay(at('2026-11-21T00:00:00'), now)).toBe('Today');
    expect(formatDay(at('2026-11-20T23:59:59'), now)).toBe('Yesterday');
    expect(formatDay(at('2026-11-19T10:00:00'), now)).toBe('Thu 19 Nov');
    expect(formatDay(at('2026-02-28T10:00:00'), at('2026-03-01T00:00:01'))).toBe('Yesterday');
  });
});

describe('short texts', () => {
  it('counts', () => {
    expect([count(0, 'run'), count(1, 'run'), count(2, 'run')]).toEqual(['0 runs', '1 run', '2 runs']);
  });

  it('shortens the home directory, and only it', () => {
    expect(shortPath('/home/a', '/home/a')).toBe('~');
    expect(shortPath('/home/a/work', '/home/a')).toBe('~/work');
    expect(shortPath('/home/ab', '/home/a')).toBe('/home/ab');
    expect(shortPath('/srv', '/')).toBe('/srv');
  });

  it('takes the name of a program', () => {
    expect(baseName('/usr/bin/bash')).toBe('bash');
    expect(baseName('C:\\Windows\\System32\\cmd.exe')).toBe('cmd');
    expect(baseName('/work/')).toBe('work');
  });

  it('cuts between characters as a person counts them', () => {
    expect(oneLine(' a\n\tb ', 10)).toBe('a b');
    expect(oneLine('👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 2)).toBe('👩‍👩‍👧‍👦…');
    expect(oneLine('e\u0301e\u0301e\u0301', 3)).toBe('e\u0301e\u0301e\u0301');
    expect(oneLine('x'.repeat(1_000_000), 5)).toBe('xxxx…');
  });
});
