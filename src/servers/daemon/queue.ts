import { type Disposable, toDisposable } from '../../base/disposable.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';

/** Where a run waits for its turn, from 1; undefined where it does not wait. */
export function queuePosition({ runs }: Orchestrator, id: string): number | undefined {
  const active = runs.active();
  const waiting = active.length - Math.min(active.length, runs.runningCount);
  if (waiting === 0) return undefined;
  // Those that are about to be given a worker are the oldest of what is queued.
  const queued = active.filter(({ status }) => status === 'queued').slice(-waiting);
  const index = queued.findIndex((run) => run.id === id);
  return index === -1 ? undefined : index + 1;
}

export interface QueueWatch extends Disposable {
  /** Tells of each other place of this run, from `position` on, until it does not wait any more. */
  add(runId: string, position: number, onDidMove: (position: number) => void): void;
}

/** Of the runs of one client. */
export function watchQueue(orchestrator: Orchestrator): QueueWatch {
  const watched = new Map<string, { position: number; readonly onDidMove: (position: number) => void }>();
  let subscription: Disposable | undefined;
  const stop = (): void => {
    subscription?.dispose();
    subscription = undefined;
  };
  const look = (): void => {
    for (const [id, entry] of watched) {
      const position = queuePosition(orchestrator, id);
      if (position === undefined) watched.delete(id);
      else if (position !== entry.position) {
        entry.position = position;
        entry.onDidMove(position);
      }
    }
    if (watched.size === 0) stop();
  };
  return {
    add(runId, position, onDidMove) {
      watched.set(runId, { position, onDidMove });
      subscription ??= orchestrator.events.onDidCommit(({ changes }) => {
        if (changes.some(({ kind }) => kind === 'run')) look();
      });
    },
    dispose: toDisposable(() => {
      watched.clear();
      stop();
    }).dispose,
  };
}
