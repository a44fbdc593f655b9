import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../base/clock.ts';
import { toDisposable } from '../../base/disposable.ts';
import { nullLogger } from '../../base/logger.ts';
import { localCaller } from './caller.ts';
import { defaultMcpLimits } from './limits.ts';
import { McpEndpoint, type McpHttpCaller } from './mcpEndpoint.ts';

const clock = new FakeClock();
const watched = new Set<() => void>();

function endpointWith(limits: Partial<typeof defaultMcpLimits>): McpEndpoint {
  return new McpEndpoint({
    orchestrator: () => Promise.reject(new Error('nothing is asked of it here')),
    version: '1',
    limits: { ...defaultMcpLimits, ...limits },
    clock,
    logger: nullLogger,
  });
}

const caller = (key: string): McpHttpCaller => ({
  key,
  who: (name) => localCaller(name, new Set(['read'])),
  watch: (onGone) => {
    watched.add(onGone);
    return toDisposable(() => watched.delete(onGone));
  },
});

const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** @returns the id of the session. */
async function open(endpoint: McpEndpoint, key: string): Promise<string> {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  const answer = await endpoint.handle(
    new Request('http://x/mcp', { method: 'POST', headers, body }),
    caller(key),
  );
  expect(answer.status).toBe(200);
  await answer.text();
  return answer.headers.get('mcp-session-id') ?? '';
}

async function ping(endpoint: McpEndpoint, key: string, id: string): Promise<number> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' });
  const request = new Request('http://x/mcp', {
    method: 'POST',
    headers: { ...headers, 'mcp-session-id': id },
    body,
  });
  const answer = await endpoint.handle(request, caller(key));
  await answer.text();
  return answer.status;
}

describe('sessions of clients', () => {
  it('end when nobody has used them for long, and not before', async () => {
    await using endpoint = closing(endpointWith({ sessionIdleMs: 1_000 }));
    const id = await open(endpoint.it, 'a');
    clock.advance(900);
    expect(await ping(endpoint.it, 'a', id)).toBe(200);
    clock.advance(900);
    expect(await ping(endpoint.it, 'a', id)).toBe(200);
    clock.advance(1_000);
    expect(await ping(endpoint.it, 'a', id)).toBe(404);
    expect(endpoint.it.sessionCount).toBe(0);
    expect(watched.size).toBe(0);
  });

  it('do not end while a stream is open, and do once it is let go', async () => {
    await using endpoint = closing(endpointWith({ sessionIdleMs: 1_000 }));
    const id = await open(endpoint.it, 'a');
    const listen = { ...headers, 'mcp-session-id': id };
    const stream = await endpoint.it.handle(new Request('http://x/mcp', { headers: listen }), caller('a'));
    expect(stream.status).toBe(200);
    clock.advance(100_000);
    expect(endpoint.it.sessionCount).toBe(1);
    await stream.body?.cancel();
    clock.advance(1_000);
    expect(endpoint.it.sessionCount).toBe(0);
  });

  it('are so many of one caller, whose oldest idle one makes room, and cost others nothing', async () => {
    await using endpoint = closing(endpointWith({ sessionsPerCaller: 2 }));
    const other = await open(endpoint.it, 'b');
    const ids = [await open(endpoint.it, 'a'), await open(endpoint.it, 'a'), await open(endpoint.it, 'a')];
    expect(await Promise.all(ids.map((id) => ping(endpoint.it, 'a', id)))).toEqual([404, 200, 200]);
    expect(await ping(endpoint.it, 'b', other)).toBe(200);
  });

  it('are so many in all', async () => {
    await using endpoint = closing(endpointWith({ sessions: 1 }));
    await open(endpoint.it, 'a');
    await expect(open(endpoint.it, 'b')).rejects.toThrow(/as many MCP sessions/);
  });

  it('end with the identity that opened them', async () => {
    await using endpoint = closing(endpointWith({}));
    const id = await open(endpoint.it, 'a');
    for (const gone of [...watched]) gone();
    expect(await ping(endpoint.it, 'a', id)).toBe(404);
    expect(watched.size).toBe(0);
  });
});

function closing(it: McpEndpoint): { readonly it: McpEndpoint } & AsyncDisposable {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
