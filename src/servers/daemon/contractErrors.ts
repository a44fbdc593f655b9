import { OrchestratorError } from '../../base/errors.ts';

/** Contract 002, section 3. */
export function sessionNotFound(id: string): OrchestratorError {
  return new OrchestratorError('NOT_FOUND', 'session_not_found', `Session not found: ${id}`);
}

/** An error of the core in the contract's words, where that has some (contract 002, section 3). */
export function contractError(thrown: unknown, sessionId?: string): OrchestratorError {
  const error = OrchestratorError.from(thrown);
  const say = (message: string): OrchestratorError =>
    new OrchestratorError(error.code, error.reason, message, { details: error.details, cause: error });
  switch (error.reason) {
    case 'session_not_found':
      return sessionId === undefined ? error : sessionNotFound(sessionId);
    case 'session_limit': {
      const [limit = ''] = /\d+/.exec(error.message) ?? [];
      return say(`Maximum session limit reached (${limit}). Cannot spawn new session.`);
    }
    case 'session_closed':
      return sessionId === undefined
        ? error
        : say(`Session ${sessionId} is not running (status: terminated)`);
    default:
      return error;
  }
}
