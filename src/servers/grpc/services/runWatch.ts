import { AsyncQueue } from '../../../base/asyncQueue.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { isRunEnded } from '../../../core/runs/run.ts';
import type {
  WatchRunRequest,
  WatchRunResponse,
  WatchRunsRequest,
  WatchRunsResponse,
} from '../../../protocol/gen/run/v1/run.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { eventMessage, runMessage } from './runMessages.ts';
import { required } from './values.ts';

/** The run as it stands, then its events up to the last one; or only its events after a sequence. */
export async function* watchRun(
  { events, runs }: Orchestrator,
  { runId, afterSequence }: WatchRunRequest,
  { signal }: CallContext,
): AsyncGenerator<WatchRunResponse, void, undefined> {
  let run = runs.get(required(runId, 'run_id'));
  let after = afterSequence;
  if (after === undefined) {
    after = events.lastSequence;
    yield { payload: { $case: 'snapshot', value: { sequence: after, run: runMessage(run) } } };
    if (isRunEnded(run)) return;
  }
  // What an ended run has reported is all in the log by now: no event would come that ends the stream.
  const last = isRunEnded(run) ? events.lastSequence : Number.MAX_SAFE_INTEGER;
  if (after >= last) return;
  const removed = events.onDidAppend((event) => {
    if (event.runId === runId && event.type === 'run.removed') stop.abort();
  });
  const stop = new AbortController();
  const ends = AbortSignal.any([signal, stop.signal]);
  try {
    if (isRunEnded(run)) {
      let cursor = after;
      while (cursor < last && !ends.aborted) {
        const page = events.read({ after: cursor, limit: 256, runId });
        for (const event of page) yield { payload: { $case: 'event', value: eventMessage(event) } };
        cursor = page.at(-1)?.sequence ?? last;
      }
      return;
    }
    for await (const event of events.follow({ after, runId, signal: ends })) {
      yield { payload: { $case: 'event', value: eventMessage(event) } };
      run = runs.find(runId) ?? run;
      if (event.type === 'response.completed' || event.type === 'error') return;
    }
  } finally {
    removed.dispose();
  }
}

/** Waiting changes of one watcher at most: a run changes ten times a second, and only its newest state counts. */
const mostChanges = 10_000;

/** The runs that go on, then every run that changes, as it stands when the client comes to read of it. */
export async function* watchRuns(
  { events, runs }: Orchestrator,
  { sessionId }: WatchRunsRequest,
  { signal }: CallContext,
): AsyncGenerator<WatchRunsResponse, void, undefined> {
  const isWanted = (session: string | undefined): boolean => sessionId === '' || session === sessionId;
  const waiting = new Set<string>();
  const queue = new AsyncQueue<string>();
  const add = (id: string): void => {
    if (waiting.has(id)) return;
    waiting.add(id);
    queue.push(id);
    if (waiting.size > mostChanges) queue.fail(tooSlow());
  };
  const subscriptions = [
    runs.onDidChange((run) => {
      if (isWanted(run.sessionId)) add(run.id);
    }),
    events.onDidAppend((event) => {
      if (event.type === 'run.removed' && event.runId !== undefined && isWanted(event.sessionId))
        add(event.runId);
    }),
    events.onDidClose(() => queue.end()),
  ];
  const onAbort = (): void => queue.end();
  signal.addEventListener('abort', onAbort);
  try {
    const active = runs.active().filter((run) => isWanted(run.sessionId));
    const snapshot = { sequence: events.lastSequence, runs: active.map(runMessage) };
    yield { payload: { $case: 'snapshot', value: snapshot } };
    for await (const id of queue) {
      waiting.delete(id);
      const run = runs.find(id);
      yield {
        payload:
          run === undefined ? { $case: 'removed', value: id } : { $case: 'changed', value: runMessage(run) },
      };
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    for (const subscription of subscriptions) subscription.dispose();
  }
}

function tooSlow(): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'record_dropped',
    `More than ${mostChanges} runs changed before you read of them. Watch again from a new snapshot.`,
  );
}
