import { invalidRequest } from './text.ts';

/** For so long a key answers with what the first request with it made, in milliseconds. */
export const requestKeyMs = 24 * 60 * 60 * 1_000;

const keyLimit = 200;

/** Error: `invalid_request`. */
export function checkRequestKey(key: string | undefined): void {
  if (key === undefined || (key.length > 0 && key.length <= keyLimit)) return;
  throw invalidRequest(`The idempotency key must have 1 to ${keyLimit} characters.`);
}
