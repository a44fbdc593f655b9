import { OrchestratorError } from '../base/errors.ts';
import { type WorkerEvent, workerExitedType } from '../core/ports/processHost.ts';
import type { Run } from '../core/runs/run.ts';
import type { RunOutput } from './output/runOutput.ts';
import { feedRunOutput, isLastRunEvent } from './runOutputFeed.ts';
import { storedEvents } from './storedEvents.ts';
import type { StateView } from './stateView.ts';

/**
 * Tells `output` of a run that goes on, until it ends or `signal` aborts. Its worker is asked, so it works with and
 * without a core; what the core has stored and the worker may have forgotten is read from the log.
 */
export async function followRun(
  view: StateView,
  run: Run,
  output: RunOutput,
  signal: AbortSignal,
): Promise<void> {
  const { store } = view;
  if (store === undefined) return;
  if ((await view.liveWorkers()).has(run.id)) {
    await followWorker(view, run.id, output, signal);
    return;
  }
  // One that waits for its turn has no worker yet, but a core that will give it one. Any other has ended.
  const follows = run.status === 'queued';
  for await (const event of storedEvents(store, { after: 0, runId: run.id, follows, signal })) {
    feedRunOutput(output, event);
    if (isLastRunEvent(event)) return;
  }
}

async function followWorker(
  view: StateView,
  runId: string,
  output: RunOutput,
  signal: AbortSignal,
): Promise<void> {
  const { host, store } = view;
  if (host === undefined || store === undefined) return;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  ended.catch(() => undefined);
  const early: WorkerEvent[] = [];
  let isCaughtUp = false;
  const feed = (event: WorkerEvent): void => {
    feedRunOutput(output, event);
    if (isLastRunEvent(event) || event.type === workerExitedType) resolve();
  };
  const subscriptions = [
    host.onDidReceiveWorkerEvent((event) => {
      if (event.workerId !== runId) return;
      if (isCaughtUp) feed(event);
      else early.push(event);
    }),
    host.onDidChangeConnection((connection) => {
      if (connection.state === 'lost') reject(OrchestratorError.fromShape(connection.error));
    }),
  ];
  signal.addEventListener('abort', () => resolve());
  try {
    await host.followWorker(runId, store.workerCursor(runId));
    // The worker's journal forgets only what is stored. So what it forgot before we came is in the log by now.
    for await (const event of storedEvents(store, { after: 0, runId, follows: false, signal })) {
      feedRunOutput(output, event);
      if (isLastRunEvent(event)) resolve();
    }
    isCaughtUp = true;
    for (const event of early) feed(event);
    await ended;
  } finally {
    for (const subscription of subscriptions) subscription.dispose();
  }
}
