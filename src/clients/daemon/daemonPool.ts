import { systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { DaemonSession } from '../../protocol/daemon/shapes.ts';
import {
  DaemonClient,
  type ExecuteTaskOptions,
  type ExecutedTask,
  type ListSessionsOptions,
  type SpawnSessionPayload,
} from './daemonClient.ts';
import type { DaemonClientOptions } from './options.ts';

export interface PooledDaemon {
  readonly url: string;
  readonly token?: string | undefined;
}

export interface DaemonPoolOptions extends Omit<DaemonClientOptions, 'url' | 'token'> {
  readonly daemons: readonly PooledDaemon[];
  /** How old a daemon's status may be when a session is placed by it, in milliseconds. Default: 1,000. */
  readonly maxStatusAgeMs?: number | undefined;
}

/** A session, and the daemon that has it. */
export interface PooledSession {
  /** The daemon's URL. */
  readonly daemon: string;
  readonly session: DaemonSession;
}

interface Member {
  readonly client: DaemonClient;
  load: number;
  /** On the pool's clock; long ago before the first. */
  readAt: number;
}

/** Several daemons as one: a session goes to the one that has the least to do, and is found there again. */
export class DaemonPool {
  /** In the order of the options. */
  readonly clients: readonly DaemonClient[];
  private readonly members: readonly Member[];
  private readonly maxStatusAgeMs: number;
  private readonly now: () => number;
  private readonly homes = new Map<string, DaemonClient>();

  constructor({ daemons, maxStatusAgeMs = 1_000, ...options }: DaemonPoolOptions) {
    this.members = daemons.map(({ url, token }) => ({
      client: new DaemonClient({ ...options, url, token }),
      load: 0,
      readAt: -Infinity,
    }));
    this.clients = this.members.map(({ client }) => client);
    this.maxStatusAgeMs = maxStatusAgeMs;
    const clock = options.clock ?? systemClock;
    this.now = () => clock.now();
    for (const { client } of this.members) {
      const home = ({ id }: DaemonSession): void => void this.homes.set(id, client);
      client.on('session_spawned', home);
      client.on('session_status_update', home);
    }
  }

  /** Resolves once every daemon was tried. Errors: the first one's, if none could be reached. */
  async connect(): Promise<void> {
    const outcomes = await Promise.allSettled(this.clients.map((client) => client.connect()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined && !this.clients.some(({ isConnected }) => isConnected)) throw failed.reason;
  }

  disconnect(): void {
    for (const client of this.clients) client.disconnect();
  }

  /**
   * On the connected daemon with the fewest active sessions and queued tasks, the first of them where several have.
   * Errors: `closed` when none is connected, and those of the daemon.
   */
  async spawnSession(payload: SpawnSessionPayload): Promise<PooledSession> {
    const { client } = await this.claimLeastLoaded();
    const session = await client.spawnSession(payload);
    return { daemon: client.url, session };
  }

  async executeTask(sessionId: string, task: string, options?: ExecuteTaskOptions): Promise<ExecutedTask> {
    return await (await this.homeOf(sessionId)).executeTask(sessionId, task, options);
  }

  async stopSession(sessionId: string): Promise<DaemonSession> {
    return await (await this.homeOf(sessionId)).stopSession(sessionId);
  }

  /** Of all daemons that are connected, one after the other. */
  async *allSessions(
    options: Omit<ListSessionsOptions, 'cursor'> = {},
  ): AsyncGenerator<PooledSession, void, undefined> {
    for (const client of this.clients) {
      if (!client.isConnected) continue;
      for await (const session of client.allSessions(options)) {
        this.homes.set(session.id, client);
        yield { daemon: client.url, session };
      }
    }
  }

  /** The daemon that has a session. Errors: `session_not_found`. */
  async homeOf(sessionId: string): Promise<DaemonClient> {
    const known = this.homes.get(sessionId);
    if (known !== undefined) return known;
    const connected = this.clients.filter(({ isConnected }) => isConnected);
    const asked = await Promise.allSettled(connected.map((client) => client.getSessionStatus(sessionId)));
    const home = connected[asked.findIndex(({ status }) => status === 'fulfilled')];
    if (home === undefined) {
      throw new OrchestratorError(
        'NOT_FOUND',
        'session_not_found',
        `None of the ${connected.length} connected daemons has the session ${sessionId}.`,
      );
    }
    return home;
  }

  private async claimLeastLoaded(): Promise<Member> {
    await Promise.all(this.members.map((member) => this.refresh(member)));
    const [first, ...others] = this.members.filter(({ client }) => client.isConnected);
    if (first === undefined) {
      throw new OrchestratorError('UNAVAILABLE', 'closed', 'None of the daemons is connected.');
    }
    const least = others.reduce((best, member) => (member.load < best.load ? member : best), first);
    // Until its next status: several spawns at once spread as well.
    least.load += 1;
    return least;
  }

  private async refresh(member: Member): Promise<void> {
    const { client, readAt } = member;
    if (!client.isConnected || this.now() - readAt < this.maxStatusAgeMs) return;
    // Noted before the answer, so that spawns meanwhile neither ask again nor are forgotten by it.
    member.readAt = this.now();
    const before = member.load;
    try {
      const { activeSessions, queuedTasks } = await client.getDaemonStatus();
      member.load = activeSessions + queuedTasks + (member.load - before);
    } catch {
      // It has just been lost, or is too busy to answer: others go first.
      member.load = Infinity;
      member.readAt = -Infinity;
    }
  }
}
