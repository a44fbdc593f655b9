import { type ErrorCode, type ErrorReason, OrchestratorError } from '../../base/errors.ts';
import type { ErrorFrame } from '../../protocol/daemon/frames.ts';

/** The texts of the reference that come without a reason (contract 002, section 3). */
const knownTexts: readonly (readonly [pattern: RegExp, reason: ErrorReason])[] = [
  [/^Session not found\b/, 'session_not_found'],
  [/^Maximum session limit reached\b/, 'session_limit'],
  [/^Session ID is not running\b/, 'session_inactive'],
  [/^(Invalid message format|Unknown message type)/, 'invalid_request'],
];

/** An error frame tells its reason, and no code: the code is what that reason means over gRPC. */
const codes: readonly (readonly [pattern: RegExp, code: ErrorCode])[] = [
  [/_not_found$/, 'NOT_FOUND'],
  [/_exists$/, 'ALREADY_EXISTS'],
  [/(_limit|_full)$/, 'RESOURCE_EXHAUSTED'],
  [/^permission_denied$/, 'PERMISSION_DENIED'],
  [/^unauthenticated$/, 'UNAUTHENTICATED'],
  [/^(invalid_request|task_empty|directory_missing)$/, 'INVALID_ARGUMENT'],
  [/^events_missed$/, 'OUT_OF_RANGE'],
  [/^(aborted)$/, 'CANCELLED'],
  [/^closed$/, 'UNAVAILABLE'],
  [/^internal$/, 'INTERNAL'],
];

/** What the daemon answered instead of doing it. */
export function refusalError(frame: Pick<ErrorFrame, 'error' | 'reason' | 'sessionId'>): OrchestratorError {
  // A newer daemon may know reasons that this client does not: they are passed on as they are.
  const told = frame.reason as ErrorReason | undefined;
  const reason = told ?? knownTexts.find(([pattern]) => pattern.test(frame.error))?.[1] ?? 'internal';
  const code = codes.find(([pattern]) => pattern.test(reason))?.[1] ?? 'FAILED_PRECONDITION';
  const details = frame.sessionId === undefined ? undefined : { sessionId: frame.sessionId };
  return new OrchestratorError(code, reason, frame.error, { details });
}

/** The daemon does not take the token; `reason` is its own word for why. */
export function unauthenticated(reason: string): OrchestratorError {
  return new OrchestratorError('UNAUTHENTICATED', 'unauthenticated', reason);
}

/** @param said by the daemon itself */
export function connectionFailed(url: string, detail: string, said?: string): OrchestratorError {
  const message = `WebSocket connection failed${said === undefined ? '' : `: ${said}`}`;
  return new OrchestratorError('UNAVAILABLE', 'closed', message, { details: { url, detail } });
}

export function notConnected(): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'closed', 'Not connected to daemon');
}

export function disconnectedMeanwhile(): OrchestratorError {
  return new OrchestratorError('CANCELLED', 'closed', 'The client was disconnected.');
}

export function connectionLost(type: string): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'closed',
    `The connection was lost before the daemon answered "${type}": it may or may not have been done.`,
  );
}
