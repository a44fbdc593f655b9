// The daemon as its HTTP routes use it, in memory: sessions that only stand there, and a stream that a test writes.
import { OrchestratorError } from '../../src/base/errors.ts';
import type { StreamFrame } from '../../src/protocol/daemon/frames.ts';
import type { DaemonRequest } from '../../src/protocol/daemon/requests.ts';
import type { DaemonSession, DaemonStatus } from '../../src/protocol/daemon/shapes.ts';
import type { ClientHandler, ClientLink, FrameBatch } from '../../src/servers/daemon/clientLink.ts';
import type { DaemonApi, FramePage } from '../../src/servers/http/daemonApi.ts';

export interface DaemonDouble {
  readonly api: DaemonApi;
  readonly sessions: ReadonlyMap<string, DaemonSession>;
  /** Everything that was asked for and changes something. */
  readonly calls: readonly string[];
  /** Requests of those who listen. */
  readonly requests: readonly DaemonRequest[];
  readonly listeners: number;
  /** Appends chunks of the stream, as one commit. */
  say(...texts: string[]): void;
}

class Listener implements ClientHandler {
  private readonly link: ClientLink;
  private readonly double: Double;
  /** How many frames it has been given; undefined before it has asked for any. */
  private given: number | undefined;
  private isFull = false;

  constructor(link: ClientLink, double: Double) {
    this.link = link;
    this.double = double;
  }

  handle(request: DaemonRequest): void {
    this.double.requests.push(request);
    const end = this.double.frames.length;
    if (request.type === 'resume') {
      const { after, part } = request.payload;
      if (after > end) {
        this.link.answer({
          type: 'error',
          error: `The log ends at ${end}.`,
          reason: 'invalid_request',
          seq: end,
        });
        return;
      }
      this.link.answer({ type: 'resumed', after, part, seq: end });
      this.given = after;
    } else {
      this.link.answer({ type: 'subscribed', sessionIds: ['*'], topics: [], seq: end });
      this.given = end;
    }
    this.pump();
  }

  /** @param batch of what has just come; those who lag behind get it later, from the log. */
  pump(batch?: FrameBatch): void {
    const { frames } = this.double;
    while (this.given !== undefined && !this.isFull && this.given < frames.length) {
      const isLive = batch !== undefined && this.given === frames.length - batch.frames.length;
      const next: FrameBatch = isLive ? batch : { frames: frames.slice(this.given, this.given + 100) };
      this.given += next.frames.length;
      this.isFull = !this.link.deliver(next);
    }
  }

  drained(): void {
    this.isFull = false;
    this.pump();
  }

  dispose(): void {
    this.double.handlers.delete(this);
  }
}

class Double implements DaemonDouble {
  readonly sessions = new Map<string, DaemonSession>();
  readonly calls: string[] = [];
  readonly requests: DaemonRequest[] = [];
  readonly frames: StreamFrame[] = [];
  readonly handlers = new Set<Listener>();
  private readonly byKey = new Map<string, string>();
  readonly api: DaemonApi;

  constructor() {
    this.api = {
      status: () => Promise.resolve(this.status()),
      listSessions: ({ limit = 100, cursor = '0' }) => {
        const all = [...this.sessions.values()];
        const [from, to] = [Number(cursor), Number(cursor) + limit];
        const nextCursor = to < all.length ? { nextCursor: String(to) } : {};
        return Promise.resolve({ sessions: all.slice(from, to), total: all.length, ...nextCursor });
      },
      getSession: async (id) => this.find(id),
      spawn: async (payload, { caller, requestId }) => {
        const key = `${caller.name} ${requestId ?? ''}`;
        const known = requestId === undefined ? undefined : this.byKey.get(key);
        if (known !== undefined) return this.find(known);
        const { task } = payload;
        const session = this.make(payload.orchestratorId, typeof task === 'string' ? task : task.description);
        this.byKey.set(key, session.id);
        return session;
      },
      createSession: async ({ orchestratorId }) => this.make(orchestratorId, ''),
      execute: async ({ sessionId, task }) => {
        this.find(sessionId);
        this.calls.push(`execute ${task}`);
        return { sessionId, taskId: 'run_1' };
      },
      stop: async (id) => this.change(id, { status: 'terminated', endedAt: new Date().toISOString() }),
      update: async (id, { name }) => this.change(id, name === undefined ? {} : { name }),
      listRuns: async ({ sessionId = '' }) => {
        this.find(sessionId);
        return { runs: [] };
      },
      accept: (link) => {
        const handler = new Listener(link, this);
        this.handlers.add(handler);
        return handler;
      },
      readFrames: async ({ after, limit }): Promise<FramePage> => {
        const from = after?.seq ?? 0;
        const frames = this.frames.slice(from, from + limit);
        const last = frames.at(-1);
        const next = last === undefined ? { seq: this.frames.length } : { seq: last.seq, part: last.part };
        return { frames, next, hasMore: from + limit < this.frames.length };
      },
    };
  }

  get listeners(): number {
    return this.handlers.size;
  }

  say(...texts: string[]): void {
    const frames = texts.map((chunk, index): StreamFrame => {
      const metadata = { type: 'text', index: 0, taskId: 'run_1' } as const;
      const seq = this.frames.length + index + 1;
      return { type: 'stream_chunk', data: { sessionId: 's', chunk, metadata }, seq, part: 0 };
    });
    this.frames.push(...frames);
    const batch = { frames };
    for (const handler of this.handlers) handler.pump(batch);
  }

  private find(id: string): DaemonSession {
    const session = this.sessions.get(id);
    if (session !== undefined) return session;
    throw new OrchestratorError('NOT_FOUND', 'session_not_found', `Session not found: ${id}`);
  }

  private change(id: string, change: Partial<DaemonSession>): DaemonSession {
    const session = { ...this.find(id), ...change };
    this.calls.push(`change ${id}`);
    this.sessions.set(id, session);
    return session;
  }

  private make(orchestratorId = 'default', description: string): DaemonSession {
    const id = `session_${this.sessions.size + 1}`;
    const now = new Date().toISOString();
    const task = { id: 'run_1', type: 'general', description, createdAt: now, updatedAt: now };
    const session: DaemonSession = {
      id,
      orchestratorId,
      task: { ...task, priority: 'medium', status: 'in_progress' },
      type: 'shell',
      status: 'running',
      startedAt: now,
      memoryContext: { scratchpad: {}, episodic: [], semantic: [] },
      metrics: {
        tokensUsed: 0,
        duration: 0,
        tasksCompleted: 0,
        errorsEncountered: 0,
        averageResponseTime: 0,
      },
    };
    this.sessions.set(id, session);
    this.calls.push(`make ${id}`);
    return session;
  }

  private status(): DaemonStatus {
    const lastCheck = new Date().toISOString();
    return {
      status: 'running',
      uptime: 1_500,
      activeSessions: this.sessions.size,
      queuedTasks: 1,
      metrics: {
        totalSessionsSpawned: this.sessions.size,
        totalTasksProcessed: 3,
        totalTokensUsed: 5,
        averageSessionDuration: 250,
        activeSessions: this.sessions.size,
        successRate: 0.5,
      },
      subsystems: {
        websocket: { status: 'running', lastCheck },
        'odd "one"\\\n': { status: 'error', lastCheck, errors: ['broken'] },
      },
    };
  }
}

export function createDaemonDouble(): DaemonDouble {
  return new Double();
}
