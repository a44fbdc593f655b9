import type { Clock } from '../../../base/clock.ts';
import { OrchestratorError } from '../../../base/errors.ts';

/** As the promise, but no longer than until the signal: who is asked may not hear of it, or not at once. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw abortedError();
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(abortedError());
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Error: `aborted` by the signal. */
export async function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(ms, resolve);
  try {
    await abortable(promise, signal);
  } finally {
    timer.dispose();
  }
}

function abortedError(): OrchestratorError {
  return new OrchestratorError('CANCELLED', 'aborted', 'The run was stopped.');
}
