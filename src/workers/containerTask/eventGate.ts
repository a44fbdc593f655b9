import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';

/** Sustained rate, in events a second. */
export const gateRate = 100;
/** How many may come at once after a silence. */
export const gateBurst = 500;
/** Events that wait for their turn; large ones count for more, so that neither memory nor the wait grows with them. */
export const gateQueueLimit = 256;
/** An event of so many bytes counts as one more. */
const bytesPerEvent = 16 * 1024;

export interface GateEvent {
  /** Tells it, e.g. journals it; resolves when that is done. */
  readonly tell: (replaced: number) => Promise<void>;
  readonly bytes: number;
  /** Only the newest matters: while it waits as the last of the queue, a later one of this kind takes its place. */
  readonly isReplaceable: boolean;
}

/** `waits`: it may be replaced, and is told in its turn unless it is. `refused`: too much waits already. */
export type GateOutcome = 'told' | 'waits' | 'refused';

interface Waiting {
  event: GateEvent;
  replaced: number;
  readonly settle: (outcome: Promise<void>) => void;
}

/**
 * Lets through what can be stored and seen: `gateBurst` events at once, then `gateRate` a second, in the order in
 * which they came. Who sends faster waits for the answer; who does not wait is refused. So a flood costs its sender
 * time, and nobody memory or disk.
 */
export class EventGate implements Disposable {
  private readonly clock: Clock;
  private readonly queue: Waiting[] = [];
  private queuedCost = 0;
  private tokens = gateBurst;
  private filledAt: number;
  private timer: Disposable | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
    this.filledAt = clock.now();
  }

  /** Resolves once it was told, or, where it may be replaced, once it waits. Rejects with what `tell` throws. */
  async offer(event: GateEvent): Promise<GateOutcome> {
    if (this.queue.length === 0 && this.spend(event)) {
      await event.tell(0);
      return 'told';
    }
    const last = this.queue.at(-1);
    const replaced = event.isReplaceable && last?.event.isReplaceable === true ? last : undefined;
    const growth = costOf(event) - (replaced === undefined ? 0 : costOf(replaced.event));
    if (growth > 0 && this.queuedCost + growth > gateQueueLimit) return 'refused';
    this.queuedCost += growth;
    if (replaced !== undefined) {
      replaced.event = event;
      replaced.replaced += 1;
      return 'waits';
    }
    const told = new Promise<void>((resolve) => {
      this.queue.push({ event, replaced: 0, settle: resolve });
    });
    this.schedule();
    if (event.isReplaceable) {
      // Its sender was told that it is taken; if it cannot be told after all, the worker fails by its journal.
      told.catch(() => undefined);
      return 'waits';
    }
    await told;
    return 'told';
  }

  /** Tells at once all that waits, then this: for what must not be lost and comes once. */
  async force(event: GateEvent): Promise<void> {
    await this.flush();
    await event.tell(0);
  }

  /** Tells at once all that waits. */
  async flush(): Promise<void> {
    this.queuedCost = 0;
    const told = this.queue.splice(0).map(tell);
    await Promise.allSettled(told);
  }

  dispose(): void {
    this.timer?.dispose();
  }

  private drain(): void {
    this.timer = undefined;
    for (let next = this.queue[0]; next !== undefined && this.spend(next.event); next = this.queue[0]) {
      this.queue.shift();
      this.queuedCost -= costOf(next.event);
      void tell(next);
    }
    this.schedule();
  }

  private schedule(): void {
    const [next] = this.queue;
    if (next === undefined || this.timer !== undefined) return;
    const missing = Math.max(0, costOf(next.event) - this.tokens);
    const waitMs = Math.max(1, Math.ceil((missing * 1_000) / gateRate));
    this.timer = this.clock.setTimer(waitMs, () => this.drain());
  }

  private spend(event: GateEvent): boolean {
    const now = this.clock.now();
    // A clock that was set back must not cost the task its turn for as long.
    const elapsedMs = Math.max(0, now - this.filledAt);
    this.tokens = Math.min(gateBurst, this.tokens + (elapsedMs * gateRate) / 1_000);
    this.filledAt = now;
    const cost = costOf(event);
    if (this.tokens < cost) return false;
    this.tokens -= cost;
    return true;
  }
}

function tell({ event, replaced, settle }: Waiting): Promise<void> {
  const told = event.tell(replaced);
  settle(told);
  return told.catch(() => undefined);
}

function costOf({ bytes }: GateEvent): number {
  return 1 + Math.floor(bytes / bytesPerEvent);
}
