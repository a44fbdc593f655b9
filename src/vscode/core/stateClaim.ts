import { setTimeout as delay } from 'node:timers/promises';
import type { Disposable } from '../../base/disposable.ts';
import type { CoreHolder } from '../../processHost/coreHolder.ts';
import type { YieldOutcome } from './yieldSocket.ts';

export type Claim =
  | { readonly kind: 'held'; readonly lock: Disposable }
  | { readonly kind: 'inUse'; readonly holder: CoreHolder | undefined };

export interface ClaimOptions {
  /** Undefined when someone holds the lock. */
  readonly tryLock: () => Disposable | undefined | Promise<Disposable | undefined>;
  readonly readHolder: () => CoreHolder | undefined | Promise<CoreHolder | undefined>;
  readonly requestYield: (holder: CoreHolder, isForced: boolean) => Promise<YieldOutcome>;
  /** The person confirmed that the other window is to let go. */
  readonly isForced: boolean;
  readonly patienceMs?: number;
}

const retryMs = 100;
const defaultPatienceMs = 5_000;

/**
 * Gets the lock of a state directory. After a reload the window's last extension host may still be closing, and after
 * its page was closed it may linger for hours: so a holder is asked at once whether anybody still sees it, and only
 * the answer "yes" ends the trying early.
 */
export async function claimState(options: ClaimOptions): Promise<Claim> {
  const deadline = Date.now() + (options.patienceMs ?? defaultPatienceMs);
  let refusals = 0;
  for (;;) {
    const lock = await options.tryLock();
    if (lock !== undefined) return { kind: 'held', lock };
    const holder = await options.readHolder();
    if (holder !== undefined && holder.yieldSocket !== undefined && holder.pid !== process.pid) {
      const outcome = await options.requestYield(holder, options.isForced);
      if (outcome === 'yielded') {
        const freed = await options.tryLock();
        if (freed !== undefined) return { kind: 'held', lock: freed };
      }
      // The file may be older than the lock: the second answer comes from whoever holds it now.
      if (outcome === 'refused' && ++refusals >= 2) return { kind: 'inUse', holder };
    }
    if (Date.now() >= deadline) return { kind: 'inUse', holder };
    await delay(retryMs);
  }
}
