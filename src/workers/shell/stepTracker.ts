import type { TerminalExitStatus } from '../../core/ports/processHost.ts';
import type { Mark } from './markParser.ts';

export type StepChange =
  | { readonly type: 'started'; readonly step: number; readonly from: number }
  | { readonly type: 'ended'; readonly step: number; readonly to: number; readonly exitCode: number };

/**
 * Makes steps of marks. Pure: marks, gaps and the shell's end go in, changes come out.
 *
 * The driver script goes on to a step only after the one before it succeeded, so a mark that was lost in a gap of the
 * record (the program wrote more than the record holds before we came to read it) can be told from the next one.
 */
export class StepTracker {
  private readonly total: number;
  private step = 0;
  private isOpen = false;
  /** The mark with which the shell ends. It counts once the shell has ended: only then its signal is known. */
  private final: { readonly exitCode: number; readonly to: number } | undefined;
  /** What was lost since the last mark, if anything. */
  private gap: { readonly from: number; readonly to: number } | undefined;

  constructor(total: number) {
    this.total = total;
  }

  /**
   * How far the open step's output is known to reach when the stream is settled up to `settledOffset`; undefined
   * between steps.
   */
  outputEnd(settledOffset: number): number | undefined {
    return this.isOpen ? (this.final?.to ?? settledOffset) : undefined;
  }

  /** Whether the shell came to the first step at all. */
  get hasStarted(): boolean {
    return this.step > 0;
  }

  /** [from, to) of the stream left the record unread; marks may have been in it. */
  skipped(from: number, to: number): void {
    this.gap = { from: this.gap?.from ?? from, to };
  }

  mark(mark: Mark): StepChange[] {
    if (mark.step > this.total || mark.step < this.step || this.final !== undefined) return [];
    const lost = this.gap ?? { from: mark.from, to: mark.from };
    this.gap = undefined;
    const changes: StepChange[] = [];
    if (mark.step > this.step) {
      this.openUntil(mark.step, lost.from, mark.kind === 'start' ? mark.to : lost.to, changes);
    }
    if (mark.kind === 'start' || !this.isOpen) return changes;
    if (mark.isExit) {
      this.final = { exitCode: mark.exitCode, to: mark.from };
    } else {
      changes.push(this.close(mark.from, 0));
    }
    return changes;
  }

  /** The shell's process ended at offset `end` of its terminal's record. */
  shellEnded(exit: TerminalExitStatus, end: number): StepChange[] {
    const changes: StepChange[] = [];
    if (this.isOpen) {
      changes.push(this.close(this.final?.to ?? end, exitCodeOf(exit, this.final?.exitCode ?? 0)));
    } else if (this.hasStarted && this.step < this.total) {
      // Ended between two steps, which only a signal can do: it is the next one that could not be done.
      changes.push(this.open(this.step + 1, end), this.close(end, exitCodeOf(exit, 1)));
    }
    return changes;
  }

  private openUntil(step: number, lostAt: number, from: number, changes: StepChange[]): void {
    if (this.isOpen) changes.push(this.close(lostAt, 0));
    while (this.step + 1 < step) changes.push(this.open(this.step + 1, lostAt), this.close(lostAt, 0));
    changes.push(this.open(step, from));
  }

  private open(step: number, from: number): StepChange {
    this.step = step;
    this.isOpen = true;
    return { type: 'started', step, from };
  }

  private close(to: number, exitCode: number): StepChange {
    this.isOpen = false;
    return { type: 'ended', step: this.step, to, exitCode };
  }
}

/**
 * A process's exit as one number, as shells do: 128 + signal where a signal ended it. `marked` is what the shell said
 * itself just before: some exit with 0 after a signal, and ksh counts signals from 256.
 */
export function exitCodeOf(exit: TerminalExitStatus, marked = 0): number {
  if (exit.signal !== null && exit.signal !== 0) return 128 + exit.signal;
  if (marked === 0) return exit.exitCode ?? 0;
  return marked > 256 ? marked - 128 : marked;
}
