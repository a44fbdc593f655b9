import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  cborProtocol,
  grpcProtocol,
  jsonProtocol,
  tokenProtocolPrefix,
} from '../../../protocol/daemon/handshake.ts';

export type SocketProtocol = typeof jsonProtocol | typeof cborProtocol | typeof grpcProtocol;

/** What a request to open a WebSocket asks for. */
export interface Handshake {
  readonly key: string;
  readonly protocol: SocketProtocol;
  /** Of permessage-deflate, to be answered; undefined where nothing is to be compressed. */
  readonly extension: string | undefined;
  /** Undefined where the client has yet to send `auth`. */
  readonly token: string | undefined;
  readonly offersProtocol: boolean;
}

/** Why a connection is not opened: an HTTP answer. */
export interface Refusal {
  readonly status: number;
  /** The contract's reason where it has one. */
  readonly error: string;
  readonly code: string;
  readonly reason: string;
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const maxProtocols = 32;
const protocols: ReadonlySet<string> = new Set([jsonProtocol, cborProtocol, grpcProtocol]);
const tokenText = /^[!#$%&'*+\-.^_`|~\w]+$/;

/** RFC 6455, section 4.2. Nothing of it is trusted: who asks from where has been looked at before. */
export function readHandshake(request: IncomingMessage, allowsQueryToken: boolean): Handshake | Refusal {
  const { method, headers } = request;
  if (method !== 'GET') return badRequest('A WebSocket is opened with GET.', 405, { Allow: 'GET' });
  if (headers.upgrade?.toLowerCase() !== 'websocket') return badRequest('Only WebSockets are opened here.');
  if (headers['sec-websocket-version'] !== '13') {
    return badRequest('Version 13 of the WebSocket protocol is spoken here.', 426, {
      'Sec-WebSocket-Version': '13',
    });
  }
  const key = headers['sec-websocket-key'];
  if (key === undefined || !/^[+/\dA-Za-z]{22}==$/.test(key)) {
    return badRequest('Sec-WebSocket-Key must be 16 bytes in base64.');
  }
  const offered = listOf(headers['sec-websocket-protocol']);
  if (offered.length > maxProtocols || !offered.every((name) => tokenText.test(name))) {
    return badRequest('Sec-WebSocket-Protocol is not a list of subprotocols.');
  }
  const protocol = offered.length === 0 ? jsonProtocol : offered.find((name) => protocols.has(name));
  if (protocol === undefined) {
    return badRequest(`Offer one of ${[...protocols].join(', ')} as subprotocol, or none.`);
  }
  const token = tokenOf(request, offered, allowsQueryToken);
  if (typeof token === 'object') return token;
  return {
    key,
    protocol: protocol as SocketProtocol,
    extension: acceptedDeflate(headers['sec-websocket-extensions']),
    token,
    offersProtocol: offered.length > 0,
  };
}

/** The answer that opens the connection. */
export function handshakeAnswer({ key, protocol, extension, offersProtocol }: Handshake): string {
  const accept = createHash('sha1').update(key).update(guid).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...(offersProtocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
    ...(extension === undefined ? [] : [`Sec-WebSocket-Extensions: ${extension}`]),
    '\r\n',
  ].join('\r\n');
}

const statusTexts: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** The answer that does not. */
export function refusalAnswer({ status, headers = {}, ...body }: Refusal): string {
  const text = JSON.stringify(body);
  const all: Record<string, string> = {
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${statusTexts[status] ?? 'Error'}`, ...lines, '', text].join('\r\n');
}

export function badRequest(error: string, status = 400, headers: Refusal['headers'] = {}): Refusal {
  return { status, error, code: 'VALIDATION_ERROR', reason: 'invalid_request', headers };
}

/** @param error one of the contract's reasons (002, section 5). */
export function unauthorized(error: string, detail?: string): Refusal {
  const refusal = { status: 401, error, code: 'UNAUTHORIZED', reason: 'unauthenticated' };
  return detail === undefined ? refusal : { ...refusal, detail };
}

/** Contract 002, section 5: header, then key; then what a browser can send. */
function tokenOf(
  { headers, url = '' }: IncomingMessage,
  offered: readonly string[],
  allowsQueryToken: boolean,
): string | undefined | Refusal {
  const { authorization, 'x-api-key': apiKey } = headers;
  if (authorization !== undefined) {
    return (
      /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ??
      unauthorized('credentials_missing', 'The authorization header must be "Bearer TOKEN".')
    );
  }
  if (apiKey !== undefined) return String(apiKey);
  const protocol = offered.find((name) => name.startsWith(tokenProtocolPrefix));
  if (protocol !== undefined) return protocol.slice(tokenProtocolPrefix.length);
  const start = url.indexOf('?');
  const query = new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
  const inQuery = query.get('token') ?? query.get('apiKey') ?? undefined;
  if (inQuery === undefined || allowsQueryToken) return inQuery;
  return unauthorized(
    'credentials_missing',
    'A token in the address is taken only where the setting for it allows that: it would stand in logs.',
  );
}

function listOf(header: string | undefined): string[] {
  return header === undefined ? [] : header.split(',').map((item) => item.trim());
}

/**
 * RFC 7692, section 7.1. Both sides compress each message for itself: memory for a context would be kept for each
 * client, and no frame could go to two of them. An offer that cannot have that is passed over.
 */
function acceptedDeflate(header: string | undefined): string | undefined {
  for (const offer of listOf(header)) {
    const [name, ...parameters] = offer.split(';').map((part) => part.trim());
    if (name !== 'permessage-deflate') continue;
    const values = new Map(parameters.map(parameterOf));
    if (values.size < parameters.length || ![...values].every(isAcceptable)) continue;
    const wanted = values.has('server_max_window_bits') ? '; server_max_window_bits=15' : '';
    return `permessage-deflate; server_no_context_takeover; client_no_context_takeover${wanted}`;
  }
  return undefined;
}

function parameterOf(text: string): [name: string, value: string | undefined] {
  const [name = '', value] = text.split('=').map((part) => part.trim());
  return [name, value?.replace(/^"(.*)"$/, '$1')];
}

function isAcceptable([name, value]: [string, string | undefined]): boolean {
  switch (name) {
    case 'server_no_context_takeover':
    case 'client_no_context_takeover':
      return value === undefined;
    case 'client_max_window_bits':
      return value === undefined || /^(?:[89]|1[0-5])$/.test(value);
    case 'server_max_window_bits':
      return value === '15';
    default:
      return false;
  }
}
