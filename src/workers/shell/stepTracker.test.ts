import { describe, expect, it } from 'vitest';
import type { TerminalExitStatus } from '../../core/ports/processHost.ts';
import type { Mark } from './markParser.ts';
import { exitCodeOf, StepTracker } from './stepTracker.ts';

function start(step: number, from: number): Mark {
  return { kind: 'start', step, from, to: from + 10 };
}
function end(step: number, exitCode: number, from: number): Mark {
  return { kind: 'end', step, exitCode, isExit: false, from, to: from + 10 };
}
function exit(step: number, exitCode: number, from: number): Mark {
  return { kind: 'end', step, exitCode, isExit: true, from, to: from + 10 };
}
function exited(exitCode: number | null, signal: number | null = null): TerminalExitStatus {
  return { exitCode, signal, reason: 'exited', exitedAt: 0 };
}

describe('StepTracker', () => {
  it('makes steps of marks; the last one ends with the shell', () => {
    const tracker = new StepTracker(2);
    expect(tracker.hasStarted).toBe(false);
    expect(tracker.mark(start(1, 0))).toEqual([{ type: 'started', step: 1, from: 10 }]);
    expect(tracker.outputEnd(14)).toBe(14);
    expect(tracker.mark(end(1, 0, 20))).toEqual([{ type: 'ended', step: 1, to: 20, exitCode: 0 }]);
    expect(tracker.outputEnd(30)).toBeUndefined();
    expect(tracker.mark(start(2, 40))).toEqual([{ type: 'started', step: 2, from: 50 }]);
    expect(tracker.mark(exit(2, 0, 60))).toEqual([]);
    expect(tracker.outputEnd(75)).toBe(60);
    expect(tracker.shellEnded(exited(0), 70)).toEqual([{ type: 'ended', step: 2, to: 60, exitCode: 0 }]);
  });

  it('takes a failing step for the last one', () => {
    const tracker = new StepTracker(3);
    tracker.mark(start(1, 0));
    expect(tracker.mark(exit(1, 3, 20))).toEqual([]);
    expect(tracker.mark(start(2, 30))).toEqual([]);
    expect(tracker.shellEnded(exited(3), 40)).toEqual([{ type: 'ended', step: 1, to: 20, exitCode: 3 }]);
  });

  it('gives a step without end mark all output to the end and the status of the shell', () => {
    const tracker = new StepTracker(2);
    tracker.mark(start(1, 0));
    expect(tracker.shellEnded(exited(5), 99)).toEqual([{ type: 'ended', step: 1, to: 99, exitCode: 5 }]);
  });

  it('believes the signal rather than the mark of a dying shell', () => {
    // bash ends so on SIGINT, with the status of whatever was before.
    const tracker = new StepTracker(2);
    tracker.mark(start(1, 0));
    tracker.mark(exit(1, 0, 20));
    expect(tracker.shellEnded(exited(null, 15), 30)).toEqual([
      { type: 'ended', step: 1, to: 20, exitCode: 143 },
    ]);
  });

  it('tells a step that could not begin because the shell was killed before it', () => {
    const tracker = new StepTracker(2);
    tracker.mark(start(1, 0));
    tracker.mark(end(1, 0, 20));
    expect(tracker.shellEnded(exited(null, 9), 30)).toEqual([
      { type: 'started', step: 2, from: 30 },
      { type: 'ended', step: 2, to: 30, exitCode: 137 },
    ]);
  });

  it('tells nothing of a shell that never began', () => {
    const tracker = new StepTracker(1);
    expect(tracker.shellEnded(exited(1), 30)).toEqual([]);
    expect(tracker.hasStarted).toBe(false);
  });

  it('concludes from a later mark what was lost in a gap', () => {
    const tracker = new StepTracker(4);
    tracker.mark(start(1, 0));
    tracker.skipped(100, 5_000);
    expect(tracker.mark(start(4, 6_000))).toEqual([
      { type: 'ended', step: 1, to: 100, exitCode: 0 },
      { type: 'started', step: 2, from: 100 },
      { type: 'ended', step: 2, to: 100, exitCode: 0 },
      { type: 'started', step: 3, from: 100 },
      { type: 'ended', step: 3, to: 100, exitCode: 0 },
      { type: 'started', step: 4, from: 6_010 },
    ]);
  });

  it('gives a step whose start was lost what is left of its output', () => {
    const tracker = new StepTracker(3);
    tracker.mark(start(1, 0));
    tracker.skipped(100, 5_000);
    tracker.skipped(5_000, 6_000);
    expect(tracker.mark(end(2, 0, 7_000))).toEqual([
      { type: 'ended', step: 1, to: 100, exitCode: 0 },
      { type: 'started', step: 2, from: 6_000 },
      { type: 'ended', step: 2, to: 7_000, exitCode: 0 },
    ]);
  });

  it('passes over marks that cannot be', () => {
    const tracker = new StepTracker(2);
    tracker.mark(start(1, 0));
    tracker.mark(end(1, 0, 20));
    expect(tracker.mark(start(1, 30))).toEqual([]);
    expect(tracker.mark(end(1, 0, 40))).toEqual([]);
    expect(tracker.mark(start(3, 50))).toEqual([]);
  });
});

describe('exitCodeOf', () => {
  it.each([
    [exited(0), 0, 0],
    [exited(3), 3, 3],
    [exited(0), 143, 143],
    [exited(15), 0, 15],
    [exited(2), 258, 130],
    [exited(null, 9), 0, 137],
    [exited(0, 0), 0, 0],
  ])('%j with mark %i is %i', (exit, marked, expected) => {
    expect(exitCodeOf(exit, marked)).toBe(expected);
  });
});
