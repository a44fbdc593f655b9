import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { checkDirectory } from '../environmentChecks.ts';
import { baseName, trimPath, validName } from '../text.ts';
import type { CreateSessionRequest, Session } from './session.ts';

export interface ClosePreview {
  readonly liveTerminals: number;
  /** Those that wait for their turn too. */
  readonly runningRuns: number;
}

/** Ends everything that runs in a session and resolves when it has ended. Given by the Orchestrator. */
export type EndMembers = (sessionId: string) => Promise<void>;

export class SessionManager {
  private readonly context: CoreContext;
  private readonly endMembers: EndMembers;
  /** Defaults under way, by directory: two callers at once get the same one. */
  private readonly defaults = new Map<string, Promise<Session>>();
  private readonly closings = new Map<string, Promise<void>>();

  constructor(context: CoreContext, endMembers: EndMembers) {
    this.context = context;
    this.endMembers = endMembers;
  }

  /** Errors: `invalid_request` (the name), `directory_missing`, `disk_full`. */
  async create(request: CreateSessionRequest): Promise<Session> {
    const { environment, clock, ids, log } = this.context;
    const cwd = trimPath(request.cwd ?? environment.defaultDirectory());
    const name = validName(request.name ?? baseName(cwd), 'session');
    await checkDirectory(environment, cwd);
    const now = clock.now();
    const session: Session = {
      id: ids.hexId(),
      name,
      owner: validName(request.owner ?? 'user', 'owner'),
      type: request.type ?? 'shell',
      state: 'idle',
      cwd,
      createdAt: now,
      lastActiveAt: now,
    };
    const { owner, type, state } = session;
    log.commit((tx) => {
      tx.put('session', session);
      tx.report('session.created', { sessionId: session.id }, { name, owner, type, state, cwd });
    });
    return session;
  }

  /** Closed ones too. Error: `session_not_found`. */
  get(id: string): Session {
    const session = this.find(id);
    if (session !== undefined) return session;
    throw new OrchestratorError(
      'NOT_FOUND',
      'session_not_found',
      `There is no session ${id}. List the sessions to see which there are.`,
    );
  }

  find(id: string): Session | undefined {
    return this.context.state.sessions.get(id);
  }

  /** Oldest first; without the closed ones, unless asked for. */
  list(options: { readonly includeClosed?: boolean | undefined } = {}): Session[] {
    const sessions = [...this.context.state.sessions.values()];
    return options.includeClosed === true
      ? sessions
      : sessions.filter((session) => session.state !== 'closed');
  }

  /** The session, if something may be started in it. Errors: `session_not_found`, `session_closed`. */
  getOpen(id: string): Session {
    const session = this.get(id);
    if (isOpen(session)) return session;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'session_closed',
      `The session "${session.name}" is closed. Choose another one, or make a new one.`,
    );
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a door of the API: it answers by promise, errors too
  async rename(id: string, name: string): Promise<Session> {
    const clean = validName(name, 'session');
    const session = this.getOpen(id);
    if (session.name === clean) return session;
    const renamed: Session = { ...session, name: clean };
    this.context.log.commit((tx) => {
      tx.put('session', renamed);
      tx.report('session.updated', { sessionId: id }, { name: clean, state: session.state });
    });
    return renamed;
  }

  /** What closing would end, for the text of the confirmation. Error: `session_not_found`. */
  closePreview(id: string): ClosePreview {
    this.get(id);
    const { terminals, liveRuns } = this.context.state;
    // A run's own terminal ends with its run: a person counts it once.
    const liveTerminals = [...terminals.values()].filter(
      (terminal) => terminal.sessionId === id && terminal.state !== 'exited' && terminal.runId === null,
    );
    const runs = [...liveRuns.values()].filter((run) => run.sessionId === id);
    return { liveTerminals: liveTerminals.length, runningRuns: runs.length };
  }

  /**
   * Aborts its runs, kills its terminals and resolves when all have ended and the session is closed. Nothing new
   * starts in it from the first moment on; if the core ends on the way, the next one goes on. History stays.
   */
  async close(id: string): Promise<void> {
    const session = this.get(id);
    if (session.state === 'closed') return;
    let closing = this.closings.get(id);
    if (closing === undefined) {
      closing = this.closeNow(session).finally(() => this.closings.delete(id));
      this.closings.set(id, closing);
    }
    await closing;
  }

  /** The session to use when none is named: the oldest open one of this directory, else a new one. */
  async ensureDefault(cwd: string): Promise<Session> {
    const directory = trimPath(cwd);
    const open = this.list().find((session) => session.cwd === directory && isOpen(session));
    if (open !== undefined) return open;
    let creation = this.defaults.get(directory);
    if (creation === undefined) {
      creation = this.create({ cwd: directory }).finally(() => this.defaults.delete(directory));
      this.defaults.set(directory, creation);
    }
    return creation;
  }

  /** Goes on with what a former core was closing. Does not wait for it. */
  resumeClosing(): void {
    for (const session of this.list()) {
      if (session.state !== 'closing') continue;
      this.close(session.id).catch((error: unknown) => {
        this.context.failures.report(error, `close the session "${session.name}"`);
      });
    }
  }

  private async closeNow(session: Session): Promise<void> {
    const { log, clock } = this.context;
    const { id } = session;
    if (session.state !== 'closing') {
      log.commit((tx) => {
        tx.put('session', { ...session, state: 'closing' });
        tx.report('session.updated', { sessionId: id }, { name: session.name, state: 'closing' });
      });
    }
    await this.endMembers(id);
    const now = clock.now();
    log.commit((tx) => {
      tx.put('session', { ...this.get(id), state: 'closed', closedAt: now, lastActiveAt: now });
      tx.report('session.closed', { sessionId: id }, { name: session.name });
    });
  }
}

function isOpen(session: Session): boolean {
  return session.state !== 'closing' && session.state !== 'closed';
}
