import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { OrchestratorError } from '../../base/errors.ts';
import { checkOrigin, type OriginRules } from './originRules.ts';

/**
 * Requests that two readers could understand differently are none: an address as for a proxy, or two hosts.
 * @returns whether it was refused; then it has been answered.
 */
export function refuseRequest(request: IncomingMessage, response: ServerResponse): boolean {
  if (!isAmbiguous(request)) return false;
  response.writeHead(400, { Connection: 'close' }).end();
  return true;
}

/** Likewise, of a request for a WebSocket, which no page but an allowed one may make. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, rules: OriginRules): boolean {
  const { host, origin, upgrade, 'sec-fetch-site': fetchSite } = request.headers;
  if (isAmbiguous(request) || upgrade?.toLowerCase() !== 'websocket') {
    refuse(socket, '400 Bad Request', 'This is no request for a WebSocket.', 'VALIDATION_ERROR');
    return true;
  }
  try {
    checkOrigin({ host, origin, fetchSite: typeof fetchSite === 'string' ? fetchSite : undefined }, rules);
    return false;
  } catch (error) {
    refuse(socket, '403 Forbidden', OrchestratorError.from(error).message, 'FORBIDDEN');
    return true;
  }
}

function isAmbiguous({ url = '', method, rawHeaders }: IncomingMessage): boolean {
  const isPath = url.startsWith('/') || (url === '*' && method === 'OPTIONS');
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  return !isPath || hosts.length !== 1;
}

function refuse(socket: Duplex, status: string, error: string, code: string): void {
  socket.on('error', () => undefined);
  const reason = code === 'FORBIDDEN' ? 'permission_denied' : 'invalid_request';
  const body = JSON.stringify({ error, code, reason });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
