import { type ErrorCode, OrchestratorError, type ErrorReason } from '../../base/errors.ts';
import type { ModelProvider } from '../../core/models/modelProvider.ts';

const messageLimit = 2_000;

const contextPattern =
  /context[ _-]?(?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens|exceeds? the (?:available |model's )?(?:maximum )?context/i;
const ratePattern = /rate[ _-]?limit|too many requests|\b429\b/i;
/** Waiting does not help: the account has nothing left. */
const quotaPattern = /insufficient_quota|credit balance|billing/i;

interface Failing {
  readonly message?: unknown;
  readonly statusCode?: unknown;
  readonly responseHeaders?: unknown;
  readonly responseBody?: unknown;
  readonly type?: unknown;
  readonly code?: unknown;
  readonly error?: unknown;
  readonly cause?: unknown;
}

/** What went wrong with a request, as one of our errors; the key is in none of its words. */
export function modelFailure(
  error: unknown,
  { title }: Pick<ModelProvider, 'title'>,
  model: string,
  key: string | undefined,
): OrchestratorError {
  if (OrchestratorError.is(error)) return error;
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'ResponseAborted')) {
    return OrchestratorError.is(error.cause) ? error.cause : OrchestratorError.from(error);
  }
  // The idle watch's own, where a library has wrapped it.
  const cause = ownCause(error);
  if (cause !== undefined) return cause;
  const failing: Failing = typeof error === 'object' && error !== null ? error : { message: error };
  const said = cleanText(wordsOf(failing), key);
  // One that began well and broke off has a status of success.
  const { statusCode } = failing;
  const status = typeof statusCode === 'number' && statusCode >= 400 ? statusCode : undefined;
  const body = typeof failing.responseBody === 'string' ? failing.responseBody : '';
  const text = [said, failing.type, failing.code, body].filter((part) => typeof part === 'string').join(' ');
  const fail = (code: ErrorCode, reason: ErrorReason, message: string, details = {}): OrchestratorError =>
    new OrchestratorError(code, reason, message, { details: { ...details, status: status ?? null } });
  const answered = `${title} answered${status === undefined ? '' : ` with HTTP ${status}`}: ${said}`;
  if (contextPattern.test(text)) {
    return fail('OUT_OF_RANGE', 'context_overflow', `The conversation is too long for ${model}. ${answered}`);
  }
  if (status === 401 || status === 403) {
    return fail(
      'FAILED_PRECONDITION',
      'model_key_refused',
      `${title} does not accept the key. Set another one with the command "Set Model Key…" or in its environment variable. ${answered}`,
    );
  }
  if (status === 404) {
    return fail(
      'NOT_FOUND',
      'model_not_found',
      `${title} does not know the model ${model}, or has nothing at this address. ${answered}`,
    );
  }
  if (quotaPattern.test(text)) return fail('FAILED_PRECONDITION', 'model_rejected', answered);
  if (status === 429 || (status === undefined && ratePattern.test(text))) {
    const retryAfterMs = retryAfter(failing.responseHeaders);
    return fail('RESOURCE_EXHAUSTED', 'model_rate_limited', answered, { retryAfterMs });
  }
  if (status !== undefined && status >= 400 && status < 500 && ![408, 409, 425].includes(status)) {
    return fail('FAILED_PRECONDITION', 'model_rejected', answered);
  }
  const retryAfterMs = retryAfter(failing.responseHeaders);
  const message = status === undefined ? `The answer of ${title} broke off: ${said}` : answered;
  return fail('UNAVAILABLE', 'model_unavailable', message, { retryAfterMs });
}

/** Without the key, without control characters, and no longer than a person reads. */
export function cleanText(text: string, key: string | undefined): string {
  const open = key === undefined || key === '' ? text : text.replaceAll(key, '[key]');
  const clean = open.replace(/\p{Cc}+/gu, ' ').trim();
  return clean.length > messageLimit ? `${clean.slice(0, messageLimit)}…` : clean;
}

function ownCause(error: unknown): OrchestratorError | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    if (OrchestratorError.is(cause)) return cause;
    cause = cause.cause;
  }
  return undefined;
}

function wordsOf({ message, error, cause, responseBody }: Failing): string {
  const own = typeof message === 'string' && message !== '' ? message : undefined;
  const inner = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  const words = own ?? (typeof inner === 'string' ? inner : undefined);
  if (words === undefined) return typeof responseBody === 'string' ? responseBody : 'it did not say why';
  // undici says no more than this of a connection; what happened is below it.
  const below =
    cause instanceof Error && /^(?:fetch failed|terminated)$/.test(words) ? ` (${cause.message})` : '';
  return words + below;
}

/** In milliseconds, from `retry-after-ms` or `retry-after` (seconds or a date); null where it does not say. */
function retryAfter(headers: unknown): number | null {
  if (typeof headers !== 'object' || headers === null) return null;
  const value = (name: string): string | undefined => {
    const found: unknown = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
    return typeof found === 'string' && found.trim() !== '' ? found.trim() : undefined;
  };
  const exact = Number(value('retry-after-ms'));
  if (Number.isFinite(exact) && exact >= 0) return exact;
  const said = value('retry-after');
  if (said === undefined) return null;
  const seconds = Number(said);
  const waitMs = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(said) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : null;
}
