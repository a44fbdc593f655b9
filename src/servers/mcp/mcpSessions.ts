import type { McpServer, WebStandardStreamableHTTPServerTransport } from './mcpServerLibrary.ts';
import type { Clock } from '../../base/clock.ts';
import type { Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { McpLimits } from './limits.ts';

/** A client of 2025's protocol, which names itself once and is then known by the session id that it was given. */
export interface McpSession {
  /** Whose token it was opened with: nobody else's is taken for it. */
  readonly callerKey: string;
  readonly server: McpServer;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  /** Ended with the session. */
  readonly resources: DisposableStore;
}

interface Held extends McpSession {
  requests: number;
  idle: Disposable | undefined;
}

/** The sessions of one endpoint; those that nobody uses end by themselves. */
export class McpSessions {
  private readonly limits: McpLimits;
  private readonly clock: Clock;
  private readonly sessions = new Map<string, Held>();

  constructor(limits: McpLimits, clock: Clock) {
    this.limits = limits;
    this.clock = clock;
  }

  get count(): number {
    return this.sessions.size;
  }

  /** Undefined also where it is another caller's: that there is one is nobody else's business. */
  find(id: string, callerKey: string): McpSession | undefined {
    const session = this.sessions.get(id);
    return session?.callerKey === callerKey ? session : undefined;
  }

  /** Error: `queue_full`. The caller's own oldest session that nobody uses right now makes room for another. */
  checkRoom(callerKey: string): void {
    const { sessions, sessionsPerCaller } = this.limits;
    const own = [...this.sessions].filter(([, session]) => session.callerKey === callerKey);
    if (own.length < sessionsPerCaller && this.sessions.size < sessions) return;
    const [idle] = own.find(([, session]) => session.requests === 0) ?? [];
    if (idle !== undefined) {
      this.end(idle);
      return;
    }
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'queue_full',
      'There are as many MCP sessions as there may be. End one of them, or wait a moment.',
    );
  }

  add(id: string, session: McpSession): void {
    const held: Held = { ...session, requests: 0, idle: undefined };
    this.sessions.set(id, held);
    this.rest(id, held);
  }

  /** @returns to be called when the request has been answered to its end. */
  begin(id: string): () => void {
    const session = this.sessions.get(id);
    if (session === undefined) return () => undefined;
    session.requests += 1;
    session.idle?.dispose();
    session.idle = undefined;
    return () => {
      session.requests -= 1;
      if (session.requests === 0 && this.sessions.get(id) === session) this.rest(id, session);
    };
  }

  /** Waits of its tools end; what they started goes on. */
  end(id: string): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.sessions.delete(id);
    session.idle?.dispose();
    session.resources.dispose();
    session.server.close().catch(() => undefined);
  }

  endAll(): void {
    for (const id of [...this.sessions.keys()]) this.end(id);
  }

  private rest(id: string, session: Held): void {
    session.idle?.dispose();
    session.idle = this.clock.setTimer(this.limits.sessionIdleMs, () => this.end(id));
  }
}
