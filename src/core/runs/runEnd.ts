import type { LogTransaction } from '../events/logTransaction.ts';
import { reduceRun } from './reducer.ts';
import { isRunEnded, type Run } from './run.ts';
import type { RunEvent } from './runEvents.ts';
import { appendNotices } from './runNotices.ts';
import { contractEnding, resultFromState } from './runResult.ts';

/** How the core ends a run whose worker does not. */
export type RunEnd =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

export const hostLostEnd: RunEnd = {
  kind: 'failed',
  reason: 'process_host_lost',
  message:
    'The process host ended while this run was going on; its output up to then is kept. Use Retry to run it again.',
};

/** Appends one event of a run and folds it. The caller stores the answer. */
export function appendRunEvent(tx: LogTransaction, run: Run, event: RunEvent, time: number): Run {
  const { id: runId, sessionId } = run;
  const { type, data } = event;
  const changed = reduceRun(run, tx.append({ type, time, sessionId, runId, data: { ...data } }));
  if (type === 'response.in_progress') appendNotices(tx, run, time);
  return changed;
}

/**
 * Ends a run by the core's own events, unless it has ended; what was asked to stop and did stop is cancelled, whatever
 * stopped it. The caller stores the answer.
 */
export function appendRunEnd(tx: LogTransaction, run: Run, end: RunEnd, time: number): Run {
  if (isRunEnded(run)) return run;
  // The worker gave its result and only did not come to say that it was the end.
  if (run.result !== undefined) {
    const { status, completion_reason, outcome } = run.result;
    const data = { status, completion_reason, outcome };
    return appendRunEvent(tx, run, { type: 'response.completed', data }, time);
  }
  if (end.kind === 'cancelled' || run.isAborting) {
    const result = resultFromState(run, 'cancelled');
    const withResult = appendRunEvent(tx, run, { type: 'response', data: result }, time);
    const data = contractEnding('cancelled');
    return appendRunEvent(tx, withResult, { type: 'response.completed', data }, time);
  }
  const data = { error: end.message, reason: end.reason };
  const failed = appendRunEvent(tx, run, { type: 'response.failed', data }, time);
  // Contract 004: response.failed is followed by `error` with the same payload.
  return appendRunEvent(tx, failed, { type: 'error', data }, time);
}
