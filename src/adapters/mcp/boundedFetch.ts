import type { FetchLike } from '@modelcontextprotocol/client';
import { OrchestratorError } from '../../base/errors.ts';

export interface FetchLimits {
  /** To the headers of the answer, in milliseconds. */
  readonly headersTimeoutMs: number;
  /** Of one answer, in bytes; of a stream that goes on, between two of its events. */
  readonly maxAnswerBytes: number;
}

/**
 * `fetch` for a server of somebody else's: it answers in time, is not too large, and sends us to no other place.
 * @param origins where requests may go; all where missing (signing in asks where the server says).
 */
export function boundedFetch(limits: FetchLimits, origins?: ReadonlySet<string>): FetchLike {
  return async (url, init) => {
    const target = new URL(url);
    if (origins !== undefined && !origins.has(target.origin))
      throw refused(`It sends requests to ${target.origin}.`);
    const timeout = new AbortController();
    const timer = setTimeout(
      () => timeout.abort(refused(`${target.origin} did not answer within ${limits.headersTimeoutMs} ms.`)),
      limits.headersTimeoutMs,
    );
    const signal =
      init?.signal === null || init?.signal === undefined
        ? timeout.signal
        : AbortSignal.any([timeout.signal, init.signal]);
    try {
      // Redirects within the place are the library's to follow.
      const response = await fetch(target, { ...init, signal, redirect: init?.redirect ?? 'error' });
      return bounded(response, limits.maxAnswerBytes);
    } finally {
      clearTimeout(timer);
    }
  };
}

function bounded(response: Response, limit: number): Response {
  if (response.body === null) return response;
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  let bytes = 0;
  let last = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes > limit) {
          controller.error(refused(`It has sent more than ${limit} bytes.`));
          return;
        }
        if (isStream) {
          const end = endOfEvent(chunk, last);
          if (end !== -1) bytes = chunk.length - end;
          last = chunk.at(-1) ?? last;
        }
        controller.enqueue(chunk);
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(counted, { status, statusText, headers });
}

/** Where the last event in it ends: behind its second line feed. */
function endOfEvent(chunk: Uint8Array, before: number): number {
  for (let index = chunk.length - 1; index >= 0; index -= 1) {
    if (chunk[index] !== 10) continue;
    const previous = index === 0 ? before : chunk[index - 1];
    if (previous === 10 || (previous === 13 && index > 1 && chunk[index - 2] === 10)) return index + 1;
  }
  return -1;
}

function refused(message: string): OrchestratorError {
  return new OrchestratorError('UNAVAILABLE', 'tool_failed', message);
}
