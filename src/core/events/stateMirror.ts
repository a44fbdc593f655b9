import { type Container, type EngineClaim, isContainerLive } from '../containers/container.ts';
import type { ContainerTask } from '../containerTasks/containerTask.ts';
import type { Store, StoredKind, StoredKinds } from '../ports/store.ts';
import { isRunEnded, type Run } from '../runs/run.ts';
import type { Session } from '../sessions/session.ts';
import type { Terminal } from '../terminals/terminal.ts';

/** One thing that a transaction wrote, as it is after it; `value` undefined when it was deleted. */
export type StateChange = {
  readonly [K in StoredKind]: {
    readonly kind: K;
    readonly id: string;
    readonly value: StoredKinds[K] | undefined;
  };
}[StoredKind];

/**
 * Sessions, terminals, containers and the runs that have not ended, in memory and in the order of their creation: what the tree
 * and the managers ask for all the time. The event log updates it after each commit and before anyone hears of it,
 * so that a listener never sees less than what it was told.
 */
export class StateMirror {
  private readonly _sessions = new Map<string, Session>();
  private readonly _terminals = new Map<string, Terminal>();
  private readonly _liveRuns = new Map<string, Run>();
  private readonly _containers = new Map<string, Container>();
  private readonly _engineClaims = new Map<string, EngineClaim>();
  private readonly _containerTasks = new Map<string, ContainerTask>();
  /** By session: its live terminals, containers and runs. */
  private readonly liveCounts = new Map<string, number>();

  constructor(store: Store) {
    for (const value of store.list('session')) this.apply({ kind: 'session', id: value.id, value });
    for (const value of store.list('terminal')) this.apply({ kind: 'terminal', id: value.id, value });
    for (const value of store.list('container')) this.apply({ kind: 'container', id: value.id, value });
    for (const value of store.list('engineClaim')) this.apply({ kind: 'engineClaim', id: value.id, value });
    for (const value of store.list('containerTask'))
      this.apply({ kind: 'containerTask', id: value.id, value });
    for (const value of liveRunsOf(store)) this.apply({ kind: 'run', id: value.id, value });
  }

  get sessions(): ReadonlyMap<string, Session> {
    return this._sessions;
  }

  get terminals(): ReadonlyMap<string, Terminal> {
    return this._terminals;
  }

  get liveRuns(): ReadonlyMap<string, Run> {
    return this._liveRuns;
  }

  get containers(): ReadonlyMap<string, Container> {
    return this._containers;
  }

  get engineClaims(): ReadonlyMap<string, EngineClaim> {
    return this._engineClaims;
  }

  get containerTasks(): ReadonlyMap<string, ContainerTask> {
    return this._containerTasks;
  }

  /** How many terminals, containers and runs of the session have not ended. */
  liveCount(sessionId: string): number {
    return this.liveCounts.get(sessionId) ?? 0;
  }

  /** By how much a change raises or lowers its session's `liveCount`. */
  liveDelta(change: StateChange): { readonly sessionId: string; readonly delta: number } | undefined {
    // A container task is as busy as its run is.
    if (change.kind === 'session' || change.kind === 'engineClaim' || change.kind === 'containerTask') {
      return undefined;
    }
    const before = { run: this._liveRuns, terminal: this._terminals, container: this._containers }[
      change.kind
    ].get(change.id);
    const sessionId = change.value?.sessionId ?? before?.sessionId;
    if (sessionId === undefined) return undefined;
    return { sessionId, delta: Number(isLive(change.value)) - Number(isLive(before)) };
  }

  apply(change: StateChange): void {
    const live = this.liveDelta(change);
    if (live !== undefined && live.delta !== 0) {
      this.liveCounts.set(live.sessionId, this.liveCount(live.sessionId) + live.delta);
    }
    switch (change.kind) {
      case 'session':
        setOrDelete(this._sessions, change.id, change.value);
        break;
      case 'terminal':
        setOrDelete(this._terminals, change.id, change.value);
        break;
      case 'container':
        setOrDelete(this._containers, change.id, change.value);
        break;
      case 'engineClaim':
        setOrDelete(this._engineClaims, change.id, change.value);
        break;
      case 'containerTask':
        setOrDelete(this._containerTasks, change.id, change.value);
        break;
      case 'run':
        setOrDelete(this._liveRuns, change.id, isLive(change.value) ? change.value : undefined);
        break;
    }
  }
}

function isLive(value: Run | Terminal | Container | undefined): boolean {
  if (value === undefined) return false;
  if ('status' in value) return !isRunEnded(value);
  // A container that was only made does nothing yet.
  return 'image' in value ? isContainerLive(value) : value.state !== 'exited';
}

function setOrDelete<T>(map: Map<string, T>, id: string, value: T | undefined): void {
  if (value === undefined) map.delete(id);
  else map.set(id, value);
}

/** Oldest first. Paged, because nothing bounds how many were queued. */
function liveRunsOf(store: Store): Run[] {
  const runs: Run[] = [];
  const limit = 500;
  for (;;) {
    const page = store.listRuns({ limit, isLive: true, before: runs.at(-1)?.id });
    runs.push(...page);
    if (page.length < limit) return runs.reverse();
  }
}
