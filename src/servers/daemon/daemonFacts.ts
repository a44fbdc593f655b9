import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { isRunEnded, type Run } from '../../core/runs/run.ts';
import { countOf } from '../../core/runs/runPayloads.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';

/** What the daemon's status counts. */
export interface DaemonFacts {
  /** Sessions with a run that has not ended. */
  readonly activeSessions: number;
  readonly queuedRuns: number;
  readonly runningRuns: number;
  /** Over the life of the store, as all totals. */
  readonly totalSessions: number;
  readonly totalRunsEnded: number;
  readonly totalRunsSucceeded: number;
  readonly totalTokens: number;
  /** From a run's start to its end, in milliseconds; 0 where none has ended. */
  readonly averageRunMs: number;
}

export interface FactsCounter extends Disposable {
  read(): DaemonFacts;
}

const pageSize = 500;

/** Counts what the store holds once, when it is first asked, and from then on what is committed. */
export function countFacts(orchestrator: Orchestrator): FactsCounter {
  const { runs, sessions, events } = orchestrator;
  const disposables = new DisposableStore();
  let counts:
    | { ended: number; succeeded: number; timed: number; totalMs: number; tokens: number }
    | undefined;
  const count = (run: Run): void => {
    if (counts === undefined || !isRunEnded(run)) return;
    counts.ended += 1;
    if (run.status === 'succeeded') counts.succeeded += 1;
    if (run.startedAt === undefined || run.endedAt === undefined) return;
    counts.timed += 1;
    counts.totalMs += run.endedAt - run.startedAt;
  };
  const begin = (): NonNullable<typeof counts> => {
    const fresh = { ended: 0, succeeded: 0, timed: 0, totalMs: 0, tokens: 0 };
    counts = fresh;
    for (let before: string | undefined; ; ) {
      const page = runs.list({ limit: pageSize, before });
      for (const run of page) count(run);
      before = page.at(-1)?.id;
      if (page.length < pageSize) break;
    }
    for (let after = 0; after < events.lastSequence; ) {
      const page = events.read({ after, limit: 10_000 });
      for (const event of page) if (event.type === 'runner.usage') fresh.tokens += tokensOf(event.data);
      after = page.at(-1)?.sequence ?? events.lastSequence;
    }
    disposables.add(
      events.onDidAppend(({ type, runId, data }) => {
        if (type === 'runner.usage') fresh.tokens += tokensOf(data);
        const isEnd = type === 'response.completed' || type === 'response.failed';
        const run = isEnd && runId !== undefined ? runs.find(runId) : undefined;
        if (run !== undefined) count(run);
      }),
    );
    return fresh;
  };
  return {
    read() {
      const { ended, succeeded, timed, totalMs, tokens } = counts ?? begin();
      const { runningRuns, queuedRuns } = orchestrator.activity();
      return {
        activeSessions: new Set(runs.active().map(({ sessionId }) => sessionId)).size,
        queuedRuns,
        runningRuns,
        totalSessions: sessions.list({ includeClosed: true }).length,
        totalRunsEnded: ended,
        totalRunsSucceeded: succeeded,
        totalTokens: tokens,
        averageRunMs: timed === 0 ? 0 : Math.round(totalMs / timed),
      };
    },
    dispose: () => disposables.dispose(),
  };
}

function tokensOf(data: Readonly<Record<string, unknown>>): number {
  return (countOf(data, 'input_tokens') ?? 0) + (countOf(data, 'output_tokens') ?? 0);
}
