import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { RunManager } from '../../core/runs/runManager.ts';

export interface QueueWatch extends Disposable {
  /** Tells of each other place of this run, from `position` on, until it does not wait any more. */
  add(runId: string, position: number, onDidMove: (position: number) => void): void;
}

/** Of the runs of one client. */
export function watchQueue(runs: Pick<RunManager, 'onDidChangeQueue' | 'queuePosition'>): QueueWatch {
  const watched = new Map<string, { position: number; readonly onDidMove: (position: number) => void }>();
  const subscription = new DisposableStore();
  const look = (): void => {
    for (const [id, entry] of watched) {
      const position = runs.queuePosition(id);
      if (position === undefined) watched.delete(id);
      else if (position !== entry.position) {
        entry.position = position;
        entry.onDidMove(position);
      }
    }
    // A thousand clients that do not wait cost nothing.
    if (watched.size === 0) subscription.clear();
  };
  return {
    add(runId, position, onDidMove) {
      if (watched.size === 0) subscription.add(runs.onDidChangeQueue(look));
      watched.set(runId, { position, onDidMove });
    },
    dispose() {
      watched.clear();
      subscription.dispose();
    },
  };
}
