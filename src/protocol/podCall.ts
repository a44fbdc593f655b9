import * as z from 'zod/mini';
import { OrchestratorError } from '../base/errors.ts';

/** A call to the port of a task's container, as its executable asks for it: `fetch`-style. Contract 000, section 4. */
const options = z.object({
  method: z.optional(z.string().check(z.regex(/^[A-Za-z]{1,10}$/))),
  headers: z.optional(z.record(z.string(), z.string())),
  body: z.optional(z.string()),
  /** As the `timeout` of Orca's own configuration, in milliseconds. */
  timeout: z.optional(z.int().check(z.minimum(1), z.maximum(2 ** 31 - 1))),
});

export interface PodCall {
  readonly method: string;
  /** With a leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** In milliseconds. */
  readonly timeoutMs: number | undefined;
}

/**
 * @param path without or with a leading slash; never another address.
 * @throws OrchestratorError `invalid_request`
 */
export function podCallOptions(path: string, value: unknown): PodCall {
  const parsed = z.safeParse(options, value ?? {});
  if (!parsed.success || /[\s\x00-\x1f\x7f]/.test(path)) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      'podCall takes a path without blanks and, as fetch does, method, headers, a body of text and a timeout in milliseconds.',
    );
  }
  const { method = 'GET', headers = {}, body = '', timeout } = parsed.data;
  return {
    method: method.toUpperCase(),
    path: path.startsWith('/') ? path : `/${path}`,
    headers,
    body: new TextEncoder().encode(body),
    timeoutMs: timeout,
  };
}
