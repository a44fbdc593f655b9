import { getRequestListener } from '@hono/node-server';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Scope } from '../../protocol/daemon/handshake.ts';
import { listenOnSocket, prepareSocketPath } from '../grpc/socketFile.ts';
import { errorResponse } from '../http/httpErrors.ts';
import { localCaller } from './caller.ts';
import { McpEndpoint } from './mcpEndpoint.ts';
import type { McpOptions } from './mcpServer.ts';

export interface McpSocketOptions extends McpOptions {
  /** Path of a socket in a folder of this user alone, or the name of a pipe. */
  readonly socketPath: string;
  /** What its clients may do. */
  readonly scopes: ReadonlySet<Scope>;
}

export interface McpSocket {
  readonly socketPath: string;
  /** To be shown as `Authorization: Bearer`: always on Windows. New with each opening, and never written down. */
  readonly token: string;
  /** Resolves when nothing listens any more; what was started goes on. */
  close(): Promise<void>;
}

export const mcpPath = '/mcp';
const isWindows = process.platform === 'win32';
const headersTimeoutMs = 5_000;
const requestTimeoutMs = 30_000;
const maxConnections = 64;

/**
 * MCP by HTTP on a socket that only this user can open; on Windows, where anybody may open a pipe, it asks for a token.
 * Errors: those of `prepareSocketPath`; `listen_failed`.
 */
export async function openMcpSocket(options: McpSocketOptions): Promise<McpSocket> {
  const { socketPath, scopes } = options;
  const token = randomBytes(32).toString('base64url');
  const expected = digest(`Bearer ${token}`);
  const isShown = (authorization: string | null): boolean =>
    authorization === null ? !isWindows : timingSafeEqual(digest(authorization), expected);
  const endpoint = new McpEndpoint(options);
  const caller = {
    key: 'socket',
    who: (clientName: string | undefined) => localCaller(clientName, scopes),
    watch: () => toDisposable(() => undefined),
  };
  const answer = async (request: Request): Promise<Response> => {
    try {
      // Clients of a socket are programs; a page can only have been led here.
      if (request.headers.has('origin')) throw refused('PERMISSION_DENIED', 'Pages may not use this.');
      if (!isShown(request.headers.get('authorization')))
        throw refused('UNAUTHENTICATED', 'The token is missing, or is not that of this server.');
      if (new URL(request.url).pathname !== mcpPath)
        throw new OrchestratorError('NOT_FOUND', 'invalid_request', `Here is only ${mcpPath}.`);
      return await endpoint.handle(request, caller);
    } catch (error) {
      return errorResponse(error);
    }
  };
  const handle = getRequestListener(answer, { overrideGlobalObjects: false });
  const server = createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs },
    (request, response) => void handle(request, response),
  );
  server.maxConnections = maxConnections;
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  await prepareSocketPath(socketPath);
  await listenOnSocket(server, socketPath);
  // Out of descriptors, for one: it goes on with those it has.
  server.on('error', () => undefined);
  return {
    socketPath,
    token,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await endpoint.close();
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

/** Compared by what they hash to, the time it takes tells nothing, not even a length. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refused(code: 'PERMISSION_DENIED' | 'UNAUTHENTICATED', message: string): OrchestratorError {
  return new OrchestratorError(
    code,
    code === 'UNAUTHENTICATED' ? 'unauthenticated' : 'permission_denied',
    message,
  );
}
