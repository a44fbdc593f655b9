import type { Client, StreamableHTTPClientTransport, Transport } from '@modelcontextprotocol/client';
import type { Clock } from '../../base/clock.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { ToolRefusal } from '../../core/tools/tool.ts';
import type { OwnTool } from '../../core/tools/toolNames.ts';
import { type ToolAnswer, toolAnswer } from '../../core/tools/toolResult.ts';
import type { HttpToolServer, StdioToolServer, ToolServer } from '../../core/tools/toolServer.ts';
import { boundedFetch } from './boundedFetch.ts';
import { listTools } from './listTools.ts';
import type { McpLimits } from './mcpLimits.ts';
import { serverEnvironment } from './serverEnvironment.ts';
import { StdioTransport } from './stdioTransport.ts';

export interface McpConnectionOptions {
  readonly server: ToolServer;
  /** Of this server, by the name of the variable or header. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Of a server that says nothing of its directory. */
  readonly cwd: string;
  /** The environment that servers get the harmless part of. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly limits: McpLimits;
  readonly clock: Clock;
}

/** A server that did not come up, or has gone: why, for a person and for the run's events. */
export class ServerFailure extends Error {
  readonly reason: ToolRefusal;

  constructor(reason: ToolRefusal, message: string) {
    super(message);
    this.name = 'ServerFailure';
    this.reason = reason;
  }
}

/** One server that has said what it can do. */
export interface McpConnection {
  /** As it lists them now. */
  readonly tools: readonly OwnTool[];
  /** What is wrong with its list, for a person. */
  readonly problem: string | undefined;
  readonly onDidChangeTools: Event<void>;
  /** Error: `ServerFailure` where it has gone; else what it answered instead, or that it took too long. */
  call(name: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ToolAnswer>;
  /** Resolves once nothing of it is left. */
  close(): Promise<void>;
}

/**
 * Starts or reaches a server and asks for its tools. A connection that is lost while they are listed is made once more:
 * listing changes nothing. Error: `ServerFailure`; after it nothing of the server is left.
 */
export async function connectToServer(
  options: McpConnectionOptions,
  signal: AbortSignal,
): Promise<McpConnection> {
  const { server, secrets, limits, clock } = options;
  checkSecrets(server, secrets);
  const deadline = clock.now() + limits.connectTimeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const link = await openLink(options);
    try {
      const timeoutMs = Math.max(1, deadline - clock.now());
      return await within(connect(link, options), timeoutMs, clock, signal, server);
    } catch (error) {
      const failure = failureOf(error, link);
      await link.close();
      if (attempt > 1 || !link.isLost() || !link.wasConnected || signal.aborted || clock.now() >= deadline)
        throw failure;
    }
  }
}

/** A client with its transport. */
interface Link {
  readonly client: Client;
  readonly transport: Transport;
  /** What the transport knows of its end. */
  readonly fault: () => string | undefined;
  readonly isLost: () => boolean;
  readonly close: () => Promise<void>;
  wasConnected: boolean;
}

async function openLink(options: McpConnectionOptions): Promise<Link> {
  const { server, limits } = options;
  const { Client: McpClient } = await import('./mcpLibrary.ts');
  const client = new McpClient(
    { name: 'orchestration-workbench', version: '1' },
    {
      capabilities: {},
      // Schemas of what comes back are a stranger's too: they are neither compiled nor run.
      jsonSchemaValidator: {
        getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }),
      },
    },
  );
  let isLost = false;
  client.onclose = () => {
    isLost = true;
  };
  client.onerror = () => undefined;
  if (server.kind === 'stdio') {
    const transport = new StdioTransport(stdioOptions(server, options));
    return {
      client,
      transport,
      fault: () => withComplaint(transport.fault, transport.complaint),
      isLost: () => isLost,
      close: () => transport.close(),
      wasConnected: false,
    };
  }
  const transport = await httpTransport(server, options);
  return {
    client,
    transport,
    fault: () => undefined,
    isLost: () => isLost,
    async close() {
      await settled(transport.terminateSession(), limits.closeTimeoutMs);
      await settled(client.close(), limits.closeTimeoutMs);
      await settled(transport.close(), limits.closeTimeoutMs);
    },
    wasConnected: false,
  };
}

async function connect(link: Link, options: McpConnectionOptions): Promise<McpConnection> {
  const { server, limits } = options;
  const { client, transport } = link;
  await client.connect(transport, { timeout: limits.connectTimeoutMs });
  link.wasConnected = true;
  const onDidChangeTools = new Emitter<void>();
  client.setNotificationHandler('notifications/tools/list_changed', () => onDidChangeTools.fire());
  let { tools, problem } = await listTools(client, limits);
  const refresh = onDidChangeTools.event(() => {
    void listTools(client, limits).then(
      (list) => ({ tools, problem } = list),
      () => undefined,
    );
  });
  return {
    get tools() {
      return tools;
    },
    get problem() {
      return problem;
    },
    onDidChangeTools: onDidChangeTools.event,
    async call(name, args, signal) {
      const { callTimeoutMs } = server;
      try {
        const request = client.request(
          { method: 'tools/call', params: { name, arguments: { ...args } } },
          // A little later than ours, which tells it in our words.
          { signal, timeout: callTimeoutMs + 1_000 },
        );
        return toolAnswer(await within(request, callTimeoutMs, options.clock, signal, server));
      } catch (error) {
        if (link.isLost() || isRefusedAtDoor(error)) throw failureOf(error, link);
        throw error;
      }
    },
    async close() {
      refresh.dispose();
      onDidChangeTools.dispose();
      await link.close();
    },
  };
}

function stdioOptions(
  server: StdioToolServer,
  { secrets, cwd, environment, limits }: McpConnectionOptions,
): ConstructorParameters<typeof StdioTransport>[0] {
  const secret = Object.fromEntries(server.secretEnv.map((name) => [name, secrets[name] ?? '']));
  return {
    command: server.command,
    args: server.args,
    cwd: server.cwd ?? cwd,
    env: serverEnvironment(environment, { ...server.env, ...secret }),
    limits,
  };
}

async function httpTransport(
  server: HttpToolServer,
  { secrets, limits }: McpConnectionOptions,
): Promise<StreamableHTTPClientTransport> {
  const { StreamableHTTPClientTransport: HttpTransport } = await import('./mcpLibrary.ts');
  const url = new URL(server.url);
  const secret = Object.fromEntries(server.secretHeaders.map((name) => [name, secrets[name] ?? '']));
  const headersTimeoutMs = Math.max(limits.headersTimeoutMs, server.callTimeoutMs);
  return new HttpTransport(url, {
    requestInit: { headers: { ...server.headers, ...secret } },
    fetch: boundedFetch({ ...limits, headersTimeoutMs }, new Set([url.origin])),
    reconnectionOptions: {
      initialReconnectionDelay: 500,
      maxReconnectionDelay: 5_000,
      reconnectionDelayGrowFactor: 2,
      maxRetries: 1,
    },
  });
}

function checkSecrets(server: ToolServer, secrets: Readonly<Record<string, string>>): void {
  const names = server.kind === 'stdio' ? server.secretEnv : server.secretHeaders;
  const missing = names.find((name) => !Object.hasOwn(secrets, name));
  if (missing === undefined) return;
  if (missing.toLowerCase() === 'authorization')
    throw new ServerFailure('unauthorized', `${server.displayName} wants to be signed in to.`);
  throw new ServerFailure('unconfigured', `${server.displayName} has no value for ${missing}.`);
}

/** @returns the promise, or an error once the time is over or the signal comes; whatever comes later is dropped. */
async function within<T>(
  promise: Promise<T>,
  limitMs: number,
  clock: Clock,
  signal: AbortSignal,
  { displayName }: ToolServer,
): Promise<T> {
  promise.catch(() => undefined);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const timer = clock.setTimer(limitMs, () =>
    reject(
      new OrchestratorError(
        'DEADLINE_EXCEEDED',
        'request_timeout',
        `${displayName} did not answer within ${limitMs / 1_000} s.`,
      ),
    ),
  );
  const abort = (): void => reject(new OrchestratorError('CANCELLED', 'aborted', 'It was stopped.'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, ended]);
  } finally {
    timer.dispose();
    signal.removeEventListener('abort', abort);
  }
}

async function settled(promise: Promise<unknown>, limitMs: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  await Promise.race([promise.catch(() => undefined), over]);
  clearTimeout(timer);
}

function failureOf(error: unknown, link: Link): ServerFailure {
  if (error instanceof ServerFailure) return error;
  const { message } = OrchestratorError.from(error);
  if (isRefusedAtDoor(error)) return new ServerFailure('unauthorized', boundMessage(message));
  return new ServerFailure('unreachable', boundMessage(link.fault() ?? causeOf(error) ?? message));
}

/** 401 and 403 of HTTP. */
function isRefusedAtDoor(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'UnauthorizedError' || error.name === 'InsufficientScopeError') return true;
  const data = 'data' in error ? (error.data as { readonly status?: unknown } | undefined) : undefined;
  return data?.status === 401 || data?.status === 403;
}

/** `fetch failed` says nothing; what is behind it does. */
function causeOf(error: unknown): string | undefined {
  const isBare = error instanceof Error && !(error instanceof OrchestratorError);
  return isBare && error.cause instanceof Error ? error.cause.message : undefined;
}

function withComplaint(fault: string | undefined, complaint: string): string | undefined {
  if (fault === undefined || complaint === '') return fault;
  return `${fault} It said: ${complaint}`;
}

function boundMessage(message: string): string {
  return message.length > 4_096 ? `${message.slice(0, 4_096)}…` : message;
}
