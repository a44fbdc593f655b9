import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { ProcessHost } from '../../core/ports/processHost.ts';

/** How long a program has to end by itself after Ctrl-C. */
export const interruptGraceMs = 300;
/** From asking the process tree to end to killing it. With the time above: all is gone within 2 s. */
export const terminateGraceMs = 700;

export type StopOutcome = 'cancelled' | 'timed_out';

/**
 * Ends a run before its time: interrupt, terminate, kill, over the whole process tree of the terminal that it has now.
 * The first request wins; later ones change nothing.
 */
export class Stopper implements Disposable {
  private readonly terminals: Pick<ProcessHost, 'writeTerminal' | 'killTerminal'>;
  private readonly clock: Clock;
  private requested: StopOutcome | undefined;
  private terminalId: string | undefined;
  private timer: Disposable | undefined;
  private killing: Promise<void> | undefined;

  constructor(terminals: Pick<ProcessHost, 'writeTerminal' | 'killTerminal'>, clock: Clock) {
    this.terminals = terminals;
    this.clock = clock;
  }

  /** Why the run is being ended, or undefined while it is not. */
  outcome(): StopOutcome | undefined {
    return this.requested;
  }

  /** @returns whether this was the first request. */
  request(outcome: StopOutcome): boolean {
    if (this.requested !== undefined) return false;
    this.requested = outcome;
    const terminalId = this.terminalId;
    if (terminalId !== undefined) {
      // Refused when the terminal has ended in the meantime, which is all that is wanted.
      this.terminals.writeTerminal(terminalId, '\x03').catch(() => undefined);
      this.timer = this.clock.setTimer(interruptGraceMs, () => this.killNow());
    }
    return true;
  }

  /** The terminal that a request is to end; one that was made before the request came through is ended at once. */
  watch(terminalId: string): void {
    this.terminalId = terminalId;
    this.killing = undefined;
    if (this.requested !== undefined) this.killNow();
  }

  /** Something in the terminal ended. If the run is being stopped there is nothing more to wait for. */
  hurry(): void {
    if (this.requested !== undefined) this.killNow();
  }

  /** Resolves once nothing that was to be ended is left. */
  async settled(): Promise<void> {
    // The shell may be gone while a child that left its process group or session is not.
    this.hurry();
    await this.killing;
  }

  dispose(): void {
    this.timer?.dispose();
  }

  private killNow(): void {
    this.timer?.dispose();
    if (this.terminalId === undefined) return;
    // A failure means that the terminal or its host is gone already; the terminal's end tells the rest.
    this.killing ??= this.terminals
      .killTerminal(this.terminalId, { graceMs: terminateGraceMs })
      .catch(() => undefined);
  }
}
