import { OrchestratorError } from '../../base/errors.ts';
import type { SessionState } from './session.ts';

const allowed: Readonly<Record<SessionState, readonly SessionState[]>> = {
  initializing: ['active', 'closed'],
  active: ['idle', 'closing', 'closed'],
  idle: ['active', 'closing', 'closed'],
  closing: ['closed'],
  closed: [],
};

/** Contract 001, section 5. The same state again is no transition. Error: `invalid_transition`. */
export function checkTransition(from: SessionState, to: SessionState): void {
  if (from === to || allowed[from].includes(to)) return;
  throw new OrchestratorError(
    'INVALID_ARGUMENT',
    'invalid_transition',
    `invalid state transition: ${from} -> ${to}`,
  );
}
