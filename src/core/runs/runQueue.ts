import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import type { CoreContext } from '../context.ts';
import { codingAgentOf } from './codingAgents.ts';
import { agentNameOf, type Run, type RunPriority } from './run.ts';
import { isTaskRun } from './runWorkers.ts';

/** What goes first; the lower, the sooner. */
export const priorities: Readonly<Record<RunPriority, number>> = { critical: 0, high: 1, medium: 2, low: 3 };

export interface RunStarter {
  canStart(run: Run): boolean;
  begin(run: Run): void;
}

interface Place {
  readonly sessionId: string;
  /** Runs of one lane go one after the other. */
  readonly lane: string | undefined;
}

/**
 * The runs that wait for their turn, and the places of those that have it. Nothing of it is stored: it follows from the
 * runs. Executions of container tasks and tasks of agents take no place: they have limits of their own.
 *
 * The order is by priority, then by start, and is kept strictly: where the first one waits for a limit, nobody overtakes
 * it, so that none of a priority starves. Only a run that waits for its own session's conversation is passed by.
 */
export class RunQueue implements Disposable {
  /** The order of those that wait has changed; changes of one turn are told once. */
  readonly onDidChange: Event<void>;
  private readonly context: CoreContext;
  private readonly starters: RunStarter[] = [];
  private readonly places = new Map<string, Place>();
  private readonly disposables = new DisposableStore();
  private readonly changed: Emitter<void>;
  /** By id, in their order, with their positions; undefined while it has to be found anew. */
  private order: ReadonlyMap<string, number> | undefined;
  private told: ReadonlyMap<string, number> = new Map();
  private isTelling = false;

  constructor(context: CoreContext) {
    this.context = context;
    this.changed = this.disposables.add(
      new Emitter((error) => context.logger.error('A listener of the queue of runs failed', error)),
    );
    this.onDidChange = this.changed.event;
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        const concerns = changes.some(
          ({ kind, id, value }) =>
            kind === 'run' && (value?.status === 'queued' || this.order?.has(id) === true),
        );
        if (concerns) this.renew();
      }),
    );
  }

  /** From 1; undefined for a run that does not wait. */
  position(id: string): number | undefined {
    return this.positions().get(id);
  }

  /** Whoever begins runs that have got a place. */
  addStarter(starter: RunStarter): void {
    this.starters.push(starter);
  }

  /** Gives places to those that are next, as far as there is room; passes by what nobody can begin now. */
  fill(): void {
    const { state, limits } = this.context;
    for (const id of [...this.positions().keys()]) {
      if (this.places.size >= limits.maxConcurrentRuns) return;
      const run = state.liveRuns.get(id);
      if (run === undefined || this.places.has(id)) continue;
      const starter = this.starters.find((candidate) => candidate.canStart(run));
      if (starter === undefined) continue;
      const taken = [...this.places.values()];
      const lane = laneOf(run);
      if (lane !== undefined && taken.some((place) => place.lane === lane)) continue;
      const sessions = new Set(taken.map(({ sessionId }) => sessionId));
      if (!sessions.has(run.sessionId) && sessions.size >= limits.maxActiveSessions) return;
      this.take(run);
      starter.begin(run);
    }
  }

  /** The run has its turn already: it was begun by a former core. */
  take(run: Run): void {
    if (!takesPlace(run)) return;
    this.places.set(run.id, { sessionId: run.sessionId, lane: laneOf(run) });
    this.renew();
  }

  release(id: string): void {
    if (this.places.delete(id)) this.renew();
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private positions(): ReadonlyMap<string, number> {
    this.order ??= this.ordered();
    return this.order;
  }

  private ordered(): ReadonlyMap<string, number> {
    const byPriority: string[][] = [[], [], [], []];
    for (const run of this.context.state.liveRuns.values()) {
      if (run.status !== 'queued' || this.places.has(run.id) || !takesPlace(run)) continue;
      byPriority[priorities[run.request.priority ?? 'medium']]?.push(run.id);
    }
    return new Map(byPriority.flat().map((id, index) => [id, index + 1]));
  }

  private renew(): void {
    this.order = undefined;
    if (this.isTelling || this.disposables.isDisposed) return;
    this.isTelling = true;
    queueMicrotask(() => {
      this.isTelling = false;
      if (this.disposables.isDisposed) return;
      const now = this.positions();
      const isSame =
        now.size === this.told.size && [...now].every(([id, position]) => this.told.get(id) === position);
      this.told = now;
      if (!isSame) this.changed.fire();
    });
  }
}

function takesPlace(run: Run): boolean {
  return !isTaskRun(run) && agentNameOf(run.request) === undefined;
}

/** The runs of one coding agent in one session share its conversation. */
function laneOf({ sessionId, request }: Run): string | undefined {
  const agent = codingAgentOf(request);
  return agent === undefined ? undefined : `${sessionId} ${agent}`;
}
