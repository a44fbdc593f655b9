import type { IncomingMessage } from 'node:http';
import { invalidRequest } from '../../../core/text.ts';
import type { OriginRules } from '../originRules.ts';

/**
 * Where the browser may be sent once a sign-in is over: this server itself, or a page that may use it. Anything else
 * would make of us a way to lead people elsewhere. Error: `invalid_request`.
 */
export function checkedReturn(
  address: string | undefined,
  field: string,
  request: IncomingMessage,
  { origins }: OriginRules,
): string | undefined {
  if (address === undefined || address === '') return undefined;
  const own = originOf(request);
  const url = URL.parse(address, own);
  const isPage = url?.protocol === 'http:' || url?.protocol === 'https:';
  const isAllowed = url !== null && (url.origin === own || origins.has(url.origin.toLowerCase()));
  if (isPage && isAllowed && url.username === '' && url.password === '') return url.href;
  throw invalidRequest(`${field} must be an address of this server, or of a page that may use it.`);
}

/** Where the authorization server sends the browser back to: the name by which we were called, which was checked. */
export function callbackUrlOf(request: IncomingMessage, base: string, server: string): string {
  return `${originOf(request)}${base}/${encodeURIComponent(server)}/callback`;
}

function originOf({ socket, headers }: IncomingMessage): string {
  return `${'encrypted' in socket ? 'https' : 'http'}://${headers.host ?? ''}`;
}
