import { createHash } from 'node:crypto';
import { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
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
import { daemonRun } from './runView.ts';
import type { SessionViews } from './sessionViews.ts';
import { memoryProfileLabel, orchestratorLabel } from './stream/sessionFold.ts';

/** Counters (`1`, `2` …) come again with each connection and mean another request; ids that are made to be unique do not. */
const shortestUniqueId = 16;
const defaultRunPage = 100;

export interface SessionCallsOptions {
  readonly orchestrator: Orchestrator;
  readonly views: SessionViews;
}

/** What may be done with sessions and their tasks, for the WebSocket and for HTTP alike. */
export class SessionCalls {
  private readonly orchestrator: Orchestrator;
  private readonly views: SessionViews;

  constructor({ orchestrator, views }: SessionCallsOptions) {
    this.orchestrator = orchestrator;
    this.views = views;
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
      const session = await this.create(payload, key);
      onSession(session.id);
      await this.startFirst(session, payload, request, key);
      return this.views.get(session.id);
    } catch (error) {
      throw contractError(error);
    }
  }

  /** Without a task. */
  async createSession(payload: NewSession, request: RequestContext): Promise<DaemonSession> {
    try {
      const { id } = await this.create(payload, requestKey('create', request));
      return this.views.get(id);
    } catch (error) {
      throw contractError(error);
    }
  }

  /** Errors: `session_not_found`, `session_closed`, those of `RunManager.start`. */
  async execute(payload: ExecutePayload, request: RequestContext): Promise<StartedTask> {
    const { sessionId, task, context, priority, timeoutMs } = payload;
    const { runs } = this.orchestrator;
    try {
      const run = await runs.start({
        sessionId,
        task,
        priority,
        timeoutMs,
        metadata: context === undefined || Object.keys(context).length === 0 ? undefined : { context },
        requestedBy: request.caller.name,
        idempotencyKey: requestKey('execute', request),
      });
      const position = this.orchestrator.runs.queuePosition(run.id);
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

  async update(id: string, { name, extendMs }: SessionChange): Promise<DaemonSession> {
    const { sessions } = this.orchestrator;
    try {
      if (name !== undefined) await sessions.rename(id, name);
      if (extendMs !== undefined) sessions.extend(id, extendMs);
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
      runs: runs.map((run) => daemonRun(run, this.orchestrator.runs.queuePosition(run.id))),
      ...(page.length <= limit || last === undefined ? {} : { nextCursor: last.id }),
    };
  }

  /** The same request sent again finds its session with the task that it has, however that has ended. */
  private async startFirst(
    session: Session,
    { task, timeoutMs }: SpawnPayload,
    { caller }: RequestContext,
    idempotencyKey: string | undefined,
  ): Promise<void> {
    const { sessions, runs } = this.orchestrator;
    if (idempotencyKey !== undefined && runs.list({ sessionId: session.id, limit: 1 }).length > 0) return;
    const given = typeof task === 'string' ? { description: task } : task;
    try {
      await runs.start({
        sessionId: session.id,
        task: given.description,
        priority: given.priority,
        taskType: given.type,
        metadata: given.metadata,
        timeoutMs,
        requestedBy: caller.name,
        idempotencyKey,
      });
    } catch (error) {
      await sessions.close(session.id, OrchestratorError.from(error).message);
      throw error;
    }
  }

  private create(
    { orchestratorId, memoryProfile, sessionType = 'claude-code', maxDurationMs, ...payload }: NewSession,
    idempotencyKey: string | undefined,
  ): Promise<Session> {
    return this.orchestrator.sessions.create({
      type: sessionType,
      name: payload.name,
      cwd: payload.cwd,
      image: payload.image,
      idempotencyKey,
      owner: orchestratorId,
      labels: {
        ...(orchestratorId === undefined ? {} : { [orchestratorLabel]: orchestratorId }),
        ...(memoryProfile === undefined ? {} : { [memoryProfileLabel]: memoryProfile }),
      },
      ...(maxDurationMs === undefined ? {} : { config: { maxDurationMs } }),
    });
  }
}

function requestKey(kind: string, { caller, requestId }: RequestContext): string | undefined {
  if (requestId === undefined || requestId.length < shortestUniqueId) return undefined;
  return createHash('sha256')
    .update(JSON.stringify([kind, caller.name, requestId]))
    .digest('hex');
}
