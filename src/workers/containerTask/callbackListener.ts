import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ConnectionLimit } from '../../base/connectionLimit.ts';
import { OrchestratorError } from '../../base/errors.ts';
import {
  acceptedAnswer,
  errorAnswer,
  invalidAnswer,
  notJsonAnswer,
  parseCallback,
} from '../../protocol/callback.ts';
import type { CallbackIntake } from './callbackIntake.ts';
import { isDeeperThan, readBody } from './requestBody.ts';

/** Largest body, in bytes. */
export const bodyLimit = 1024 * 1024;
/** Connections at a time, on each address; beyond them those go that have shown no token. */
export const connectionLimit = 32;
const headersTimeoutMs = 5_000;
/** From the first byte of a request to the last of its body. */
const requestTimeoutMs = 10_000;
const keepAliveMs = 5_000;
const checkIntervalMs = 1_000;
const headerLimit = 8 * 1024;
/** A port that is free at one address may be taken at the other. */
const portAttempts = 5;
/** Objects in objects; deeper ones exhaust the stack of whoever writes them out again. */
const depthLimit = 64;
/** A client that has no id of its own, as seed 000 and the SDK send it. */
const noTaskId = 'unknown_orca_task';

/** The spellings that occur, below `/<token>` or with the token in a header. */
const callbackPaths = new Set(['/orca-callback', '/orca_callback', '/mock_orca_callback']);
const namespacePath = '/namespace-wrapper';

export interface CallbackListenerOptions {
  readonly taskId: string;
  /** Of the callbacks; in the path or in a header. */
  readonly token: string;
  /** Addresses of this machine; all get the same port. */
  readonly hosts: readonly string[];
  /** Where given, it listens there too: a Unix socket in a folder of its own, or a named pipe. */
  readonly socket?: string | undefined;
  readonly intake: CallbackIntake;
  /** The executable's calls, with a secret that no container knows. */
  readonly namespace?: NamespaceDoor | undefined;
}

export interface NamespaceDoor {
  readonly secret: string;
  /** Errors of the method are answered as they are. */
  call(method: string, args: readonly unknown[]): Promise<unknown>;
}

export interface CallbackListener {
  readonly port: number;
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  /** Where to call back, for a program that reaches us as `host`. */
  callbackUrl(host: string): string;
  /** Ends every connection; resolves when nothing listens any more. */
  close(): Promise<void>;
}

/**
 * The listener of one task: whatever comes in belongs to that task or is refused. Nothing is parsed before the token
 * was seen. Errors: `container_engine_failed` for an address that is none of this machine; others as `internal`.
 */
export async function createCallbackListener(options: CallbackListenerOptions): Promise<CallbackListener> {
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.splice(0).map(closeServer));
  };
  const open = async (where: { host: string; port: number } | { path: string }): Promise<Server> => {
    const server = createTaskServer(options);
    servers.push(server);
    await listen(server, where);
    return server;
  };
  const openHosts = async (): Promise<number> => {
    let port = 0;
    for (const host of options.hosts) port = ((await open({ host, port })).address() as AddressInfo).port;
    return port;
  };
  try {
    let port: number | undefined;
    for (let attempt = 1; port === undefined; attempt += 1) {
      try {
        port = await openHosts();
      } catch (error) {
        if (systemCode(error) !== 'EADDRINUSE' || attempt === portAttempts) throw error;
        await close();
      }
    }
    if (options.socket !== undefined) await open({ path: options.socket });
    return {
      port,
      addresses: options.hosts.map((host) => `${urlHost(host)}:${port}`),
      callbackUrl: (host) => `http://${urlHost(host)}:${port}/${options.token}/orca-callback`,
      close,
    };
  } catch (error) {
    await close();
    throw listenError(error);
  }
}

function createTaskServer(options: CallbackListenerOptions): Server {
  const server = createServer({
    maxHeaderSize: headerLimit,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: checkIntervalMs,
  });
  const connections = new ConnectionLimit<Socket>(connectionLimit);
  server.on('connection', (socket: Socket) => connections.admit(socket));
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const onToken = (): void => connections.trust(request.socket);
    answerRequest(options, { request, response, onToken }).catch((error: unknown) => {
      const { code, message } = OrchestratorError.from(error);
      answer(response, code === 'RESOURCE_EXHAUSTED' ? 503 : 500, errorAnswer(message));
    });
  });
  // What is no HTTP, and what comes too slowly: there is nobody to tell it to but its own sender.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
      socket.destroy(),
    );
  });
  return server;
}

async function answerRequest(
  options: CallbackListenerOptions,
  {
    request,
    response,
    onToken,
  }: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    /** The sender has shown that it belongs here. */
    readonly onToken: () => void;
  },
): Promise<void> {
  const { path, token } = credentialsOf(request);
  const namespace = path === namespacePath ? options.namespace : undefined;
  // The contract has the executable's secret in the body only; nothing is read before it was seen in the header too.
  if (!isSame(token, namespace?.secret ?? options.token)) {
    options.intake.refuse('unauthenticated');
    // Whatever else it has sent is dropped unread.
    response.setHeader('Connection', 'close');
    refuse(request, response, 401, errorAnswer('The token of this task is missing or wrong.'));
    return;
  }
  onToken();
  if (request.headers.origin !== undefined) {
    options.intake.refuse('unauthenticated');
    refuse(request, response, 403, errorAnswer('Web pages have no access.'));
    return;
  }
  if (namespace === undefined && !callbackPaths.has(path)) {
    refuse(request, response, 404, errorAnswer(`There is nothing at ${path}.`));
    return;
  }
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    refuse(request, response, 405, errorAnswer('Only POST is understood here.'));
    return;
  }
  if (!isJson(request.headers['content-type'])) {
    options.intake.refuse('invalid');
    refuse(request, response, 400, notJsonAnswer);
    return;
  }
  const body = await readBody(request, bodyLimit);
  if (body === undefined) {
    options.intake.refuse('over_limit');
    const limit = errorAnswer(`The body is larger than ${bodyLimit} bytes.`);
    refuse(request, response, 413, limit);
    return;
  }
  const value = parseJson(body);
  if (value === undefined) {
    options.intake.refuse('invalid');
    answer(response, 400, invalidAnswer(['The body is not valid JSON']));
  } else if (namespace !== undefined) {
    await answerNamespace(namespace, options.taskId, value, response);
  } else {
    await answerCallback(options, value, body.length, response);
  }
}

async function answerCallback(
  { taskId, intake }: CallbackListenerOptions,
  body: unknown,
  bytes: number,
  response: ServerResponse,
): Promise<void> {
  const parsed = parseCallback(body);
  if ('errors' in parsed) {
    intake.refuse('invalid');
    answer(response, 400, invalidAnswer(parsed.errors));
    return;
  }
  const { callback } = parsed;
  if (callback.taskId !== taskId && callback.taskId !== noTaskId) {
    intake.refuse('invalid');
    answer(response, 403, errorAnswer('This token may only report on its own task.'));
    return;
  }
  // The token has said which task it is.
  const verdict = await intake.take({ ...callback, taskId }, bytes);
  switch (verdict) {
    case 'taken':
      answer(response, 200, acceptedAnswer(callback));
      break;
    case 'noted':
      // Not journaled yet, and a newer one may take its place: 200 is said of what is kept.
      answer(response, 202, acceptedAnswer(callback));
      break;
    case 'ended':
      answer(response, 409, errorAnswer('The task has ended, or has given its result already.'));
      break;
    case 'over_limit':
      intake.refuse('over_limit');
      response.setHeader('Retry-After', '1');
      // What else it has sent without waiting for answers is dropped unread.
      response.setHeader('Connection', 'close');
      answer(response, 429, errorAnswer('The task reports faster than it may. Wait before the next report.'));
      break;
  }
}

/** Statuses and texts of contract 000, section 3. */
async function answerNamespace(
  namespace: NamespaceDoor,
  taskId: string,
  body: unknown,
  response: ServerResponse,
): Promise<void> {
  const fields = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const { args, secret } = fields;
  const [method, ...rest] = Array.isArray(args) ? (args as unknown[]) : [];
  if (typeof method !== 'string') {
    answer(response, 422, { message: 'No args provided' });
  } else if (fields['taskId'] !== taskId) {
    answer(response, 422, { message: 'No taskId provided' });
  } else if (typeof secret !== 'string') {
    answer(response, 422, { message: 'No secret provided' });
  } else if (!isSame(secret, namespace.secret)) {
    answer(response, 401, { message: 'Invalid secret provided' });
  } else {
    try {
      answer(response, 200, { response: await namespace.call(method, rest) });
    } catch (error) {
      answer(response, 422, { message: OrchestratorError.from(error).message });
    }
  }
}

/** The token stands in the path, which any client keeps, or in a header. */
function credentialsOf(request: IncomingMessage): { readonly path: string; readonly token: string } {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const [, inPath, rest] = /^\/([0-9a-f]{64})(\/.*)$/.exec(path) ?? [];
  if (inPath !== undefined && rest !== undefined) return { path: rest, token: inPath };
  const { authorization, 'x-orca-token': own } = request.headers;
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return { path, token: bearer ?? (typeof own === 'string' ? own : '') };
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && b.length > 0 && timingSafeEqual(a, b);
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}

/** Undefined for what is no JSON, or nested so deeply that it could not be written out again. */
function parseJson(body: Buffer): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return isDeeperThan(value, depthLimit) ? undefined : value;
  } catch {
    return undefined;
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(text);
}

/** Answers without having read the body: what is left of a small one is thrown away, of a large one the connection. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const length = request.headers['content-length'];
  if (!request.complete && (length === undefined || Number(length) > bodyLimit)) {
    response.setHeader('Connection', 'close');
  }
  answer(response, status, body);
  request.resume();
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Engines that run in a network of their own (rootless ones) tell an address that this machine does not have. */
function listenError(error: unknown): OrchestratorError {
  const { address } = error as { readonly address?: unknown };
  if (systemCode(error) !== 'EADDRNOTAVAIL') return OrchestratorError.from(error);
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'container_engine_failed',
    `The address ${String(address)} of the engine's network is none of this machine, so the task's container could ` +
      'not call back. Give it the network "none": then it uses the Unix socket.',
    { cause: error },
  );
}

function systemCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function listen(server: Server, where: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where, exclusive: true }, () => {
      server.off('error', reject);
      // Out of descriptors, for one: it goes on with those it has.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
