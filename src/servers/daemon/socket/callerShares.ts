import type { Disposable } from '../../../base/disposable.ts';
import type { Caller } from '../../access/caller.ts';
import { RateWindow } from './rateWindow.ts';
import type { SocketLimits } from './socketLimits.ts';

/** A connection's part of what its caller may take. */
export interface CallerShare {
  readonly caller: Caller;
  /** @returns whether all connections of the caller together are within their rate. */
  takeMessage(nowMs: number): boolean;
  /** The connection needs it no more; once. */
  readonly leave: () => void;
}

/** Calls `onGone` once the caller's token has been taken away, or has expired. */
export type WatchCaller = (caller: Caller, onGone: () => void) => Disposable;

/** What callers take, by their names: whoever opens more connections gets no more. */
export class CallerShares {
  private readonly limits: SocketLimits;
  private readonly watch: WatchCaller;
  private readonly callers = new Map<string, { connections: number; readonly messages: RateWindow }>();

  constructor(limits: SocketLimits, watch: WatchCaller) {
    this.limits = limits;
    this.watch = watch;
  }

  /** @returns undefined where the caller has as many connections as are allowed. */
  enter(caller: Caller, onGone: () => void): CallerShare | undefined {
    const { maxConnectionsPerCaller, maxMessagesPerCaller, windowMs } = this.limits;
    const { name } = caller;
    const taken = this.callers.get(name) ?? {
      connections: 0,
      messages: new RateWindow(maxMessagesPerCaller, windowMs),
    };
    if (taken.connections >= maxConnectionsPerCaller) return undefined;
    taken.connections += 1;
    this.callers.set(name, taken);
    const watching = this.watch(caller, onGone);
    let hasLeft = false;
    return {
      caller,
      takeMessage: (nowMs) => taken.messages.take(nowMs) === 0,
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        watching.dispose();
        taken.connections -= 1;
        if (taken.connections === 0) this.callers.delete(name);
      },
    };
  }
}
