import {
  type AuthInfo,
  createMcpHandler,
  isLegacyRequest,
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
} from './mcpServerLibrary.ts';
import { randomUUID } from 'node:crypto';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { createMcpServer, type McpOptions, type WhoCalls } from './mcpServer.ts';
import { McpSessions } from './mcpSessions.ts';
import { ToolCalls } from './toolCalls.ts';

/** Who sends a request over HTTP, as its door knows it. */
export interface McpHttpCaller {
  /** The identity behind the token. */
  readonly key: string;
  readonly who: WhoCalls;
  /** Tells when the identity is no longer good. */
  readonly watch: (onGone: () => void) => Disposable;
}

/** Of callers without a call or a session, so many are remembered. */
const rememberedCallers = 1_000;

/**
 * MCP over streamable HTTP, behind a door that has checked Host, Origin and token. Clients of 2026's protocol say with
 * each request who they are; those of 2025's get a session, which is good with the token alone that opened it.
 */
export class McpEndpoint {
  private readonly options: McpOptions;
  private readonly sessions: McpSessions;
  private readonly modern: McpHttpHandler;
  private readonly calls = new Map<string, ToolCalls>();
  /** By the object that goes through the library with a request. */
  private readonly callers = new WeakMap<AuthInfo, McpHttpCaller>();

  constructor(options: McpOptions) {
    this.options = options;
    const { limits, clock, logger } = options;
    this.sessions = new McpSessions(limits, clock);
    this.modern = createMcpHandler(
      ({ authInfo }) => {
        const caller = authInfo === undefined ? undefined : this.callers.get(authInfo);
        if (caller === undefined)
          throw new OrchestratorError(
            'UNAUTHENTICATED',
            'unauthenticated',
            'Nobody is known to have sent this.',
          );
        return createMcpServer(options, caller.who, this.callsOf(caller.key));
      },
      {
        legacy: 'reject',
        maxRequestBodySize: limits.requestBytes,
        maxSubscriptions: limits.sessionsPerCaller,
        onerror: (error) => logger.debug('An MCP request was refused', error),
      },
    );
  }

  /** Sessions of clients of 2025's protocol. */
  get sessionCount(): number {
    return this.sessions.count;
  }

  /** Never fails: what goes wrong is an answer, except for `queue_full`. */
  async handle(request: Request, caller: McpHttpCaller): Promise<Response> {
    const { requestBytes: maxRequestBodySize } = this.options.limits;
    if (!(await isLegacyRequest(request, undefined, { maxRequestBodySize }))) {
      const authInfo: AuthInfo = { token: '', clientId: caller.key, scopes: [] };
      this.callers.set(authInfo, caller);
      return this.modern.fetch(request, { authInfo });
    }
    const id = request.headers.get('mcp-session-id');
    if (id === null) return this.open(request, caller);
    const session = this.sessions.find(id, caller.key);
    if (session === undefined) return sessionNotFound();
    const end = this.sessions.begin(id);
    try {
      return untilRead(await session.transport.handleRequest(request), end);
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Ends every session and every wait; what was started goes on. */
  async close(): Promise<void> {
    this.sessions.endAll();
    await this.modern.close();
  }

  /** What comes without a session id begins one, or is refused by the library for not beginning one. */
  private async open(request: Request, caller: McpHttpCaller): Promise<Response> {
    if (request.method === 'POST') this.sessions.checkRoom(caller.key);
    const { options, sessions } = this;
    const resources = new DisposableStore();
    const server = createMcpServer(options, caller.who, this.callsOf(caller.key));
    let opened: string | undefined;
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      maxRequestBodySize: options.limits.requestBytes,
      onsessioninitialized: (id) => {
        opened = id;
        sessions.add(id, { callerKey: caller.key, server, transport, resources });
        resources.add(caller.watch(() => sessions.end(id)));
      },
      onsessionclosed: (id) => sessions.end(id),
    });
    try {
      await server.connect(transport);
      const response = await transport.handleRequest(request);
      return opened === undefined ? response : untilRead(response, sessions.begin(opened));
    } finally {
      if (opened === undefined) await server.close();
    }
  }

  private callsOf(key: string): ToolCalls {
    const known = this.calls.get(key);
    if (known !== undefined) return known;
    if (this.calls.size >= rememberedCallers) {
      for (const [other, { count }] of this.calls) if (count === 0) this.calls.delete(other);
    }
    const calls = new ToolCalls(this.options.limits.callsAtATime);
    this.calls.set(key, calls);
    return calls;
  }
}

/** As the protocol has it: the client begins a new session. */
function sessionNotFound(): Response {
  return Response.json(
    { jsonrpc: '2.0', error: { code: -32_001, message: 'Session not found' }, id: null },
    { status: 404 },
  );
}

/** Calls back once, when the body has been read to its end or nobody reads it any more. */
function untilRead(response: Response, onEnd: () => void): Response {
  const { body, status, statusText, headers } = response;
  if (body === null) {
    onEnd();
    return response;
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  const watched = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const piece = await reader.read();
        if (!piece.done) {
          controller.enqueue(piece.value);
          return;
        }
        onEnd();
        controller.close();
      } catch (error) {
        onEnd();
        controller.error(error);
      }
    },
    async cancel(reason) {
      onEnd();
      await reader.cancel(reason);
    },
  });
  return new Response(watched, { status, statusText, headers });
}
