import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { isSessionOpen } from '../../core/sessions/session.ts';
import type { DaemonSession } from '../../protocol/daemon/shapes.ts';
import { invalidRequest } from '../../core/text.ts';
import type { SessionPage, SessionQuery } from '../http/daemonApi.ts';
import { sessionNotFound } from './contractErrors.ts';
import { LogFold } from './stream/logFold.ts';
import { daemonSession, reduceSession, type SessionFacts, sessionStatusOf } from './stream/sessionFold.ts';

/** More than there are open sessions by default. */
const capacity = 2_048;
const defaultPage = 100;

/** Sessions as they stand now, in the shape of the seed. */
export class SessionViews implements Disposable {
  private readonly orchestrator: Orchestrator;
  private readonly now: () => number;
  private readonly folds: LogFold<SessionFacts>;
  private readonly disposables = new DisposableStore();

  constructor(orchestrator: Orchestrator, now: () => number) {
    const { events } = orchestrator;
    this.orchestrator = orchestrator;
    this.now = now;
    this.folds = new LogFold({
      read: (sessionId, after, limit) => events.read({ after, limit, sessionId }),
      reduce: reduceSession,
      capacity,
    });
    this.disposables.add(
      events.onDidAppend((event) => {
        this.folds.take(event.sessionId, event);
        if (event.type === 'run.removed' && event.sessionId !== undefined) this.folds.forget(event.sessionId);
      }),
    );
  }

  /** Error: `session_not_found`. @param isShort without the whole text of a long task. */
  get(id: string, isShort = false): DaemonSession {
    const facts = this.factsOf(id);
    const task = facts.task?.id;
    const run = task === undefined ? undefined : this.orchestrator.runs.find(task);
    return daemonSession(facts, {
      request: run?.request,
      now: this.now(),
      isShort,
      queuePosition: task === undefined ? undefined : this.orchestrator.runs.queuePosition(task),
    });
  }

  /** Oldest first, ended ones too. Error: `invalid_request` for a cursor that is none. */
  list({ limit = defaultPage, cursor, status, orchestratorId }: SessionQuery): SessionPage {
    const all = this.orchestrator.sessions.list({ includeClosed: true });
    const matching = all.filter((session) => {
      if (status !== undefined) {
        // Most have ended, and to know that of a session nothing has to be read.
        if (!isSessionOpen(session)) {
          if (status !== 'terminated') return false;
        } else if (sessionStatusOf(this.factsOf(session.id)) !== status) return false;
      }
      return orchestratorId === undefined || this.factsOf(session.id).orchestratorId === orchestratorId;
    });
    // Nothing is taken out of the list, so that the last one of a page stays where it was.
    const begin = cursor === undefined ? 0 : this.indexAfter(all, matching, cursor);
    const page = matching.slice(begin, begin + limit);
    const last = page.at(-1);
    return {
      sessions: page.map(({ id }) => this.get(id, true)),
      total: matching.length,
      ...(last === undefined || begin + limit >= matching.length ? {} : { nextCursor: last.id }),
    };
  }

  dispose(): void {
    this.disposables.dispose();
  }

  /** By the order of all, since the session of the cursor may have another status by now. */
  private indexAfter(
    all: readonly { readonly id: string }[],
    matching: readonly { readonly id: string }[],
    cursor: string,
  ): number {
    const at = all.findIndex(({ id }) => id === cursor);
    if (at === -1) throw invalidRequest('There is no such page of sessions. Begin again without a cursor.');
    const rest = new Set(all.slice(at + 1).map(({ id }) => id));
    const index = matching.findIndex(({ id }) => rest.has(id));
    return index === -1 ? matching.length : index;
  }

  private factsOf(id: string): SessionFacts {
    if (this.orchestrator.sessions.find(id) === undefined) throw sessionNotFound(id);
    const facts = this.folds.at(id, this.orchestrator.events.lastSequence);
    if (facts !== undefined) return facts;
    throw new OrchestratorError('INTERNAL', 'internal', `The log does not tell of the session ${id}.`);
  }
}
