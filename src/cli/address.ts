import { invalidRequest } from '../core/text.ts';

/** HOST:PORT, [IPV6]:PORT, or :PORT for every address. Error: `invalid_request`, which names the flag. */
export function addressOf(text: string, flag: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]*)):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.['port']);
  if (match === null || port > 65_535) throw invalidRequest(`${flag} is HOST:PORT, not "${text}".`);
  const host = match.groups?.['v6'] ?? match.groups?.['name'] ?? '';
  return { host: host === '' ? '0.0.0.0' : host, port };
}
