import { OrchestratorError } from '../../base/errors.ts';

/** @param reason one of the contract's (002, section 5). */
export function refused(reason: string): OrchestratorError {
  return new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', reason);
}

/** @param waitMs until the next failure is answered as one. */
export function tooManyFailures(waitMs: number): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'permission_denied',
    'Too many wrong tokens came from this address. Try again later.',
    { details: { retryAfterMs: waitMs } },
  );
}
