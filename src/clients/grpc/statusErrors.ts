import { Metadata, status as grpcStatus } from '@grpc/grpc-js';
import { type ErrorCode, type ErrorReason, OrchestratorError } from '../../base/errors.ts';

const reasonKey = 'orchestrator-reason';

/** Where the server is not ours, or the call did not reach one. */
const reasonOfCode: Partial<Record<ErrorCode, ErrorReason>> = {
  CANCELLED: 'aborted',
  DEADLINE_EXCEEDED: 'output_timeout',
  INVALID_ARGUMENT: 'invalid_request',
  PERMISSION_DENIED: 'permission_denied',
  UNAUTHENTICATED: 'unauthenticated',
  UNAVAILABLE: 'closed',
};

/** What a call failed with, as one of ours: its code, the server's text, and the server's reason where it gave one. */
export function errorOfStatus(error: unknown): OrchestratorError {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') {
    return OrchestratorError.from(error);
  }
  const code = codeOf(error.code);
  const text = 'details' in error && typeof error.details === 'string' ? error.details : error.message;
  const metadata =
    'metadata' in error && error.metadata instanceof Metadata ? error.metadata : new Metadata();
  const [told] = metadata.get(reasonKey);
  // A newer server may tell a reason that we do not know; it still is one.
  const reason = told === undefined ? (reasonOfCode[code] ?? 'internal') : (String(told) as ErrorReason);
  return new OrchestratorError(code, reason, text, { cause: error });
}

function codeOf(number: number): ErrorCode {
  const name = grpcStatus[number];
  return name === undefined || name === 'OK' ? 'UNKNOWN' : (name as ErrorCode);
}
