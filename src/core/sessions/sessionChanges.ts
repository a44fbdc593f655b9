import type { LogTransaction } from '../events/logTransaction.ts';
import type { Session } from './session.ts';
import { checkTransition } from './sessionState.ts';

/** Stores a changed session with the event that tells of it. @returns it. Error: `invalid_transition`. */
export function updateSession(
  tx: LogTransaction,
  session: Session,
  change: Partial<Session>,
  now: number,
): Session {
  const changed: Session = { ...session, ...change, updatedAt: now };
  checkTransition(session.state, changed.state);
  tx.put('session', changed);
  const { id: sessionId, name, state, labels } = changed;
  tx.report('session.updated', { sessionId, labels }, { name, state });
  return changed;
}

/** Something was done in the session: an idle one is active again. Tells only of that, not of every touch. */
export function touchSession(tx: LogTransaction, session: Session, now: number): Session {
  if (session.state === 'idle') {
    return updateSession(tx, session, { state: 'active', lastActiveAt: now }, now);
  }
  const touched: Session = { ...session, lastActiveAt: now };
  tx.put('session', touched);
  return touched;
}
