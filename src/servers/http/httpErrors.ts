import { type ErrorCode, OrchestratorError } from '../../base/errors.ts';

/** Contract 002, section 6, has `{error, code}`; the reason is ours. */
export interface HttpErrorBody {
  readonly error: string;
  readonly code: string;
  readonly reason: string;
}

const statusOfCode: Readonly<Record<ErrorCode, { readonly status: number; readonly code: string }>> = {
  CANCELLED: { status: 499, code: 'CANCELLED' },
  UNKNOWN: { status: 500, code: 'INTERNAL_ERROR' },
  INVALID_ARGUMENT: { status: 400, code: 'VALIDATION_ERROR' },
  DEADLINE_EXCEEDED: { status: 504, code: 'TIMEOUT' },
  NOT_FOUND: { status: 404, code: 'NOT_FOUND' },
  ALREADY_EXISTS: { status: 409, code: 'CONFLICT' },
  PERMISSION_DENIED: { status: 403, code: 'FORBIDDEN' },
  RESOURCE_EXHAUSTED: { status: 429, code: 'LIMIT_EXCEEDED' },
  FAILED_PRECONDITION: { status: 409, code: 'FAILED_PRECONDITION' },
  ABORTED: { status: 409, code: 'ABORTED' },
  OUT_OF_RANGE: { status: 400, code: 'VALIDATION_ERROR' },
  UNIMPLEMENTED: { status: 501, code: 'NOT_IMPLEMENTED' },
  INTERNAL: { status: 500, code: 'INTERNAL_ERROR' },
  UNAVAILABLE: { status: 503, code: 'UNAVAILABLE' },
  DATA_LOSS: { status: 500, code: 'INTERNAL_ERROR' },
  UNAUTHENTICATED: { status: 401, code: 'UNAUTHORIZED' },
};

export function errorResponse(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const { code, reason, message } = OrchestratorError.from(error);
  const known = statusOfCode[code];
  const body: HttpErrorBody = { error: message, code: known.code, reason };
  const challenge: Record<string, string> = known.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  return Response.json(body, { status: known.status, headers: { ...challenge, ...headers } });
}

/** The connection goes with it: nobody reads what is still to come. */
export function tooLargeResponse(limit: number): Response {
  const error = `The body is larger than ${limit} bytes.`;
  const body: HttpErrorBody = { error, code: 'BODY_TOO_LARGE', reason: 'invalid_request' };
  return Response.json(body, { status: 413, headers: { Connection: 'close' } });
}
