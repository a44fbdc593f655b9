import { createHash } from 'node:crypto';
import { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { ExecutePayload, SpawnPayload } from '../../protocol/daemon/requests.ts';
import type { DaemonSession } from '../../protocol/daemon/shapes.ts';
import type {
  NewSession,
  RequestContext,
  RunPage,
  RunQuery,
  SessionChange,
  StartedTask,
} from '../http/daemonApi.ts';
import { contractError } from './contractErrors.ts';
import { queuePosition } from './queue.ts';
import { daemonRun } from './runView.ts';
import type { SessionViews } from './sessionViews.ts';
import { memoryProfileLabel, orchestratorLabel } from './stream/sessionFold.ts';

/** Hashed, of the request that a session came from: a request that is sent again finds it. */
const requestLabel = 'daemon/request';
/** Counters (`1`, `2` …) come again with each connection and mean another request; ids that are made to be unique do not. */
const shortestUniqueId = 16;
const requestLifeMs = 24 * 60 * 60 * 1_000;
const defaultRunPage = 100;

export interface SessionCallsOptions {
  readonly orchestrator: Orchestrator;
  readonly views: SessionViews;
  readonly now: () => number;
}

/** What may be done with sessions and their tasks, for the WebSocket and for HTTP alike. */
export class SessionCalls {
  private readonly orchestrator: Orchestrator;
  private readonly views: SessionViews;
  private readonly now: () => number;
  /** Under way, by request: two at once make one session. */
  private readonly spawning = new Map<string, Promise<string>>();

  constructor({ orchestrator, views, now }: SessionCallsOptions) {
    this.orchestrator = orchestrator;
    this.views = views;
    this.now = now;
  }

  /**
   * A session with its task started, or neither. `onSession`: called with its id before the task starts. Errors: those
   * of `SessionManager.create` and of `RunManager.start`, in the contract's words.
   */
  async spawn(
    payload: SpawnPayload,
    request: RequestContext,
    onSession: (id: string) => void = () => undefined,
  ): Promise<DaemonSession> {
    const key = requestKey('spawn', request);
    try {
      const id = await this.once(key, () => this.spawnNow(payload, request, key, onSession));
      onSession(id);
      return this.views.get(id);
    } catch (error) {
      throw contractError(error);
    }
  }

  /** Without a task. */
  async createSession(payload: NewSession, request: RequestContext): Promise<DaemonSession> {
    const key = requestKey('create', request);
    try {
      const id = await this.once(key, async () => (await this.create(payload, key)).id);
      return this.views.get(id);
    } catch (error) {
      throw contractError(error);
    }
  }

  /** Errors: `session_not_found`, `session_closed`, those of `RunManager.start`. */
  async execute(payload: ExecutePayload, request: RequestContext): Promise<StartedTask> {
    const { sessionId, task, context, priority, timeoutMs } = payload;
    const { runs, sessions } = this.orchestrator;
    try {
      const session = sessions.getOpen(sessionId);
      const run = await runs.start({
        sessionId,
        task,
        engine: engineOf(session),
        priority,
        timeoutMs,
        metadata: context === undefined || Object.keys(context).length === 0 ? undefined : { context },
        requestedBy: request.caller.name,
        idempotencyKey: requestKey('execute', request),
      });
      const position = queuePosition(this.orchestrator, run.id);
      return { sessionId, taskId: run.id, ...(position === undefined ? {} : { queuePosition: position }) };
    } catch (error) {
      throw contractError(error, sessionId);
    }
  }

  /** Everything in it has ended when this resolves. Error: `session_not_found`. */
  async stop(id: string): Promise<DaemonSession> {
    try {
      await this.orchestrator.sessions.close(id, 'stopped');
      return this.views.get(id);
    } catch (error) {
      throw contractError(error, id);
    }
  }

  async update(id: string, { name }: SessionChange): Promise<DaemonSession> {
    try {
      if (name !== undefined) await this.orchestrator.sessions.rename(id, name);
      return this.views.get(id);
    } catch (error) {
      throw contractError(error, id);
    }
  }

  /** Newest first. Error: `session_not_found`. */
  listRuns({ sessionId, limit = defaultRunPage, cursor }: RunQuery): RunPage {
    if (sessionId !== undefined) this.views.get(sessionId, true);
    const page = this.orchestrator.runs.list({ sessionId, limit: limit + 1, before: cursor });
    const runs = page.slice(0, limit);
    const last = runs.at(-1);
    return {
      runs: runs.map((run) => daemonRun(run, queuePosition(this.orchestrator, run.id))),
      ...(page.length <= limit || last === undefined ? {} : { nextCursor: last.id }),
    };
  }

  private async spawnNow(
    payload: SpawnPayload,
    request: RequestContext,
    key: string | undefined,
    onSession: (id: string) => void,
  ): Promise<string> {
    const { sessions, runs } = this.orchestrator;
    const before = this.find(key);
    // The core may have ended between the two: what was begun is gone on with.
    if (before !== undefined && runs.list({ sessionId: before.id, limit: 1 }).length > 0) return before.id;
    const session = before ?? (await this.create(payload, key));
    onSession(session.id);
    try {
      await this.startFirst(session, payload, request, key);
    } catch (error) {
      await sessions.close(session.id, OrchestratorError.from(error).message);
      throw error;
    }
    return session.id;
  }

  private startFirst(
    session: Session,
    { task, timeoutMs, image }: SpawnPayload,
    { caller }: RequestContext,
    idempotencyKey: string | undefined,
  ): Promise<Run> {
    const given = typeof task === 'string' ? { description: task } : task;
    const metadata = { ...given.metadata, ...(image === undefined ? {} : { image }) };
    return this.orchestrator.runs.start({
      sessionId: session.id,
      task: given.description,
      engine: engineOf(session),
      priority: given.priority,
      taskType: given.type,
      metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
      timeoutMs,
      requestedBy: caller.name,
      idempotencyKey,
    });
  }

  private create(
    { orchestratorId, memoryProfile, sessionType = 'claude-code', name, cwd, maxDurationMs }: NewSession,
    key: string | undefined,
  ): Promise<Session> {
    return this.orchestrator.sessions.create({
      type: sessionType,
      name,
      cwd,
      owner: orchestratorId,
      labels: {
        ...(orchestratorId === undefined ? {} : { [orchestratorLabel]: orchestratorId }),
        ...(memoryProfile === undefined ? {} : { [memoryProfileLabel]: memoryProfile }),
        ...(key === undefined ? {} : { [requestLabel]: key }),
      },
      ...(maxDurationMs === undefined ? {} : { config: { maxDurationMs } }),
    });
  }

  private async once(key: string | undefined, make: () => Promise<string>): Promise<string> {
    if (key === undefined) return make();
    let making = this.spawning.get(key);
    if (making === undefined) {
      making = make().finally(() => this.spawning.delete(key));
      this.spawning.set(key, making);
    }
    return making;
  }

  private find(key: string | undefined): Session | undefined {
    if (key === undefined) return undefined;
    const after = this.now() - requestLifeMs;
    return this.orchestrator.sessions
      .list({ includeClosed: true, labels: { [requestLabel]: key } })
      .find(({ createdAt }) => createdAt >= after);
  }
}

/** The session's own: its tasks are what its type says. */
function engineOf({ type }: Session): string {
  return type;
}

function requestKey(kind: string, { caller, requestId }: RequestContext): string | undefined {
  if (requestId === undefined || requestId.length < shortestUniqueId) return undefined;
  return createHash('sha256')
    .update(JSON.stringify([kind, caller.name, requestId]))
    .digest('hex');
}
