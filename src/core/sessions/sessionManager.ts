import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { checkDirectory } from '../environmentChecks.ts';
import { hasLabels, validDescription, validLabels, validTexts } from '../labels.ts';
import { checkRequestKey, requestKeyMs } from '../requestKeys.ts';
import { baseName, invalidRequest, trimPath, validName } from '../text.ts';
import { type ClosePreview, previewClose } from './closePreview.ts';
import {
  type CreateSessionRequest,
  defaultSessionConfig,
  isSessionOpen,
  noPreferences,
  type Session,
  type SessionFilter,
  type SessionMetadata,
  type SessionUpdate,
} from './session.ts';
import { touchSession, updateSession } from './sessionChanges.ts';
import { checkTransition } from './sessionState.ts';

/** Longest reference of an image, in characters. */
const imageLimit = 1_000;

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

  /**
   * With the key of an earlier request, that one's session. Errors: `invalid_request`, `directory_missing`,
   * `session_limit`, `disk_full`.
   */
  async create(request: CreateSessionRequest): Promise<Session> {
    const { environment, clock, ids, log } = this.context;
    const { idempotencyKey: key, image } = request;
    checkRequestKey(key);
    const known = this.findByKey(key);
    if (known !== undefined) return known;
    if (image !== undefined && (image === '' || image.length > imageLimit)) {
      throw invalidRequest(`The name of the image must have 1 to ${imageLimit} characters.`);
    }
    const cwd = trimPath(request.cwd ?? environment.defaultDirectory());
    const metadata = validMetadata(request, cwd);
    const config = { ...defaultSessionConfig, ...request.config };
    const allowedImages = validTexts(config.allowedImages, 'allowed images');
    this.checkRoom();
    await checkDirectory(environment, cwd);
    this.checkRoom();
    const now = clock.now();
    const session: Session = {
      id: ids.hexId(),
      ...metadata,
      type: request.type ?? 'shell',
      state: 'active',
      cwd,
      config: { ...config, allowedImages, policy: request.config?.policy ?? defaultSessionConfig.policy },
      preferences: request.preferences ?? noPreferences,
      image,
      taskHistory: [],
      createdAt: now,
      updatedAt: now,
      lastActiveAt: now,
      expiresAt: config.maxDurationMs > 0 ? now + config.maxDurationMs : undefined,
    };
    const { id: sessionId, name, owner, type, state, labels } = session;
    return log.commit((tx) => {
      // Another request with the key may have come while we looked at the disk.
      const other = this.findByKey(key);
      if (other !== undefined) return other;
      tx.put('session', session);
      if (key !== undefined) tx.setRequestKey('session', key, sessionId, now, now - requestKeyMs);
      tx.report('session.created', { sessionId, labels }, { name, owner, type, state, cwd });
      return session;
    });
  }

  /** Closed ones too. Error: `session_not_found`. */
  get(id: string): Session {
    const session = this.find(id);
    if (session !== undefined) return session;
    throw new OrchestratorError('NOT_FOUND', 'session_not_found', `session not found: ${id}`);
  }

  find(id: string): Session | undefined {
    return this.context.state.sessions.get(id);
  }

  /** Oldest first; without the closed ones, unless asked for. */
  list(filter: SessionFilter = {}): Session[] {
    const { state, owner, labels } = filter;
    const includeClosed = filter.includeClosed === true || state === 'closed';
    return [...this.context.state.sessions.values()].filter(
      (session) =>
        (includeClosed || session.state !== 'closed') &&
        (state === undefined || session.state === state) &&
        (owner === undefined || session.owner === owner) &&
        hasLabels(session.labels, labels),
    );
  }

  /** Whether a terminal, a run or a task of it has not ended. */
  isBusy(id: string): boolean {
    return this.context.state.liveCount(id) > 0;
  }

  /**
   * The session, if a stream may be bound to it: active or idle, and within its time. Errors: `session_not_found`,
   * `session_inactive`, `session_expired`.
   */
  getActive(id: string): Session {
    const session = this.get(id);
    if (session.state !== 'active' && session.state !== 'idle') {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'session_inactive',
        `session is not active: ${id} (state: ${session.state})`,
      );
    }
    if (session.expiresAt !== undefined && session.expiresAt <= this.context.clock.now()) {
      throw new OrchestratorError('FAILED_PRECONDITION', 'session_expired', `session has expired: ${id}`);
    }
    return session;
  }

  /** The session, if something may be started in it. Errors: `session_not_found`, `session_closed`. */
  getOpen(id: string): Session {
    const session = this.get(id);
    if (isSessionOpen(session)) return session;
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
    const { log, clock } = this.context;
    return log.commit((tx) => updateSession(tx, session, { name: clean }, clock.now()));
  }

  /**
   * Replaces what is said about the session, as a whole. Errors: `session_not_found`, `session_closed`,
   * `invalid_request`, `disk_full`.
   */
  update(id: string, update: SessionUpdate): Session {
    const session = this.get(id);
    if (session.state === 'closed') {
      throw new OrchestratorError('FAILED_PRECONDITION', 'session_closed', 'cannot update closed session');
    }
    const metadata = update.metadata === undefined ? {} : validMetadata(update.metadata, session.cwd);
    const preferences = update.preferences ?? session.preferences;
    const { log, clock } = this.context;
    const now = clock.now();
    return log.commit((tx) => {
      const touched = touchSession(tx, session, now);
      return updateSession(tx, touched, { ...metadata, preferences }, now);
    });
  }

  /**
   * Its longest duration ends so many milliseconds from now, unless it ends later or never. Errors:
   * `session_not_found`, `session_closed`, `disk_full`.
   */
  extend(id: string, byMs: number): Session {
    const session = this.getOpen(id);
    const { log, clock } = this.context;
    const now = clock.now();
    if (session.expiresAt === undefined || session.expiresAt >= now + byMs) return session;
    return log.commit((tx) => updateSession(tx, session, { expiresAt: now + byMs }, now));
  }

  /** What closing would end, for the text of the confirmation. Error: `session_not_found`. */
  closePreview(id: string): ClosePreview {
    this.get(id);
    const { terminals, liveRuns } = this.context.state;
    return previewClose(id, terminals.values(), liveRuns.values());
  }

  /**
   * Aborts its runs, kills its terminals and resolves when all have ended and the session is closed. Nothing new
   * starts in it from the first moment on; if the core ends on the way, the next one goes on. History stays.
   */
  async close(id: string, reason?: string): Promise<void> {
    const session = this.get(id);
    if (session.state === 'closed') return;
    let closing = this.closings.get(id);
    if (closing === undefined) {
      closing = this.closeNow(session, reason).finally(() => this.closings.delete(id));
      this.closings.set(id, closing);
    }
    await closing;
  }

  /** The session to use when none is named: the oldest open one of this directory, else a new one. */
  async ensureDefault(cwd: string): Promise<Session> {
    const directory = trimPath(cwd);
    const open = this.list().find((session) => session.cwd === directory && isSessionOpen(session));
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
      this.close(session.id, session.closeReason).catch((error: unknown) => {
        this.context.failures.report(error, `close the session "${session.name}"`);
      });
    }
  }

  private async closeNow(session: Session, closeReason: string | undefined): Promise<void> {
    const { log, clock } = this.context;
    const { id } = session;
    if (session.state !== 'closing') {
      const change = { state: 'closing', closeReason } as const;
      log.commit((tx) => updateSession(tx, session, change, clock.now()));
    }
    await this.endMembers(id);
    const now = clock.now();
    log.commit((tx) => {
      const open = this.get(id);
      checkTransition(open.state, 'closed');
      tx.put('session', { ...open, state: 'closed', closedAt: now, updatedAt: now, lastActiveAt: now });
      const data = { name: open.name, state: 'closed', reason: open.closeReason ?? null } as const;
      tx.report('session.closed', { sessionId: id, labels: open.labels }, data);
    });
  }

  private findByKey(key: string | undefined): Session | undefined {
    if (key === undefined) return undefined;
    const { store, clock } = this.context;
    const id = store.requestKey('session', key, clock.now() - requestKeyMs);
    return id === undefined ? undefined : this.find(id);
  }

  /** Error: `session_limit`. */
  private checkRoom(): void {
    const { maxSessions } = this.context.limits;
    if (this.list().length < maxSessions) return;
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'session_limit',
      `maximum sessions limit reached: ${maxSessions}`,
    );
  }
}

function validMetadata(
  metadata: SessionMetadata,
  cwd: string,
): Pick<Session, 'name' | 'owner' | 'description' | 'labels' | 'tags'> {
  const { name, owner } = metadata;
  return {
    name: validName(isBlank(name) ? baseName(cwd) : name, 'session'),
    owner: validName(isBlank(owner) ? 'user' : owner, 'owner'),
    description: validDescription(metadata.description, 'session'),
    labels: validLabels(metadata.labels, 'session'),
    tags: validTexts(metadata.tags, 'tags of the session'),
  };
}

function isBlank(text: string | undefined): text is undefined | '' {
  return text === undefined || text.trim() === '';
}
