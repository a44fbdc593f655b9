import { type ErrorCode, type ErrorReason, OrchestratorError } from '../../base/errors.ts';

/** A server of `/orchestrate/stream`: ours, or anybody's. */
export interface RunBackend {
  /** Without a path of the contract: `http://127.0.0.1:8787`, `https://example.org/api`. */
  readonly baseUrl: string;
  /** Sent with each request: `Authorization`, `X-User-Id` … Values may be secrets: they are in no message. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface BackendRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** E.g. `/orchestrate/stream`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Of an answer that tells what went wrong, in characters. */
const problemLimit = 2_000;

/** @returns an answer of 200 to 299. Errors: `closed` where nobody answers, `aborted`, and what the answer says. */
export async function askBackend(backend: RunBackend, request: BackendRequest): Promise<Response> {
  const { method, path, headers, body, signal } = request;
  let response: Response;
  try {
    response = await fetch(`${backend.baseUrl.replace(/\/+$/, '')}${path}`, {
      method,
      // Headers may hold secrets, which are for this server alone.
      redirect: 'error',
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...backend.headers,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true)
      throw new OrchestratorError('CANCELLED', 'aborted', 'The request was given up.');
    throw unreachable(backend, error);
  }
  if (response.ok) return response;
  throw await refusal(response);
}

export function unreachable({ baseUrl }: RunBackend, cause: unknown): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'closed', `${originOf(baseUrl)} does not answer.`, { cause });
}

const meanings: Readonly<Record<number, readonly [ErrorCode, ErrorReason]>> = {
  400: ['INVALID_ARGUMENT', 'invalid_request'],
  401: ['UNAUTHENTICATED', 'unauthenticated'],
  403: ['PERMISSION_DENIED', 'permission_denied'],
  404: ['NOT_FOUND', 'run_not_found'],
  405: ['UNIMPLEMENTED', 'invalid_request'],
  409: ['FAILED_PRECONDITION', 'invalid_request'],
  413: ['RESOURCE_EXHAUSTED', 'invalid_request'],
  422: ['INVALID_ARGUMENT', 'invalid_request'],
  429: ['RESOURCE_EXHAUSTED', 'invalid_request'],
};

async function refusal(response: Response): Promise<OrchestratorError> {
  const { status } = response;
  const [code, reason] =
    meanings[status] ?? (status >= 500 ? ['UNAVAILABLE', 'closed'] : ['UNKNOWN', 'internal']);
  const detail = detailOf((await response.text().catch(() => '')).slice(0, 16 * problemLimit));
  const message = detail === '' ? `The server answered ${status}.` : detail;
  return new OrchestratorError(code, reason, message.slice(0, problemLimit), { details: { status } });
}

/** `{"detail": …}` of the contract, its list where a request could not be read, or the text as it came. */
function detailOf(text: string): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text.trim();
  }
  const detail = typeof json === 'object' && json !== null && 'detail' in json ? json.detail : json;
  if (typeof detail === 'string') return detail;
  if (!Array.isArray(detail)) return JSON.stringify(detail);
  return detail
    .map((item: unknown) =>
      typeof item === 'object' && item !== null && 'msg' in item ? String(item.msg) : JSON.stringify(item),
    )
    .join(' ');
}

/** Without user, password and query, where secrets may stand. */
function originOf(baseUrl: string): string {
  try {
    return new URL(baseUrl).origin;
  } catch {
    return 'The address';
  }
}
