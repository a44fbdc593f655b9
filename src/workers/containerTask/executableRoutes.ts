import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readBody } from './requestBody.ts';

/** As the node's own limit for JSON. */
const bodyLimit = 50 * 1024 * 1024;

export interface RouteRequest {
  readonly method: string;
  readonly path: string;
  /** Of `:name` parts. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else text; undefined where there is none. */
  readonly body: unknown;
}

/** Answers what is sent as JSON with 200, or an object of nothing but `status`, `headers` and `body` to say more. */
export type RouteHandler = (request: RouteRequest) => unknown;

export interface TaskRoutes {
  /** Serves `path` (`/items/:id`) below `/task/<task id>` of the workbench. A later one of the same name wins. */
  readonly route: (method: string, path: string, handler: RouteHandler) => Promise<void>;
}

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly handler: RouteHandler;
}

/** @param socket where the workbench asks; without it the manifest has not asked for a public API. */
export function serveRoutes(socket: string | undefined, taskId: string): TaskRoutes {
  // The node's own route, which any task of it has.
  const routes: Route[] = [{ method: 'GET', pattern: patternOf('/id'), handler: () => ({ taskId }) }];
  let listening: Promise<Server> | undefined;
  return {
    async route(method, path, handler) {
      if (socket === undefined) {
        throw new Error('This task has no public API. Set "publicApi": true in its manifest.');
      }
      routes.unshift({ method: method.toUpperCase(), pattern: patternOf(path), handler });
      listening ??= listen(socket, (request, response) => {
        answer(routes, request, response).catch((error: unknown) => {
          const status = error instanceof BadRequest ? 400 : 500;
          const message = error instanceof Error ? error.message : String(error);
          send(response, status, { success: false, message });
        });
      });
      await listening;
    },
  };
}

async function answer(
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://task');
  const method = request.method ?? 'GET';
  for (const route of routes) {
    // Node sends no body with the answer to HEAD.
    const isMethod = route.method === method || (route.method === 'GET' && method === 'HEAD');
    const match = isMethod ? route.pattern.exec(url.pathname) : null;
    if (match === null) continue;
    const bytes = await readBody(request, bodyLimit);
    if (bytes === undefined) {
      send(response, 413, { success: false, message: `The body is larger than ${bodyLimit} bytes.` });
      return;
    }
    const result = await route.handler({
      method,
      path: url.pathname,
      params: paramsOf(match.groups ?? {}),
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: bodyOf(bytes, request.headers['content-type']),
    });
    const { status = 200, headers = {}, body = result } = isResponse(result) ? result : {};
    send(response, status, body, headers);
    return;
  }
  send(response, 404, { success: false, message: `The task has no route ${method} ${url.pathname}.` });
}

interface RouteResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function isResponse(value: unknown): value is RouteResponse {
  if (typeof value !== 'object' || value === null || !('status' in value)) return false;
  const { status } = value;
  const isStatus = Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599;
  // Any more, and it is something of the task's own that happens to have a status.
  return isStatus && Object.keys(value).every((name) => ['status', 'headers', 'body'].includes(name));
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent) return;
  const [type, bytes] =
    typeof body === 'string'
      ? ['text/plain; charset=utf-8', body]
      : body instanceof Uint8Array
        ? ['application/octet-stream', body]
        : ['application/json', JSON.stringify(body ?? null)];
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(bytes);
}

/** What the sender did wrong. */
class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

function bodyOf(bytes: Buffer, contentType = ''): unknown {
  if (bytes.length === 0) return undefined;
  const text = bytes.toString('utf8');
  if (!contentType.includes('json')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new BadRequest('The body is not valid JSON.');
  }
}

function paramsOf(groups: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
    );
  } catch {
    throw new BadRequest('The path is not encoded as a URL is.');
  }
}

function patternOf(path: string): RegExp {
  const parts = path.split('/').map((part) => {
    const name = /^:([A-Za-z_]\w*)$/.exec(part)?.[1];
    return name === undefined ? part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`) : `(?<${name}>[^/]+)`;
  });
  return new RegExp(`^${parts.join('/')}$`);
}

function listen(
  socket: string,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onRequest);
    server.once('error', reject);
    server.listen(socket, () => resolve(server));
  });
}
