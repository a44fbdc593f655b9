import { type Container, type EngineClaim, isContainerLive } from '../containers/container.ts';
import type { ContainerTask } from '../containerTasks/containerTask.ts';
import type { Store, StoredKind, StoredKinds } from '../ports/store.ts';
import type { Agent } from '../agents/agent.ts';
import { isRunEnded, type Run } from '../runs/run.ts';
import type { Session } from '../sessions/session.ts';
import { type AgentTask, isTaskEnded } from '../tasks/task.ts';
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
 * Sessions, terminals, containers, container tasks, agents, and the runs and tasks that have not ended, in memory and in
 * the order of their creation: what the tree and the managers ask for all the time. The event log updates it after each
 * commit and before anyone hears of it, so that a listener never sees less than what it was told.
 */
export class StateMirror {
  private readonly _sessions = new Map<string, Session>();
  private readonly _terminals = new Map<string, Terminal>();
  private readonly _liveRuns = new Map<string, Run>();
  private readonly _containers = new Map<string, Container>();
  private readonly _engineClaims = new Map<string, EngineClaim>();
  private readonly _containerTasks = new Map<string, ContainerTask>();
  private readonly _agents = new Map<string, Agent>();
  private readonly _liveTasks = new Map<string, AgentTask>();
  /** By agent: the live tasks that it has. */
  private readonly tasksByAgent = new Map<string, Set<string>>();
  /** By session: its live terminals, containers, runs and tasks. */
  private readonly liveCounts = new Map<string, number>();

  constructor(store: Store) {
    for (const value of store.list('session')) this.apply({ kind: 'session', id: value.id, value });
    for (const value of store.list('terminal')) this.apply({ kind: 'terminal', id: value.id, value });
    for (const value of store.list('agent')) this.apply({ kind: 'agent', id: value.id, value });
    for (const value of store.listLiveTasks()) this.apply({ kind: 'task', id: value.id, value });
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

  get agents(): ReadonlyMap<string, Agent> {
    return this._agents;
  }

  get liveTasks(): ReadonlyMap<string, AgentTask> {
    return this._liveTasks;
  }

  /** Ids of the live tasks that an agent has, in the order in which it got them. */
  tasksOf(agentId: string): ReadonlySet<string> {
    return this.tasksByAgent.get(agentId) ?? noTasks;
  }

  /** How many terminals, containers, runs and tasks of the session have not ended. */
  liveCount(sessionId: string): number {
    return this.liveCounts.get(sessionId) ?? 0;
  }

  /** By how much a change raises or lowers its session's `liveCount`. */
  liveDelta(change: StateChange): { readonly sessionId: string; readonly delta: number } | undefined {
    const { kind } = change;
    // What is not among these is never busy by itself: a container task is as busy as its run.
    if (kind !== 'run' && kind !== 'terminal' && kind !== 'container' && kind !== 'task') return undefined;
    const maps = {
      run: this._liveRuns,
      terminal: this._terminals,
      container: this._containers,
      task: this._liveTasks,
    };
    const before: Live | undefined = maps[kind].get(change.id);
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
      case 'agent':
        setOrDelete(this._agents, change.id, change.value);
        break;
      case 'task':
        this.moveTask(
          change.id,
          this._liveTasks.get(change.id),
          isLive(change.value) ? change.value : undefined,
        );
        break;
    }
  }

  private moveTask(id: string, before: AgentTask | undefined, after: AgentTask | undefined): void {
    setOrDelete(this._liveTasks, id, after);
    const [from, to] = [before?.agentId ?? undefined, after?.agentId ?? undefined];
    if (from === to) return;
    if (from !== undefined) {
      const tasks = this.tasksByAgent.get(from);
      tasks?.delete(id);
      if (tasks?.size === 0) this.tasksByAgent.delete(from);
    }
    if (to === undefined) return;
    const tasks = this.tasksByAgent.get(to);
    if (tasks === undefined) this.tasksByAgent.set(to, new Set([id]));
    else tasks.add(id);
  }
}

const noTasks: ReadonlySet<string> = new Set();

/** What keeps a session busy while it is live. */
type Live = Run | Terminal | Container | AgentTask;

function isLive(value: Live | undefined): boolean {
  if (value === undefined) return false;
  if ('status' in value) return !isRunEnded(value);
  if ('target' in value) return !isTaskEnded(value);
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
