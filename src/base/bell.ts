/**
 * Wakes one waiter. It holds the fact that there is something to do, not what: whoever is woken looks for itself, so
 * that nothing piles up while nobody waits.
 */
export class Bell {
  private isRung = false;
  private wake: (() => void) | undefined;

  ring(): void {
    this.isRung = true;
    this.wake?.();
  }

  /** Resolves at once where it was rung since the last time. */
  async heard(): Promise<void> {
    if (!this.isRung) await new Promise<void>((resolve) => (this.wake = resolve));
    this.wake = undefined;
    this.isRung = false;
  }
}
