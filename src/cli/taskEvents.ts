import { OrchestratorError } from '../base/errors.ts';
import { type WorkerEvent, workerExitedType } from '../core/ports/processHost.ts';
import { isLastRunEvent } from './runOutputFeed.ts';
import { storedEvents } from './storedEvents.ts';
import type { StateView } from './stateView.ts';

/** What stands in the log and in a worker's journal alike. */
export type TaskEvent = Pick<WorkerEvent, 'time' | 'type' | 'data'>;

export interface TaskEventsOptions {
  /** Go on until the execution ends or the signal aborts. */
  readonly follows: boolean;
  readonly signal: AbortSignal;
}

/** Every event of one execution, once and in order: what is stored, then what only its worker's journal has yet. */
export async function forEachTaskEvent(
  view: StateView,
  runId: string,
  { follows, signal }: TaskEventsOptions,
  onEvent: (event: TaskEvent) => void,
): Promise<void> {
  const { store, host } = view;
  if (store === undefined) return;
  // A core may store more while we read: what is printed and where the journal goes on must fit together.
  let stored: TaskEvent[];
  let cursor: number;
  do {
    cursor = store.workerCursor(runId);
    stored = [];
    for await (const event of storedEvents(store, { after: 0, runId, follows: false, signal })) {
      stored.push(event);
    }
  } while (cursor !== store.workerCursor(runId) && !signal.aborted);
  stored.forEach(onEvent);
  if (stored.some(isLastRunEvent) || host === undefined || signal.aborted) return;
  const worker = (await host.listWorkers()).find(({ id }) => id === runId);
  if (worker === undefined) return;
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  done.catch(() => undefined);
  const isDone = ({ type, sequence }: WorkerEvent): boolean =>
    isLastRunEvent({ type }) || type === workerExitedType || (!follows && sequence >= worker.lastSequence);
  const subscriptions = [
    host.onDidReceiveWorkerEvent((event) => {
      if (event.workerId !== runId || event.sequence <= cursor) return;
      cursor = event.sequence;
      onEvent(event);
      if (isDone(event)) resolve();
    }),
    host.onDidChangeConnection((connection) => {
      if (connection.state === 'lost') reject(OrchestratorError.fromShape(connection.error));
    }),
  ];
  signal.addEventListener('abort', () => resolve());
  try {
    if (!follows && cursor >= worker.lastSequence) return;
    await host.followWorker(runId, cursor);
    await done;
  } finally {
    for (const subscription of subscriptions) subscription.dispose();
  }
}
