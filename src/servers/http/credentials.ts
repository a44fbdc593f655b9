import type { IncomingMessage } from 'node:http';
import type { Credentials } from '../access/caller.ts';
import { refused } from '../access/refusals.ts';

/**
 * The token of a request: from `Authorization: Bearer`, from `x-api-key`, or, only where that is allowed, from `?token=`
 * or `?apiKey=`, where logs and histories would show it. Error: `unauthenticated` for another kind of authorization.
 */
export function credentialsOf(
  { headers, url = '', socket }: IncomingMessage,
  allowsQueryToken: boolean,
): Credentials {
  const remoteAddress = socket.remoteAddress ?? '';
  const { authorization, 'x-api-key': apiKey } = headers;
  if (authorization !== undefined) {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) throw refused('credentials_missing');
    return { token, remoteAddress };
  }
  if (apiKey !== undefined) return { token: String(apiKey), remoteAddress };
  if (!allowsQueryToken) return { token: undefined, remoteAddress };
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  return { token: query.get('token') ?? query.get('apiKey') ?? undefined, remoteAddress };
}
