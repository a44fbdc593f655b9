import { OrchestratorError, type ErrorCode, type ErrorReason } from '../../base/errors.ts';
import { sshErrorCode } from './sshConnection.ts';

const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPERM',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  sshErrorCode,
]);

/** The HTTP status that the engine refused with; undefined where it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error) || statusOf(error) !== undefined) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return unreachable.has(code) || error.message === 'socket hang up';
}

/** The engine's own words, without what dockerode puts around them. */
export function engineWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const json = 'json' in error ? error.json : undefined;
  if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string') {
    return json.message;
  }
  return error.message.replace(/^\(HTTP code \d+\) [^-]* - /, '').trim();
}

/** What the engine, or the way to it, answered, as one of our errors. `doing` completes "could not …". */
export function engineError(error: unknown, doing: string): OrchestratorError {
  if (OrchestratorError.is(error)) return error;
  if (error instanceof Error && (error.name === 'AbortError' || isCode(error, 'ABORT_ERR'))) {
    return new OrchestratorError('CANCELLED', 'aborted', `It was cancelled to ${doing}.`, { cause: error });
  }
  const words = engineWords(error);
  if (isUnreachable(error)) {
    return new OrchestratorError(
      'UNAVAILABLE',
      'container_engine_missing',
      `The container engine does not answer (${words}). See that it runs: orchestrator doctor`,
      { cause: error },
    );
  }
  const [code, reason] = kindOf(statusOf(error), words);
  const advice = isLoginMissing(words) ? ' Log in to its registry: docker login, then its address.' : '';
  const message = `The container engine could not ${doing}: ${words}${advice}`;
  return new OrchestratorError(code, reason, message, { cause: error });
}

/** One call broke off, and the engine is there: nobody knows whether it was carried out. */
export function brokenOff(error: unknown, doing: string): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'container_engine_failed',
    `The container engine hung up while it was to ${doing} (${engineWords(error)}). Look whether it did, and try again.`,
    { cause: error },
  );
}

function isLoginMissing(words: string): boolean {
  return /no basic auth credentials|authentication required|unauthorized|requested access .* denied/i.test(
    words,
  );
}

function kindOf(status: number | undefined, words: string): readonly [ErrorCode, ErrorReason] {
  if (/no such image|image not known|pull access denied|manifest .*(unknown|not found)/i.test(words)) {
    return ['NOT_FOUND', 'image_not_found'];
  }
  if (isLoginMissing(words)) return ['PERMISSION_DENIED', 'container_engine_failed'];
  if (/no space left on device/i.test(words)) return ['RESOURCE_EXHAUSTED', 'container_engine_failed'];
  switch (status) {
    case 400:
      return ['INVALID_ARGUMENT', 'container_engine_failed'];
    case 404:
      return /no such container/i.test(words)
        ? ['NOT_FOUND', 'container_not_found']
        : ['NOT_FOUND', 'container_engine_failed'];
    case 409:
      return ['FAILED_PRECONDITION', 'container_engine_failed'];
    default:
      return ['INTERNAL', 'container_engine_failed'];
  }
}

function isCode(error: Error, code: string): boolean {
  return 'code' in error && error.code === code;
}
