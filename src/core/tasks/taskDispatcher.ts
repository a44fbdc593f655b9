import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { DueTimer } from '../../base/dueTimer.ts';
import type { Agent } from '../agents/agent.ts';
import type { AgentLink } from '../agents/agentLink.ts';
import type { AgentRegistry } from '../agents/agentRegistry.ts';
import type { CoreContext } from '../context.ts';
import type { ResourceUsage } from '../resources.ts';
import { type AgentTask, isTaskEnded } from './task.ts';
import { endTask, failAttempt, taskError, updateTask } from './taskChanges.ts';
import { begun } from './taskReporter.ts';

/** An agent that was told so often of a task and never began it does not do it. */
const deliveryLimit = 3;
const retryMs = 2_000;
const ranks = { critical: 0, high: 1, normal: 2, low: 3 } as const;

export interface Heartbeat {
  readonly resources?: ResourceUsage | undefined;
  /** Ids of the tasks that it works on. */
  readonly activeTasks?: readonly string[] | undefined;
}

/**
 * Gives waiting tasks to agents that can do them and have room, the most urgent first, then the oldest; and holds tasks
 * to their times. An agent hears of a task over its stream, or by the answer to its heartbeat: once a dispatch, and
 * again when it has not begun in time.
 */
export class TaskDispatcher implements Disposable {
  private readonly context: CoreContext;
  private readonly agents: AgentRegistry;
  private readonly disposables = new DisposableStore();
  private readonly timer: DueTimer;
  /** When each agent last sent a heartbeat by itself: one that does hears of tasks by its answers. */
  private readonly beats = new Map<string, number>();
  private isScheduled = false;
  private isOpen = false;

  constructor(context: CoreContext, agents: AgentRegistry) {
    this.context = context;
    this.agents = agents;
    this.timer = this.disposables.add(new DueTimer(context.clock, (now) => this.look(now)));
    this.disposables.add(
      context.log.onDidCommit(({ changes }) => {
        for (const change of changes) {
          if (change.kind === 'task' && change.value !== undefined) this.follow(change.value);
        }
      }),
    );
  }

  /** From now on tasks are given out. */
  open(): void {
    this.isOpen = true;
    for (const task of this.context.state.liveTasks.values()) this.timer.by(this.dueOf(task));
    this.schedule();
  }

  /** Gives out what there is room for, once this turn is over. */
  schedule(): void {
    if (this.isScheduled || !this.isOpen) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      if (this.disposables.isDisposed) return;
      try {
        this.dispatch();
      } catch (error) {
        this.context.failures.report(error, 'give tasks to agents');
        this.timer.by(this.context.clock.now() + retryMs);
      }
    });
  }

  /**
   * A sign of life, with what the agent works on. @returns ids of the tasks that it is to begin, each once a dispatch.
   * Errors: `agent_not_found`, `disk_full`.
   */
  heartbeat(agentId: string, beat: Heartbeat): string[] {
    const { state, log, clock } = this.context;
    this.agents.touch(agentId, beat.resources);
    this.beats.set(agentId, clock.now());
    const working = new Set(beat.activeTasks);
    const queued = [...state.tasksOf(agentId)].flatMap((id) => {
      const task = state.liveTasks.get(id);
      return task?.state === 'queued' ? [task] : [];
    });
    const begin = queued.filter(({ id }) => working.has(id));
    const deliver = queued.filter(({ id, deliveredAt }) => !working.has(id) && deliveredAt === undefined);
    if (begin.length > 0 || deliver.length > 0) {
      log.commit((tx) => {
        const now = clock.now();
        for (const task of begin) begun(tx, task, now);
        for (const task of deliver) {
          tx.put('task', { ...task, deliveries: task.deliveries + 1, deliveredAt: now });
        }
      });
    }
    return deliver.map(({ id }) => id);
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private dispatch(): void {
    const { state, log, clock } = this.context;
    const now = clock.now();
    const rooms = this.rooms();
    if (rooms.size === 0) return;
    const given: { readonly task: AgentTask; readonly agent: Agent }[] = [];
    for (const task of inOrder(state.liveTasks.values())) {
      if (rooms.size === 0) break;
      if ((task.retryAt ?? 0) > now) continue;
      const room = roomFor(task, rooms);
      if (room === undefined) continue;
      given.push({ task, agent: room.agent });
      room.taken += 1;
      if (room.taken >= room.agent.capabilities.maxConcurrentTasks) rooms.delete(room.agent.id);
    }
    if (given.length === 0) return;
    const told = log.commit((tx) =>
      given.map(({ task, agent }) => {
        const link = this.agents.linkOf(agent.id);
        const delivery = link === undefined ? {} : { deliveries: 1, deliveredAt: now };
        const change = {
          state: 'queued',
          agentId: agent.id,
          attempt: task.attempt + 1,
          retryAt: undefined,
          error: undefined,
        } as const;
        return { link, task: updateTask(tx, task, { ...change, deliveries: 0, ...delivery }) };
      }),
    );
    for (const { link, task } of told) if (link !== undefined) this.deliver(link, task);
  }

  private deliver(link: AgentLink, task: AgentTask): void {
    const { logger, log } = this.context;
    try {
      link.deliverTask(task);
    } catch (error) {
      logger.warn(`The task ${task.id} did not go over the stream of its agent`, error);
      log.commit((tx) => tx.put('task', { ...task, deliveredAt: undefined }));
    }
  }

  /** The agent has not begun in time: it is told again, by its stream only where it sends no heartbeats. */
  private deliverAgain(task: AgentTask, now: number): void {
    const { log, limits } = this.context;
    const agentId = task.agentId ?? '';
    const link = this.agents.linkOf(agentId);
    const beat = this.beats.get(agentId) ?? Number.NEGATIVE_INFINITY;
    if (link === undefined || now - beat < limits.agentSilenceMs) {
      log.commit((tx) => tx.put('task', { ...task, deliveredAt: undefined }));
      return;
    }
    const again: AgentTask = { ...task, deliveries: task.deliveries + 1, deliveredAt: now };
    log.commit((tx) => tx.put('task', again));
    this.deliver(link, again);
  }

  /** Agents that can take a task now. */
  private rooms(): Map<string, Room> {
    const rooms = new Map<string, Room>();
    for (const agent of this.agents.list({ state: 'online' })) {
      const taken = this.context.state.tasksOf(agent.id).size;
      if (taken < agent.capabilities.maxConcurrentTasks) rooms.set(agent.id, { agent, taken });
    }
    return rooms;
  }

  private follow(task: AgentTask): void {
    this.timer.by(this.dueOf(task));
    if (task.state === 'pending' || isTaskEnded(task)) this.schedule();
    if (task.state !== 'cancelled' && task.state !== 'timed_out') return;
    if (task.agentId === null) return;
    try {
      this.agents.linkOf(task.agentId)?.cancelTask(task.id, task.error?.message ?? '');
    } catch (error) {
      this.context.logger.warn(`The agent of the task ${task.id} was not told of its end`, error);
    }
  }

  private dueOf(task: AgentTask): number {
    if (isTaskEnded(task)) return Number.POSITIVE_INFINITY;
    const { state, retryAt, deliveredAt, expiresAt = Number.POSITIVE_INFINITY } = task;
    if (state === 'pending' && retryAt !== undefined) return Math.min(expiresAt, retryAt);
    if (state !== 'queued' || deliveredAt === undefined) return expiresAt;
    return Math.min(expiresAt, deliveredAt + this.context.limits.taskStartMs);
  }

  /** @returns when the next one is due. */
  private look(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const task of [...this.context.state.liveTasks.values()]) {
      const due = this.dueOf(task);
      if (due > now) next = Math.min(next, due);
      // One that waits for a retry is only given out again.
      else if (task.state !== 'pending' || (task.expiresAt ?? Number.POSITIVE_INFINITY) <= now) {
        if (!this.act(task, now)) next = Math.min(next, now + retryMs);
      } else next = Math.min(next, task.expiresAt ?? Number.POSITIVE_INFINITY);
    }
    this.schedule();
    return next;
  }

  /** @returns false where it could not be done now. */
  private act(task: AgentTask, now: number): boolean {
    const isExpired = task.expiresAt !== undefined && task.expiresAt <= now;
    try {
      if (!isExpired && task.deliveries < deliveryLimit) {
        this.deliverAgain(task, now);
        return true;
      }
      this.context.log.commit((tx) => {
        if (isExpired) {
          const message = `The task did not end within ${task.config.timeoutMs} ms.`;
          const error = taskError('DEADLINE_EXCEEDED', message, now);
          endTask(tx, task, { state: 'timed_out', error }, now);
        } else {
          const error = taskError('UNAVAILABLE', 'The agent did not begin the task.', now);
          failAttempt(tx, task, { error }, now);
        }
      });
      return true;
    } catch (error) {
      this.context.failures.report(error, `store what became of the task ${task.id}`);
      return false;
    }
  }
}

interface Room {
  readonly agent: Agent;
  taken: number;
}

/** The agent with the least to do, among those with room that may do it. */
function roomFor(task: AgentTask, rooms: ReadonlyMap<string, Room>): Room | undefined {
  const { target } = task;
  if ('agentId' in target) return rooms.get(target.agentId);
  let best: Room | undefined;
  for (const room of rooms.values()) {
    const { name, capabilities } = room.agent;
    const isFit =
      'agentName' in target ? name === target.agentName : capabilities.tasks.includes(target.capability);
    if (!isFit) continue;
    if (best === undefined || room.taken < best.taken) best = room;
  }
  return best;
}

/** Those that wait: the most urgent first, then the oldest. */
function inOrder(tasks: Iterable<AgentTask>): AgentTask[] {
  return [...tasks]
    .filter(({ state }) => state === 'pending')
    .sort((left, right) => ranks[left.priority] - ranks[right.priority]);
}
