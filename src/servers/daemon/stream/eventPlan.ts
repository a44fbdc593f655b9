import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Run } from '../../../core/runs/run.ts';
import type { StreamFrameBody } from '../../../protocol/daemon/frames.ts';
import type { DaemonTerminal } from '../../../protocol/daemon/shapes.ts';
import { daemonRun } from '../runView.ts';
import { isoDate } from '../words.ts';
import { LogFold } from './logFold.ts';
import type { EventPlan, PlannedPart } from './plannedParts.ts';
import { planRunEvent } from './runFrames.ts';
import { reduceRunFacts, type RunFacts } from './runFold.ts';
import { daemonSession, looksOther, reduceSession, type SessionFacts } from './sessionFold.ts';
import { reduceTerminal } from './terminalFold.ts';

/** How many sessions, runs and terminals one reader of the log keeps folded. */
const capacity = 1_024;

export type PlanSource = Pick<Orchestrator, 'events' | 'runs'>;

/** Plans of events that were made already: the newest events are the same objects for all who read them. */
export type PlanCache = WeakMap<OrchestratorEvent, EventPlan>;

/** Reads the log in order, and tells what frames come of each event. */
export class EventPlanner {
  private readonly source: PlanSource;
  private readonly cache: PlanCache;
  private readonly sessions: LogFold<SessionFacts>;
  private readonly runs: LogFold<RunFacts>;
  private readonly terminals: LogFold<DaemonTerminal>;

  constructor(source: PlanSource, cache: PlanCache) {
    this.source = source;
    this.cache = cache;
    const { events, runs } = source;
    const findRun = (id: string): Run | undefined => runs.find(id);
    this.sessions = new LogFold({
      read: (sessionId, after, limit) => events.read({ after, limit, sessionId }),
      reduce: reduceSession,
      capacity,
    });
    this.runs = new LogFold({
      read: (runId, after, limit) => events.read({ after, limit, runId }),
      reduce: (facts, event) => reduceRunFacts(facts, event, findRun),
      capacity,
    });
    this.terminals = new LogFold({
      read: (terminalId, after, limit) => events.read({ after, limit, terminalId }),
      reduce: reduceTerminal,
      capacity,
    });
  }

  /** Every event in the order of the log, none left out. */
  plan(event: OrchestratorEvent): EventPlan {
    const { sequence, sessionId, runId, terminalId } = event;
    const before = isSessionChange(event) ? this.sessionAt(sessionId, sequence - 1) : undefined;
    this.sessions.take(sessionId, event);
    this.runs.take(runId, event);
    this.terminals.take(terminalId, event);
    if (event.type === 'run.removed') {
      // Its events have left the log: what they amounted to is to be folded without them.
      if (sessionId !== undefined) this.sessions.forget(sessionId);
      if (runId !== undefined) this.runs.forget(runId);
    }
    const known = this.cache.get(event);
    if (known !== undefined) return known;
    const plan = { sequence, parts: this.partsOf(event, before) };
    this.cache.set(event, plan);
    return plan;
  }

  private partsOf(event: OrchestratorEvent, before: SessionFacts | undefined): readonly PlannedPart[] {
    const { sequence, sessionId, runId, terminalId } = event;
    const parts: PlannedPart[] = [];
    if (runId !== undefined && sessionId !== undefined && event.type !== 'run.removed') {
      const facts = this.runs.at(runId, sequence);
      if (facts !== undefined) {
        parts.push(...planRunEvent(event, facts));
        if (isRunChange(event)) {
          const body = (): StreamFrameBody => ({ type: 'run_status_update', run: daemonRun(facts.run) });
          parts.push({ kind: 'frame', audience: { kind: 'topic', topic: 'runs', sessionId }, body });
        }
      }
    }
    const session = isSessionEvent(event) ? this.sessionAt(sessionId, sequence) : undefined;
    if (session !== undefined && (!isSessionChange(event) || looksOther(before, session))) {
      parts.push({ kind: 'frame', audience: { kind: 'everyone' }, body: () => this.status(session) });
    }
    if (terminalId !== undefined && isTerminalEvent(event)) {
      const terminal = this.terminals.at(terminalId, sequence);
      const body = (): StreamFrameBody | undefined => terminalBody(event, terminalId, terminal);
      parts.push({ kind: 'frame', audience: { kind: 'topic', topic: 'terminals', sessionId }, body });
    }
    parts.push({
      kind: 'frame',
      audience: { kind: 'topic', topic: 'events', sessionId },
      body: () => eventBody(event),
    });
    return parts;
  }

  private sessionAt(id: string | undefined, sequence: number): SessionFacts | undefined {
    return id === undefined ? undefined : this.sessions.at(id, sequence);
  }

  private status(facts: SessionFacts): StreamFrameBody {
    const request = facts.task === undefined ? undefined : this.source.runs.find(facts.task.id)?.request;
    // The time of the event, not that of the reader: who reads it later gets the same.
    const session = daemonSession(facts, { request, now: facts.updatedAt, isShort: true });
    return { type: 'session_status_update', session };
  }
}

function eventBody({ type, time, sessionId, runId, data }: OrchestratorEvent): StreamFrameBody {
  return {
    type: 'event',
    event: {
      type,
      time: isoDate(time),
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(runId === undefined ? {} : { runId }),
      data,
    },
  };
}

function terminalBody(
  { type }: OrchestratorEvent,
  terminalId: string,
  terminal: DaemonTerminal | undefined,
): StreamFrameBody | undefined {
  if (type === 'terminal.removed') return { type: 'terminal_removed', terminalId };
  return terminal === undefined ? undefined : { type: 'terminal_status_update', terminal };
}

/** Events of the session itself; told where a client would see another session. */
function isSessionChange({ type }: OrchestratorEvent): boolean {
  return type === 'session.created' || type === 'session.updated' || type === 'session.closed';
}

const taskChanges: ReadonlySet<string> = new Set([
  'response.created',
  'response.in_progress',
  'response.completed',
  'response.failed',
]);

function isSessionEvent(event: OrchestratorEvent): boolean {
  return isSessionChange(event) || taskChanges.has(event.type);
}

const stepChanges: ReadonlySet<string> = new Set([
  'runner.step.started',
  'runner.step.execution.completed',
  'runner.step.completed',
  'run.updated',
]);

function isRunChange({ type }: OrchestratorEvent): boolean {
  return taskChanges.has(type) || stepChanges.has(type);
}

const terminalChanges: ReadonlySet<string> = new Set([
  'terminal.created',
  'terminal.updated',
  'terminal.exited',
  'terminal.removed',
]);

function isTerminalEvent({ type }: OrchestratorEvent): boolean {
  return terminalChanges.has(type);
}
