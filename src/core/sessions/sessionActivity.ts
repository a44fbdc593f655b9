import type { RecordingTransaction } from '../events/logTransaction.ts';
import type { StateMirror } from '../events/stateMirror.ts';

/**
 * Turns a session `active` when its first terminal or run begins and `idle` when its last one has ended, in the very
 * transaction that begins or ends it: the state is derived, so it is derived in one place and cannot drift.
 */
export function settleSessions(tx: RecordingTransaction, state: StateMirror, now: number): void {
  const deltas = new Map<string, number>();
  for (const change of tx.changes.values()) {
    const live = state.liveDelta(change);
    if (live !== undefined) deltas.set(live.sessionId, (deltas.get(live.sessionId) ?? 0) + live.delta);
  }
  for (const [sessionId, delta] of deltas) {
    const session = tx.get('session', sessionId);
    if (delta === 0 || session === undefined) continue;
    if (session.state !== 'active' && session.state !== 'idle') continue;
    const next = state.liveCount(sessionId) + delta > 0 ? 'active' : 'idle';
    if (next === session.state) continue;
    tx.put('session', { ...session, state: next, lastActiveAt: now });
    tx.report('session.updated', { sessionId }, { name: session.name, state: next });
  }
}
