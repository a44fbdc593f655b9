import type { Disposable } from '../base/disposable.ts';
import type { Event } from '../base/emitter.ts';
import { OrchestratorError } from '../base/errors.ts';

export interface WaitOptions<T> {
  /** Answers once there is something to answer; called at once and after each event. It may throw. */
  readonly read: () => T | undefined;
  readonly changes: Event<unknown>;
  readonly closes: Event<void>;
  readonly signal?: AbortSignal | undefined;
}

/** Waits until `read` answers. Errors: `aborted` by the signal, `closed` when the core is closed before. */
export function waitFor<T>(options: WaitOptions<T>): Promise<T> {
  const { read, changes, closes, signal } = options;
  return new Promise<T>((resolve, reject) => {
    const subscriptions: Disposable[] = [];
    const settle = (end: () => void): void => {
      for (const subscription of subscriptions) subscription.dispose();
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    const check = (): void => {
      try {
        const value = read();
        if (value !== undefined) settle(() => resolve(value));
      } catch (error) {
        settle(() => reject(OrchestratorError.from(error)));
      }
    };
    const onAbort = (): void => {
      settle(() => reject(new OrchestratorError('CANCELLED', 'aborted', 'The wait was given up.')));
    };
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    subscriptions.push(
      changes(check),
      closes(() => settle(() => reject(closedError()))),
    );
    check();
  });
}

export function closedError(): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    'The orchestrator was closed. Terminals and runs go on; open it again to see them.',
  );
}

/** The promise's end, or the signal's, whichever comes first. Error: `aborted`. */
export async function waitForSignal(
  promise: Promise<unknown> | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new OrchestratorError('CANCELLED', 'aborted', 'The wait was given up.'));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
