import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { RunRequest } from '../../../core/runs/run.ts';
import { countOf, outcomeOf, textOf } from '../../../core/runs/runPayloads.ts';
import {
  type DaemonSession,
  type DaemonSessionStatus,
  type DaemonSessionType,
  type DaemonTask,
  sessionTypes,
} from '../../../protocol/daemon/shapes.ts';
import { isoDate, shorten } from '../words.ts';

/** Labels of sessions that came through the daemon. */
export const orchestratorLabel = 'daemon/orchestrator-id';
export const memoryProfileLabel = 'daemon/memory-profile';

/** What the log tells of a session up to one of its events. */
export interface SessionFacts {
  readonly id: string;
  readonly name: string;
  readonly type: DaemonSessionType;
  readonly cwd: string;
  readonly orchestratorId: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly startedAt: number;
  readonly isClosing: boolean;
  readonly closedAt: number | undefined;
  /** Of its last event. */
  readonly updatedAt: number;
  /** Its newest task. */
  readonly task: TaskFacts | undefined;
  /** Tasks that have not ended, with their start where they have begun. */
  readonly live: ReadonlyMap<string, number | undefined>;
  readonly completed: number;
  readonly failed: number;
  /** Tasks that were begun and have ended, and how long they took in all. */
  readonly timed: number;
  readonly totalMs: number;
  readonly tokens: number;
}

interface TaskFacts {
  readonly id: string;
  readonly status: DaemonTask['status'];
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Pure. Undefined before `session.created`. */
export function reduceSession(
  before: SessionFacts | undefined,
  event: OrchestratorEvent,
  id: string,
): SessionFacts | undefined {
  const { type, data, time, runId } = event;
  if (type === 'session.created') return created(event, id);
  if (before === undefined) return undefined;
  const facts = { ...before, updatedAt: time };
  switch (type) {
    case 'session.updated':
      return {
        ...facts,
        name: textOf(data, 'name') ?? facts.name,
        isClosing: facts.isClosing || data['state'] === 'closing',
        orchestratorId: orchestratorOf(event),
      };
    case 'session.closed':
      return { ...facts, isClosing: true, closedAt: time };
    case 'runner.usage':
      return {
        ...facts,
        tokens: facts.tokens + (countOf(data, 'input_tokens') ?? 0) + (countOf(data, 'output_tokens') ?? 0),
      };
    case 'response.created':
      if (runId === undefined) return before;
      return {
        ...facts,
        live: new Map(facts.live).set(runId, undefined),
        task: { id: runId, status: 'pending', createdAt: time, updatedAt: time },
      };
    case 'response.in_progress':
      if (runId === undefined || !facts.live.has(runId)) return before;
      return {
        ...facts,
        live: new Map(facts.live).set(runId, time),
        task: withStatus(facts.task, runId, 'in_progress', time),
      };
    case 'response.completed':
      return ended(facts, event, outcomeOf(data) ?? (data['status'] === 'failed' ? 'failed' : 'succeeded'));
    case 'response.failed':
      return ended(facts, event, 'failed');
    default:
      return before;
  }
}

/** Whether a client would see another session, its duration left out. */
export function looksOther(before: SessionFacts | undefined, after: SessionFacts): boolean {
  return (
    before === undefined ||
    before.name !== after.name ||
    before.isClosing !== after.isClosing ||
    before.closedAt !== after.closedAt ||
    before.orchestratorId !== after.orchestratorId
  );
}

export function sessionStatusOf({ isClosing, live, task }: SessionFacts): DaemonSessionStatus {
  if (isClosing) return 'terminated';
  if (live.size > 0)
    return [...live.values()].some((start) => start !== undefined) ? 'running' : 'initializing';
  if (task === undefined) return 'initializing';
  return task.status === 'completed' ? 'completed' : 'failed';
}

export interface SessionView {
  /** Of its newest task. */
  readonly request: RunRequest | undefined;
  /** Until when its duration counts. */
  readonly now: number;
  /** What goes to everybody, and lists, hold only the beginning of the task's text and not its metadata. */
  readonly isShort: boolean;
  readonly queuePosition?: number | undefined;
}

/** As clients of the seed know it. */
export function daemonSession(facts: SessionFacts, view: SessionView): DaemonSession {
  const { id, orchestratorId, type, startedAt, closedAt, name, cwd, timed, totalMs } = facts;
  return {
    id,
    orchestratorId,
    task: daemonTask(facts, view),
    type,
    status: sessionStatusOf(facts),
    startedAt: isoDate(startedAt),
    ...(closedAt === undefined ? {} : { endedAt: isoDate(closedAt) }),
    memoryContext: { scratchpad: {}, episodic: [], semantic: [] },
    metrics: {
      tokensUsed: facts.tokens,
      duration: Math.max(0, (closedAt ?? view.now) - startedAt),
      tasksCompleted: facts.completed,
      errorsEncountered: facts.failed,
      averageResponseTime: timed === 0 ? 0 : Math.round(totalMs / timed),
    },
    name,
    cwd,
    ...(view.queuePosition === undefined ? {} : { queuePosition: view.queuePosition }),
  };
}

/** Longest text of a task in what goes to everybody, in characters. */
const shortTaskLimit = 2_000;

function daemonTask({ task, startedAt }: SessionFacts, { request, isShort }: SessionView): DaemonTask {
  const text = request?.task ?? '';
  return {
    id: task?.id ?? '',
    type: request?.taskType ?? 'general',
    description: isShort ? shorten(text, shortTaskLimit) : text,
    priority: request?.priority ?? 'medium',
    status: task?.status ?? 'pending',
    createdAt: isoDate(task?.createdAt ?? startedAt),
    updatedAt: isoDate(task?.updatedAt ?? startedAt),
    ...(isShort || request?.metadata === undefined ? {} : { metadata: request.metadata }),
  };
}

function created(event: OrchestratorEvent, id: string): SessionFacts {
  const { data, time } = event;
  return {
    id,
    name: textOf(data, 'name') ?? '',
    type: sessionTypes.find((type) => type === data['type']) ?? 'shell',
    cwd: textOf(data, 'cwd') ?? '',
    orchestratorId: orchestratorOf(event),
    startedAt: time,
    isClosing: false,
    closedAt: undefined,
    updatedAt: time,
    task: undefined,
    live: new Map(),
    completed: 0,
    failed: 0,
    timed: 0,
    totalMs: 0,
    tokens: 0,
  };
}

function orchestratorOf({ labels }: OrchestratorEvent): string {
  return labels?.[orchestratorLabel] ?? 'default';
}

function ended(
  facts: SessionFacts,
  { runId, time }: OrchestratorEvent,
  outcome: 'succeeded' | 'failed' | 'cancelled' | 'timed_out',
): SessionFacts {
  if (runId === undefined || !facts.live.has(runId)) return facts;
  const live = new Map(facts.live);
  const start = live.get(runId);
  live.delete(runId);
  const status = outcome === 'succeeded' ? 'completed' : outcome === 'cancelled' ? 'cancelled' : 'failed';
  return {
    ...facts,
    live,
    task: withStatus(facts.task, runId, status, time),
    completed: facts.completed + (outcome === 'succeeded' ? 1 : 0),
    failed: facts.failed + (status === 'failed' ? 1 : 0),
    timed: facts.timed + (start === undefined ? 0 : 1),
    totalMs: facts.totalMs + (start === undefined ? 0 : Math.max(0, time - start)),
  };
}

function withStatus(
  task: TaskFacts | undefined,
  id: string,
  status: TaskFacts['status'],
  time: number,
): TaskFacts | undefined {
  return task?.id === id ? { ...task, status, updatedAt: time } : task;
}
