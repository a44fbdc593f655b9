import type { RecordingTransaction } from './events/logTransaction.ts';
import type { StateMirror } from './events/stateMirror.ts';
import type { StoreTotals } from './ports/store.ts';
import { isRunEnded, type Run } from './runs/run.ts';

export interface Activity {
  /** Runs that have a worker, or are being given one. */
  readonly runningRuns: number;
  readonly liveTerminals: number;
  /** Runs that wait for their turn. */
  readonly queuedRuns: number;
}

/** What the orchestrator does, and has done over the life of its store. */
export interface Statistics {
  /** Sessions with a run that runs or waits. */
  readonly activeSessions: number;
  readonly queuedRuns: number;
  readonly runningRuns: number;
  readonly totalSessions: number;
  readonly totalRunsEnded: number;
  readonly totalRunsSucceeded: number;
  /** Input and output, of the runs whose agents tell them. */
  readonly totalTokens: number;
  /** Milliseconds from start to end, of the runs that have ended; 0 where none has. */
  readonly averageRunMs: number;
}

export function readStatistics(state: StateMirror, totals: StoreTotals): Statistics {
  const active = new Set<string>();
  let runningRuns = 0;
  for (const { sessionId, status } of state.liveRuns.values()) {
    active.add(sessionId);
    if (status === 'running') runningRuns += 1;
  }
  return {
    activeSessions: active.size,
    queuedRuns: state.liveRuns.size - runningRuns,
    runningRuns,
    totalSessions: totals.sessions,
    totalRunsEnded: totals.endedRuns,
    totalRunsSucceeded: totals.succeededRuns,
    totalTokens: totals.tokens,
    averageRunMs: totals.timedRuns === 0 ? 0 : totals.runMs / totals.timedRuns,
  };
}

/** Counts what a transaction makes and ends, in that very transaction: the totals cannot drift from what is stored. */
export function settleTotals(tx: RecordingTransaction, state: StateMirror): void {
  let [sessions, endedRuns, succeededRuns, tokens, timedRuns, runMs] = [0, 0, 0, 0, 0, 0];
  for (const change of tx.changes.values()) {
    if (change.kind === 'session' && change.value !== undefined && !state.sessions.has(change.id))
      sessions += 1;
    if (change.kind !== 'run' || change.value === undefined) continue;
    const run = change.value;
    // A run that had ended before is never counted again.
    const before = state.liveRuns.get(run.id);
    if (before === undefined && isRunEnded(run)) continue;
    tokens += tokensOf(run) - (before === undefined ? 0 : tokensOf(before));
    if (!isRunEnded(run)) continue;
    endedRuns += 1;
    if (run.status === 'succeeded') succeededRuns += 1;
    if (run.startedAt === undefined || run.endedAt === undefined) continue;
    timedRuns += 1;
    runMs += Math.max(0, run.endedAt - run.startedAt);
  }
  if (sessions + endedRuns + tokens > 0) {
    tx.addToTotals({ sessions, endedRuns, succeededRuns, tokens, timedRuns, runMs });
  }
}

function tokensOf({ usage }: Run): number {
  return usage === undefined ? 0 : usage.inputTokens + usage.outputTokens;
}
