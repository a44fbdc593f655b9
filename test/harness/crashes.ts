import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import type { Store } from '../../src/core/ports/store.ts';

export class Crash extends Error {
  override readonly name = 'Crash';
}

/**
 * One core's death: at the n-th of the moments before and after each call to the store and to the process host. From
 * then on that core reaches nothing and hears nothing, as if its process were killed.
 */
export class CrashPlan {
  /** Where it died. */
  at: string | undefined;
  private moments = 0;
  private readonly crashMoment: number;

  constructor(crashMoment: number) {
    this.crashMoment = crashMoment;
  }

  get hasCrashed(): boolean {
    return this.at !== undefined;
  }

  pass(moment: string): void {
    if (this.hasCrashed) throw new Crash(`after the crash ${String(this.at)}`);
    if (this.moments++ !== this.crashMoment) return;
    this.at = moment;
    throw new Crash(moment);
  }
}

export function crashingStore(store: Store, plan: CrashPlan): Store {
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (key !== 'transact') {
          if (plan.hasCrashed) throw new Crash('read after the crash');
          return Reflect.apply(value, target, args);
        }
        plan.pass('before a transaction');
        const result: unknown = Reflect.apply(value, target, args);
        plan.pass('after a transaction');
        return result;
      };
    },
  });
}

const synchronous = new Set(['dispose', 'connection']);

export function crashingHost(host: ProcessHost, plan: CrashPlan): ProcessHost {
  return new Proxy(host, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function' || typeof key === 'symbol' || synchronous.has(key)) return value;
      if (key.startsWith('onDid')) {
        return (listener: (event: unknown) => void): unknown =>
          Reflect.apply(value, target, [
            (event: unknown): void => {
              if (!plan.hasCrashed) listener(event);
            },
          ]);
      }
      return async (...args: unknown[]): Promise<unknown> => {
        plan.pass(`before ${key}`);
        const result: unknown = await Reflect.apply(value, target, args);
        plan.pass(`after ${key}`);
        return result;
      };
    },
  });
}
