import { type ErrorCode, type ErrorReason, OrchestratorError } from '../../base/errors.ts';

/** Contract 002, section 7, has `{error, code}`; the reason is ours. */
export interface HttpErrorBody {
  readonly error: string;
  readonly code: string;
  readonly reason: string;
}

/** How an error is told over HTTP. */
interface HttpError {
  readonly status: number;
  readonly code: string;
}

const ofCode: Readonly<Record<ErrorCode, HttpError>> = {
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

/** Where the contract has a code of its own for a reason. */
const ofReason: Readonly<Partial<Record<ErrorReason, HttpError>>> = {
  session_not_found: { status: 404, code: 'SESSION_NOT_FOUND' },
};

export function errorResponse(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const known = OrchestratorError.from(error);
  const { reason, message } = known;
  const { status, code } = httpErrorOf(known);
  const body: HttpErrorBody = { error: message, code, reason };
  return Response.json(body, { status, headers: { ...headers, ...errorHeaders(known) } });
}

export function statusOf(error: OrchestratorError): number {
  return httpErrorOf(error).status;
}

/** What a client is told besides the body: how to show who it is, and when to try again. */
export function errorHeaders(error: OrchestratorError): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  if (statusOf(error) === 401) headers['WWW-Authenticate'] = 'Bearer';
  const retryAfterMs = error.details?.['retryAfterMs'];
  if (typeof retryAfterMs === 'number') headers['Retry-After'] = String(Math.ceil(retryAfterMs / 1_000));
  return headers;
}

/** An error that only HTTP has, such as those of registering. */
export function namedError(status: number, code: string, error: string): Response {
  const body: HttpErrorBody = { error, code, reason: 'invalid_request' };
  return Response.json(body, { status });
}

function httpErrorOf({ code, reason }: OrchestratorError): HttpError {
  return ofReason[reason] ?? ofCode[code];
}

/** The connection goes with it: nobody reads what is still to come. */
export function tooLargeResponse(limit: number): Response {
  const error = `The body is larger than ${limit} bytes.`;
  const body: HttpErrorBody = { error, code: 'BODY_TOO_LARGE', reason: 'invalid_request' };
  return Response.json(body, { status: 413, headers: { Connection: 'close' } });
}
