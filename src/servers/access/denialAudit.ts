import type { Disposable } from '../../base/disposable.ts';

/** Tries to get in that failed, gathered, as the core's `reportDeniedAccess` takes them. */
export interface Denial {
  /** The other end's address; `…` for those beyond the limit. */
  readonly remoteAddress: string;
  /** One of the contract's, e.g. `api_key_invalid`. */
  readonly reason: string;
  readonly count: number;
}

const firstGatherMs = 1_000;
const longestGatherMs = 60_000;
/** Kinds of failures that are told apart at a time. */
const kindLimit = 16;

/**
 * Failures by address and reason: told a second after the first one, and while they go on in ever larger portions, up
 * to a minute's: whoever tries all night must not fill a disk.
 */
export class DenialAudit implements Disposable {
  private readonly tell: (denials: readonly Denial[]) => void;
  private readonly gathered = new Map<string, { remoteAddress: string; reason: string; count: number }>();
  private timer: NodeJS.Timeout | undefined;
  private gatherMs = firstGatherMs;

  constructor(tell: (denials: readonly Denial[]) => void) {
    this.tell = tell;
  }

  note(remoteAddress: string, reason: string): void {
    const key = `${remoteAddress} ${reason}`;
    const isKnown = this.gathered.has(key) || this.gathered.size < kindLimit;
    const shownAddress = isKnown ? remoteAddress : '…';
    const entry = this.gathered.get(isKnown ? key : `… ${reason}`) ?? {
      remoteAddress: shownAddress,
      reason,
      count: 0,
    };
    entry.count += 1;
    this.gathered.set(isKnown ? key : `… ${reason}`, entry);
    this.timer ??= setTimeout(() => this.flush(), this.gatherMs).unref();
  }

  /** Tells what is left. */
  dispose(): void {
    clearTimeout(this.timer);
    if (this.gathered.size > 0) this.tell([...this.gathered.values()]);
    this.gathered.clear();
  }

  private flush(): void {
    const denials = [...this.gathered.values()];
    this.gathered.clear();
    if (denials.length === 0) {
      this.timer = undefined;
      this.gatherMs = firstGatherMs;
      return;
    }
    this.gatherMs = Math.min(longestGatherMs, this.gatherMs * 2);
    this.timer = setTimeout(() => this.flush(), this.gatherMs).unref();
    this.tell(denials);
  }
}
