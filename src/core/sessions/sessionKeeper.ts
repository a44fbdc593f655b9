import type { Disposable } from '../../base/disposable.ts';
import { DisposableStore } from '../../base/disposable.ts';
import { DueTimer } from '../../base/dueTimer.ts';
import type { CoreContext } from '../context.ts';
import { isSessionOpen, type Session } from './session.ts';
import { updateSession } from './sessionChanges.ts';
import type { SessionManager } from './sessionManager.ts';

export const expiredReason = 'maximum duration reached';
/** What could not be done (a full disk) is tried again. */
const retryMs = 2_000;

/** Holds sessions to their time limits: closes what has expired, and calls idle what nothing has touched. */
export class SessionKeeper implements Disposable {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly disposables = new DisposableStore();
  private readonly timer: DueTimer;

  constructor(context: CoreContext, sessions: SessionManager) {
    this.context = context;
    this.sessions = sessions;
    this.timer = this.disposables.add(new DueTimer(context.clock, (now) => this.keep(now)));
  }

  /** Begins, with what fell due while no core was there. */
  watch(): void {
    this.disposables.add(
      this.context.log.onDidCommit(({ changes }) => {
        for (const change of changes) {
          if (change.kind === 'session' && change.value !== undefined)
            this.timer.by(this.dueOf(change.value));
        }
      }),
    );
    this.timer.by(this.context.clock.now());
  }

  dispose(): void {
    this.disposables.dispose();
  }

  /** @returns when the next one is due. */
  private keep(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const session of [...this.context.state.sessions.values()]) {
      const due = this.dueOf(session);
      if (due > now) next = Math.min(next, due);
      else if (!this.act(session, now)) next = Math.min(next, now + retryMs);
    }
    return next;
  }

  private dueOf(session: Session): number {
    if (!isSessionOpen(session)) return Number.POSITIVE_INFINITY;
    return Math.min(session.expiresAt ?? Number.POSITIVE_INFINITY, this.idleAt(session));
  }

  private idleAt(session: Session): number {
    if (session.state !== 'active' || this.sessions.isBusy(session.id)) return Number.POSITIVE_INFINITY;
    const limit = session.config.idleTimeoutMs > 0 ? session.config.idleTimeoutMs : undefined;
    return session.lastActiveAt + (limit ?? this.context.limits.sessionIdleMs);
  }

  /** @returns false where it could not be done now. */
  private act(session: Session, now: number): boolean {
    const { id, expiresAt, name } = session;
    if (expiresAt !== undefined && expiresAt <= now) {
      this.sessions.close(id, expiredReason).catch((error: unknown) => {
        this.context.failures.report(error, `close the session "${name}", whose time is over`);
        this.timer.by(this.context.clock.now() + retryMs);
      });
      return true;
    }
    try {
      this.context.log.commit((tx) => updateSession(tx, session, { state: 'idle' }, now));
      return true;
    } catch (error) {
      this.context.failures.report(error, `call the session "${name}" idle`);
      return false;
    }
  }
}
