import type { RecordingTransaction } from '../events/logTransaction.ts';
import type { StateMirror } from '../events/stateMirror.ts';
import { isSessionOpen } from './session.ts';

/**
 * Touches a session when its first terminal, run or task begins and when its last one has ended, in the very
 * transaction that begins or ends it, and tells of it: whether a session is busy is derived, so it is derived in one
 * place and cannot drift.
 */
export function settleSessions(tx: RecordingTransaction, state: StateMirror, now: number): void {
  const deltas = new Map<string, number>();
  for (const change of tx.changes.values()) {
    const live = state.liveDelta(change);
    if (live !== undefined) deltas.set(live.sessionId, (deltas.get(live.sessionId) ?? 0) + live.delta);
  }
  for (const [sessionId, delta] of deltas) {
    const session = tx.get('session', sessionId);
    if (delta === 0 || session === undefined || !isSessionOpen(session)) continue;
    const before = state.liveCount(sessionId);
    const busy = before + delta > 0;
    if (busy === before > 0) continue;
    tx.put('session', { ...session, state: 'active', lastActiveAt: now });
    const { name, labels } = session;
    tx.report('session.updated', { sessionId, labels }, { name, state: 'active', busy });
  }
}
