// `/mcp` of the real daemon, with clients that are not ours, of the protocol of 2025 and of 2026; and the same on a socket.
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { McpTestClient } from '../harness/mcpClient.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture } from './cliHarness.ts';

interface Served {
  readonly url: URL;
  readonly socket: string;
  readonly admin: string;
  readonly anna: string;
  readonly bert: string;
  readonly reader: string;
}

let dist: string;
let cli: CliFixture;
let served: Served;

beforeAll(async () => {
  dist = buildProduct();
  cli = new CliFixture(dist);
  const serving = cli.start(['serve', '--json', '--mcp', '--http', '127.0.0.1:0']);
  await serving.shows('"ready":true');
  const ready = JSON.parse(serving.stdout.toString()) as {
    http: { url: string; tokenFile: string };
    mcp: { socket: string };
  };
  const token = async (name: string, scope: string): Promise<string> =>
    (await cli.run(['token', 'create', '--name', name, '--scope', scope])).stdout.toString().trim();
  served = {
    url: new URL('/mcp', ready.http.url),
    socket: ready.mcp.socket,
    admin: readFileSync(ready.http.tokenFile, 'utf8').trim(),
    anna: await token('anna', 'drive'),
    bert: await token('bert', 'drive'),
    reader: await token('reader', 'read'),
  };
}, 120_000);

afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  rmSync(dist, { recursive: true, force: true });
});

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

async function connect(token: string, name?: string): Promise<McpTestClient> {
  const transport = new StreamableHTTPClientTransport(served.url, {
    requestInit: { headers: bearer(token) },
  });
  return McpTestClient.connect(transport, name);
}

function sessionOf({ transport }: McpTestClient): string {
  if (transport.sessionId === undefined) throw new Error('the server gave no session id');
  return transport.sessionId;
}

const listTools = { jsonrpc: '2.0', id: 7, method: 'tools/list' };
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly socket?: string;
  readonly path?: string;
}

/** With Node's own client: fetch sends no Host of ours. */
function ask({ method = 'POST', headers = {}, body = initialize, socket, path = '/mcp' }: Asked): Promise<{
  readonly status: number;
  readonly text: string;
}> {
  return new Promise((resolve, reject) => {
    const place =
      socket === undefined ? { host: served.url.hostname, port: served.url.port } : { socketPath: socket };
    const asked = request(
      {
        ...place,
        agent: false,
        path,
        method,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers,
        },
      },
      (answer) => {
        let text = '';
        answer.on('data', (data: Buffer) => (text += data.toString()));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    asked.on('error', reject);
    asked.end(method === 'GET' || method === 'DELETE' ? undefined : JSON.stringify(body));
  });
}

describe('the daemon’s door', () => {
  it('serves the same tools, with progress, for a client of 2025', async () => {
    await using mcp = await connect(served.anna, 'Some Client/2');
    const heard: unknown[] = [];
    const run = await mcp.ask('run_task', { task: 'echo hi' }, { onProgress: (one) => heard.push(one) });
    expect(run).toMatchObject({
      status: 'succeeded',
      output: 'hi\n',
      // The token says whose it is, the client only under which name.
      requested_by: 'mcp:@token.anna:Some-Client-2',
    });
    expect(heard.length).toBeGreaterThan(0);
  });

  it('serves them for a client of 2026, which has no session', async () => {
    const client = new ModernClient(
      { name: 'modern', version: '1' },
      { versionNegotiation: { mode: 'auto' } },
    );
    await client.connect(new ModernTransport(served.url, { requestInit: { headers: bearer(served.anna) } }));
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    const { structuredContent } = await client.callTool({ name: 'run_task', arguments: { task: 'exit 5' } });
    expect(structuredContent).toMatchObject({ status: 'failed', requested_by: 'mcp:@token.anna:modern' });
    const wrong = await client.callTool({
      name: 'run_task',
      arguments: { task: 'true', directory: '/no/such' },
    });
    expect(wrong).toMatchObject({ isError: true });
    await client.close();
  });

  it.each<[who: string, asked: () => Asked, status: number]>([
    ['without a token', () => ({}), 401],
    ['with a wrong token', () => ({ headers: bearer('wrong') }), 401],
    ['for a foreign name', () => ({ headers: { ...bearer(served.admin), host: 'evil.example' } }), 403],
    [
      'from a foreign page',
      () => ({ headers: { ...bearer(served.admin), origin: 'https://evil.example' } }),
      403,
    ],
    ['with what is no JSON-RPC', () => ({ headers: bearer(served.admin), body: [1, 'x'] }), 400],
    [
      'with a session that there is none of',
      () => ({ headers: { ...bearer(served.admin), 'mcp-session-id': 'x' }, body: listTools }),
      404,
    ],
    ['without a session', () => ({ headers: bearer(served.admin), body: listTools }), 400],
    [
      'with a body of two megabytes',
      () => ({ headers: bearer(served.admin), body: 'x'.repeat(2 ** 21) }),
      413,
    ],
    ['by another method', () => ({ method: 'PUT', headers: bearer(served.admin) }), 405],
  ])('answers who asks %s with the right status', async (_who, asked, status) => {
    const answer = await ask(asked());
    expect({ status: answer.status, text: answer.text.slice(0, 300) }).toMatchObject({ status });
    expect(answer.text).not.toContain(served.admin);
  });

  it('takes a session from nobody but the token that opened it', async () => {
    await using anna = await connect(served.anna);
    const stolen = { ...bearer(served.bert), 'mcp-session-id': sessionOf(anna) };
    for (const method of ['POST', 'GET', 'DELETE']) {
      expect(await ask({ method, headers: stolen, body: listTools })).toMatchObject({ status: 404 });
    }
    expect(await ask({ headers: { ...stolen, ...bearer(served.admin) }, body: listTools })).toMatchObject({
      status: 404,
    });
    // It was not ended either.
    expect((await anna.ask('list_sessions'))['truncated']).toBe(false);
  });

  it('ends a session when its client says so', async () => {
    const mcp = await connect(served.anna);
    const headers = { ...bearer(served.anna), 'mcp-session-id': sessionOf(mcp) };
    expect(await ask({ headers, body: listTools })).toMatchObject({ status: 200 });
    await (mcp.transport as unknown as StreamableHTTPClientTransport).terminateSession();
    expect(await ask({ headers, body: listTools })).toMatchObject({ status: 404 });
    await mcp[Symbol.asyncDispose]();
  });

  it('keeps tokens apart, whatever their clients call themselves; the scope read only looks', async () => {
    await using anna = await connect(served.anna, 'same');
    await using bert = await connect(served.bert, 'same');
    await using reader = await connect(served.reader, 'same');
    await using admin = await connect(served.admin, 'same');
    const { terminal_id } = await anna.ask('start_terminal');
    const { run_id } = await anna.ask('run_task', { task: 'sleep 300', wait_seconds: 0 });
    for (const other of [bert, reader]) {
      expect(await other.refusal('kill_terminal', { terminal_id })).toMatch(/permission_denied/);
      expect(await other.refusal('run_command', { terminal_id, command: 'x' })).toMatch(/permission_denied/);
      expect(await other.refusal('abort_run', { run_id })).toMatch(/permission_denied/);
      expect(await other.ask('read_terminal', { terminal_id })).toMatchObject({ is_running: true });
    }
    expect(await reader.refusal('run_task', { task: 'true' })).toMatch(/needs the scope "drive"/);
    expect(await admin.ask('kill_terminal', { terminal_id })).toMatchObject({ is_running: false });
    expect(await anna.ask('abort_run', { run_id })).toMatchObject({ status: 'cancelled' });
  });

  it('lets a client that goes in the middle of a call go, and its run go on', async () => {
    const mcp = await connect(served.anna, 'leaver');
    const call = mcp
      .call('run_task', { task: 'sleep 1; echo through', wait_seconds: 60 })
      .catch(() => undefined);
    await using other = await connect(served.anna, 'stayer');
    const run_id = await waitUntil('it runs', async () => {
      const { runs } = await other.ask('list_runs', { only_live: true });
      return (runs as { run_id: string; requested_by: string }[]).find(({ requested_by: by }) =>
        by.endsWith(':leaver'),
      )?.run_id;
    });
    await mcp.client.close();
    await call;
    expect(await other.ask('wait_for_run', { run_id })).toMatchObject({
      status: 'succeeded',
      output: 'through\n',
    });
  });

  it('ends the sessions of a token that was revoked', async () => {
    const created = await cli.run(['token', 'create', '--name', 'short', '--scope', 'drive']);
    const short = created.stdout.toString().trim();
    const mcp = await connect(short);
    expect((await mcp.ask('list_runs'))['truncated']).toBe(false);
    await cli.run(['token', 'revoke', 'short']);
    const headers = { ...bearer(short), 'mcp-session-id': sessionOf(mcp) };
    await waitUntil('it is refused', async () =>
      (await ask({ headers, body: listTools })).status === 401 ? true : undefined,
    );
    await mcp.client.close();
  });
});

describe('the socket', () => {
  it('is of this user alone, and needs no token there', async () => {
    const { mode } = statSync(served.socket);
    expect(mode & 0o777).toBe(0o600);
    expect(statSync(dirname(served.socket)).mode & 0o777).toBe(0o700);
    const { status, text } = await ask({ socket: served.socket });
    expect(status).toBe(200);
    expect(text).toContain('"orchestration-workbench"');
  });

  it.each<[who: string, asked: Asked, status: number]>([
    ['a page', { headers: { origin: 'http://localhost:3000' } }, 403],
    ['one with a token of something else', { headers: bearer('wrong') }, 401],
    ['one who looks for something else', { path: '/health' }, 404],
  ])('refuses %s', async (_who, asked, status) => {
    expect(await ask({ ...asked, socket: served.socket })).toMatchObject({ status });
  });
});
