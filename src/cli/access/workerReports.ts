import { AsyncQueue } from '../../base/asyncQueue.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { isLastRunEvent, type RunReport } from '../../core/orchestratorAccess.ts';
import { type ProcessHost, type WorkerEvent, workerExitedType } from '../../core/ports/processHost.ts';
import type { Store } from '../../core/ports/store.ts';
import { storedEvents } from './storedEvents.ts';

/**
 * What a run reports whose worker lives, until it ends or `signal` aborts. The worker itself is asked, so it works
 * without a core; what a core has stored and the worker may have forgotten is read from the log.
 */
export async function* workerReports(
  host: ProcessHost,
  store: Store,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<RunReport, void, undefined> {
  const reports = new AsyncQueue<RunReport>();
  const early: WorkerEvent[] = [];
  let isCaughtUp = false;
  const add = (event: RunReport): void => {
    reports.push(event);
    if (isLastRunEvent(event) || event.type === workerExitedType) reports.end();
  };
  const subscriptions = [
    host.onDidReceiveWorkerEvent((event) => {
      if (event.workerId !== runId) return;
      if (isCaughtUp) add(event);
      else early.push(event);
    }),
    host.onDidChangeConnection((connection) => {
      if (connection.state === 'lost') reports.fail(OrchestratorError.fromShape(connection.error));
    }),
  ];
  const onAbort = (): void => reports.end();
  signal.addEventListener('abort', onAbort);
  try {
    await host.followWorker(runId, store.workerCursor(runId));
    // The worker's journal forgets only what is stored. So what it forgot before we came is in the log by now.
    for await (const event of storedEvents(store, { after: 0, runId, follows: false, signal })) add(event);
    isCaughtUp = true;
    for (const event of early) add(event);
    yield* reports;
  } finally {
    signal.removeEventListener('abort', onAbort);
    for (const subscription of subscriptions) subscription.dispose();
  }
}
