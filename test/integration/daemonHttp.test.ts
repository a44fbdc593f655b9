import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nullLogger } from '../../src/base/logger.ts';
import { addNamedToken, removeNamedToken } from '../../src/servers/access/namedTokens.ts';
import {
  type HttpServer,
  type HttpServerOptions,
  startHttpServer,
} from '../../src/servers/http/httpServer.ts';
import { waitUntil } from '../harness/processes.ts';
import { createDaemonDouble, type DaemonDouble } from './daemonDouble.ts';

let stateDir: string;
let daemon: DaemonDouble;
let server: HttpServer;
const started: HttpServer[] = [];

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'ow-daemon-http-'));
  daemon = createDaemonDouble();
  server = await start();
});
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop();
  rmSync(stateDir, { recursive: true });
});

async function start(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const one = await startHttpServer({
    stateDir,
    port: 0,
    tasks: undefined,
    daemon: daemon.api,
    version: '1.2.3',
    limits: { stopTimeoutMs: 500 },
    logger: nullLogger,
    ...options,
  });
  started.push(one);
  return one;
}

const mainToken = (): string => readFileSync(server.tokenPath, 'utf8').trim();

async function ask(
  method: string,
  path: string,
  body?: unknown,
  {
    token = mainToken(),
    headers = {},
    to = server,
  }: { token?: string; headers?: Record<string, string>; to?: HttpServer } = {},
): Promise<{ status: number; json: Record<string, unknown>; headers: Headers }> {
  const answer = await fetch(`${to.url}${path}`, {
    method,
    headers: {
      'x-api-key': token,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  return {
    status: answer.status,
    json: isJson ? (JSON.parse(text) as Record<string, unknown>) : { text },
    headers: answer.headers,
  };
}

const registration = {
  orchestratorId: 'vp_123',
  organizationId: 'org',
  apiKey: 'never kept',
  daemonInfo: {
    instanceId: 'd1',
    version: '1.0.0',
    host: 'other.example',
    port: 8787,
    protocol: 'wss',
    startedAt: '2024-01-01T00:00:00Z',
    capabilities: ['code'],
  },
};

describe('/api/daemon', () => {
  it('makes, lists, changes and ends sessions', async () => {
    const task = { type: 'code', description: 'Implement feature X', priority: 'high', status: 'pending' };
    const made = await ask('POST', '/api/daemon/sessions', {
      orchestratorId: 'vp_123',
      task,
      sessionType: 'claude-code',
    });
    expect(made).toMatchObject({
      status: 201,
      json: { session: { id: 'session_1', orchestratorId: 'vp_123' } },
    });
    const contract = await ask('POST', '/api/daemon/sessions', { type: 'user', timeoutSeconds: 60 });
    expect(contract).toMatchObject({
      status: 201,
      json: { session: { id: 'session_2', orchestratorId: 'user' } },
    });
    const page = await ask('GET', '/api/daemon/sessions?limit=1');
    expect(page.json).toMatchObject({ total: 2, nextCursor: '1', sessions: [{ id: 'session_1' }] });
    expect((await ask('GET', '/api/daemon/sessions?limit=1&cursor=1')).json).toMatchObject({
      sessions: [{ id: 'session_2' }],
    });
    expect(
      await ask('PATCH', '/api/daemon/sessions', { sessionId: 'session_1', name: 'x', status: 'active' }),
    ).toMatchObject({
      status: 200,
      json: { session: { name: 'x', status: 'running' } },
    });
    expect(await ask('POST', '/api/daemon/sessions/session_1/tasks', { task: 'ls' })).toMatchObject({
      status: 202,
      json: { sessionId: 'session_1', taskId: 'run_1' },
    });
    expect(await ask('PATCH', '/api/daemon/sessions/session_1', { status: 'terminated' })).toMatchObject({
      json: { session: { status: 'terminated' } },
    });
    expect(await ask('DELETE', '/api/daemon/sessions?sessionId=session_2')).toMatchObject({
      status: 200,
      json: { success: true, session: { status: 'terminated' } },
    });
    expect((await ask('GET', '/api/daemon/sessions/session_1')).json).toMatchObject({
      session: { status: 'terminated' },
    });
  });

  it('makes one session of one key', async () => {
    const headers = { 'idempotency-key': 'k1' };
    const first = await ask('POST', '/api/daemon/sessions', { task: 'a' }, { headers });
    const again = await ask('POST', '/api/daemon/sessions', { task: 'a' }, { headers });
    expect(again.json).toEqual(first.json);
    expect(daemon.sessions.size).toBe(1);
  });

  it.each<[number, string, string, string, unknown?]>([
    [404, 'SESSION_NOT_FOUND', 'GET', '/sessions/none'],
    [404, 'SESSION_NOT_FOUND', 'DELETE', '/sessions?sessionId=none'],
    [404, 'SESSION_NOT_FOUND', 'PATCH', '/sessions', { sessionId: 'none', status: 'terminated' }],
    [404, 'SESSION_NOT_FOUND', 'POST', '/sessions/none/tasks', { task: 'x' }],
    [400, 'VALIDATION_ERROR', 'POST', '/sessions', { task: 7 }],
    [400, 'VALIDATION_ERROR', 'POST', '/sessions', '{'],
    [400, 'VALIDATION_ERROR', 'POST', '/sessions', `${'['.repeat(65)}${']'.repeat(65)}`],
    [400, 'VALIDATION_ERROR', 'POST', '/sessions', { sessionType: 'none' }],
    [400, 'VALIDATION_ERROR', 'DELETE', '/sessions'],
    [400, 'VALIDATION_ERROR', 'GET', '/sessions?limit=0'],
    [400, 'VALIDATION_ERROR', 'GET', '/events?topics=none'],
    [413, 'BODY_TOO_LARGE', 'POST', '/sessions', { task: 'x'.repeat(1024 * 1024) }],
    [404, 'DAEMON_NOT_REGISTERED', 'POST', '/heartbeat', { status: 'active' }],
    [405, 'METHOD_NOT_ALLOWED', 'POST', '/ws', {}],
    [405, 'METHOD_NOT_ALLOWED', 'PUT', '/sessions', {}],
    [404, 'NOT_FOUND', 'GET', '/nothing'],
  ])('answers %i %s to %s %s', async (status, code, method, path, body) => {
    const answer = await ask(method, `/api/daemon${path}`, body);
    expect([answer.status, answer.json]).toEqual([
      status,
      { error: expect.any(String) as string, code, reason: expect.any(String) as string },
    ]);
    expect(daemon.calls).toEqual([]);
  });

  it('takes a body only where it says that it is JSON', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=a',
      '',
    ]) {
      const answer = await ask('POST', '/api/daemon/sessions', '{"task":"x"}', {
        headers: { 'content-type': type },
      });
      expect(answer.status).toBe(400);
    }
    expect(daemon.calls).toEqual([]);
  });

  it('keeps other daemons that register, and tells which are online', async () => {
    expect(await ask('POST', '/api/daemon', registration)).toMatchObject({
      status: 201,
      json: { heartbeatInterval: 30_000, healthCheckEndpoint: '/api/daemon/heartbeat' },
    });
    expect(await ask('POST', '/api/daemon/register', registration)).toMatchObject({
      status: 409,
      json: { code: 'DAEMON_ALREADY_REGISTERED' },
    });
    expect(
      await ask('POST', '/api/daemon/heartbeat', { status: 'busy', metrics: { load: 1 } }),
    ).toMatchObject({
      status: 200,
      json: { success: true, heartbeatIntervalMs: 30_000 },
    });
    const status = await ask('GET', '/api/daemon');
    expect(status.json).toMatchObject({
      status: 'running',
      queuedTasks: 1,
      metrics: { successRate: 0.5 },
      daemons: [
        { instanceId: 'd1', host: 'other.example', online: true, status: 'busy', metrics: { load: 1 } },
      ],
    });
    expect(JSON.stringify(status.json)).not.toContain('never kept');
    expect((await ask('PUT', '/api/daemon/status', { status: 'paused' })).status).toBe(200);
    const port = { ...registration, daemonInfo: { ...registration.daemonInfo, port: 0 } };
    expect(await ask('POST', '/api/daemon', port)).toMatchObject({
      status: 400,
      json: { code: 'VALIDATION_ERROR' },
    });
    expect((await ask('DELETE', '/api/daemon')).status).toBe(200);
    expect((await ask('GET', '/api/daemon/status')).json).toMatchObject({ daemons: [] });
  });

  it('does for each token what its scope allows', async () => {
    const now = Date.now();
    const read = await addNamedToken(stateDir, { name: 'r', scope: 'read' }, now);
    const drive = await addNamedToken(stateDir, { name: 'd', scope: 'drive' }, now);
    const statuses = async (token: string): Promise<number[]> => {
      const answers = [];
      for (const [method, path, body] of [
        ['GET', '/api/daemon/sessions'],
        ['GET', '/metrics'],
        ['GET', '/openapi.json'],
        ['POST', '/api/daemon/sessions', { task: 'x' }],
        ['POST', '/api/daemon', registration],
      ] as const) {
        answers.push((await ask(method, path, body, { token })).status);
      }
      return answers;
    };
    expect(await statuses(read)).toEqual([200, 200, 200, 403, 403]);
    expect(await statuses(drive)).toEqual([200, 200, 200, 201, 403]);
    expect(await statuses('x')).toEqual([401, 401, 401, 401, 401]);
    const wrong = await ask('GET', '/api/daemon', undefined, { token: 'x' });
    expect(wrong.json).toEqual({ error: 'api_key_invalid', code: 'UNAUTHORIZED', reason: 'unauthenticated' });
  });

  it('takes a token from the query only where that is allowed', async () => {
    const path = `/api/daemon?token=${mainToken()}`;
    expect((await fetch(`${server.url}${path}`)).status).toBe(401);
    const open = await start({ allowsQueryToken: true });
    expect((await fetch(`${open.url}${path}`)).status).toBe(200);
  });

  it('limits what one token asks for, and tells when to come again', async () => {
    const limits = { requestsAtOnce: 5, requestsPerSecond: 1, stopTimeoutMs: 500 };
    const to = await start({ limits });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask('GET', '/api/daemon', undefined, { to })),
    );
    const limited = answers.filter(({ status }) => status === 429);
    expect(limited).toHaveLength(3);
    expect(limited[0]?.headers.get('retry-after')).toBe('1');
    expect(limited[0]?.json).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    const other = await addNamedToken(stateDir, { name: 'other', scope: 'read' }, Date.now());
    expect((await ask('GET', '/api/daemon', undefined, { to, token: other })).status).toBe(200);
  });

  it('asks for a WebSocket where one is offered, and refuses it to pages of others', async () => {
    const upgraded: string[] = [];
    const to = await start({
      onUpgrade: (request, socket) => {
        upgraded.push(request.url ?? '');
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
    });
    const raw = (head: string, port = to.port): Promise<string> =>
      new Promise((resolve) => {
        let text = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(head));
        socket.on('data', (data) => (text += data.toString())).on('close', () => resolve(text));
      });
    const head = 'GET /any HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    expect(await raw(`${head}\r\n`)).toContain('101');
    expect(await raw(`${head}Origin: http://evil.example\r\n\r\n`)).toContain('403');
    expect(await raw(head.replace('localhost', 'evil.example') + '\r\n')).toContain('403');
    expect(
      await raw(head.replace('websocket', 'h2c').replace('Upgrade\r', 'Upgrade, close\r') + '\r\n'),
    ).toContain('401');
    expect(upgraded).toEqual(['/any']);
    // Without a door for them it is a request like any other.
    expect(await raw(head.replace('Upgrade\r', 'Upgrade, close\r') + '\r\n', server.port)).toContain('401');
    const ws = await ask('GET', '/api/daemon/ws');
    expect(ws.json).toMatchObject({ url: `ws://127.0.0.1:${server.port}/` });
  });
});

describe('/metrics', () => {
  it('is valid text for Prometheus', async () => {
    const { status, json, headers } = await ask('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = String(json['text']);
    expect(text.endsWith('\n')).toBe(true);
    const typed = new Map<string, string>();
    const values = new Map<string, number>();
    for (const line of text.trimEnd().split('\n')) {
      const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
      if (comment !== null) {
        if (comment[1] === 'TYPE') typed.set(comment[2] ?? '', comment[3] ?? '');
        continue;
      }
      const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
      const sample = new RegExp(`^([a-z_]+)(\\{${label}(?:,${label})*\\})? (-?[\\d.]+(?:e[+-]?\\d+)?)$`).exec(
        line,
      );
      expect(sample, line).not.toBeNull();
      const [, name = '', labels = '', value] = sample ?? [];
      expect(typed.get(name), name).toMatch(/^(?:gauge|counter)$/);
      expect(name.endsWith('_total')).toBe(typed.get(name) === 'counter');
      expect(values.has(name + labels)).toBe(false);
      values.set(name + labels, Number(value));
    }
    expect(values.get('orchestrator_uptime_seconds')).toBe(1.5);
    expect(values.get('orchestrator_queued_tasks')).toBe(1);
    expect(values.get('orchestrator_status{state="running"}')).toBe(1);
    expect(values.get('orchestrator_subsystem_up{subsystem="odd \\"one\\"\\\\\\n",state="error"}')).toBe(0);
  });
});

describe('/openapi.json', () => {
  interface Operation {
    readonly parameters?: readonly {
      readonly name: string;
      readonly in: string;
      readonly required: boolean;
    }[];
    readonly responses: Record<string, { content: Record<string, { schema: Record<string, unknown> }> }>;
  }

  it('names every route that is there, and none that is not; and they answer as it says', async () => {
    await ask('POST', '/api/daemon/sessions', { task: 'x' });
    await ask('POST', '/api/daemon', registration);
    daemon.say('a', 'b');
    const { json } = await ask('GET', '/openapi.json');
    expect(json).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
    expect((await ask('GET', '/api/daemon/openapi.json')).json).toEqual(json);
    const paths = json['paths'] as Record<string, Record<string, Operation>>;
    const methods = ['get', 'post', 'put', 'patch', 'delete'];
    const bodies: Record<string, unknown> = {
      'post /api/daemon/sessions': { task: 'x' },
      'patch /api/daemon/sessions': { sessionId: 'session_1' },
      'patch /api/daemon/sessions/{id}': {},
      'post /api/daemon/sessions/{id}/tasks': { task: 'x' },
      'post /api/daemon': { ...registration, daemonInfo: { ...registration.daemonInfo, instanceId: 'd2' } },
      'post /api/daemon/register': {
        ...registration,
        daemonInfo: { ...registration.daemonInfo, instanceId: 'd3' },
      },
      'post /api/daemon/heartbeat': { instanceId: 'd1' },
      'put /api/daemon/status': { instanceId: 'd1', status: 'active' },
      'delete /api/daemon/events': { eventIds: ['1.0'] },
    };
    for (const [path, operations] of Object.entries(paths)) {
      for (const method of methods) {
        const operation = operations[method];
        const query =
          { '/api/daemon/sessions': '?sessionId=session_1', '/api/daemon': '?instanceId=d2' }[path] ?? '';
        const url = path.replace('{id}', 'session_1') + (method === 'delete' ? query : '');
        if (operation === undefined) {
          // /health is there for every method, and documented once.
          if (path === '/health') continue;
          expect([405, 404], `${method} ${path}`).toContain(
            (await ask(method.toUpperCase(), url, method === 'get' ? undefined : {})).status,
          );
          continue;
        }
        const headers = { accept: 'application/json' };
        const answer = await ask(method.toUpperCase(), url, bodies[`${method} ${path}`], { headers });
        const described = operation.responses[answer.status];
        expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.json)}`).toBeLessThan(300);
        expect(described, `${method} ${path} ${answer.status}`).toBeDefined();
        const schema = described?.content['application/json']?.schema;
        if (schema !== undefined) z.fromJSONSchema(schema).parse(answer.json);
      }
    }
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['/health', '/metrics', '/openapi.json']));
    expect(daemon.calls.length).toBeGreaterThan(3);
  });
});

/** Reads events as the specification of EventSource has it. */
async function* eventsOf(
  path: string,
  headers: Record<string, string> = {},
  to = server,
): AsyncGenerator<{ id: string; data: string }> {
  const abort = new AbortController();
  const answer = await fetch(`${to.url}${path}`, {
    headers: { 'x-api-key': mainToken(), ...headers },
    signal: abort.signal,
  });
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  let rest = '';
  try {
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + part).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const field = (name: string): string =>
          block
            .split('\n')
            .filter((line) => line.startsWith(`${name}: `))
            .map((line) => line.slice(name.length + 2))
            .join('\n');
        if (field('data') !== '') yield { id: field('id'), data: field('data') };
      }
    }
  } finally {
    abort.abort();
  }
}

const chunkOf = ({ data }: { data: string }): string =>
  (JSON.parse(data) as { data: { chunk: string } }).data.chunk;

describe('/api/daemon/events', () => {
  it('streams frames as they come, and goes on where a client left', async () => {
    daemon.say('before');
    const seen: string[] = [];
    const first = eventsOf('/api/daemon/events');
    const next = first.next();
    await waitUntil('it listens', () => daemon.listeners === 1);
    daemon.say('a\nb', '✓');
    const event = await next;
    seen.push(chunkOf(event.value as { data: string }));
    const last = (event.value as { id: string }).id;
    await first.return(undefined);
    expect([seen, last]).toEqual([['a\nb'], '2.0']);
    await waitUntil('it is gone', () => daemon.listeners === 0);
    daemon.say('meanwhile');
    for await (const { id, data } of eventsOf('/api/daemon/events?sessionId=s&topics=runs', {
      'last-event-id': last,
    })) {
      seen.push(chunkOf({ data }));
      if (id === '4.0') break;
    }
    expect(seen).toEqual(['a\nb', '✓', 'meanwhile']);
    expect(daemon.requests.at(-1)).toEqual({
      type: 'resume',
      payload: { after: 2, part: 0, sessionIds: ['s'], topics: ['runs'] },
    });
    const beyond = await ask('GET', '/api/daemon/events', undefined, {
      headers: { 'last-event-id': '99.0' },
    });
    expect(beyond).toMatchObject({ status: 400, json: { code: 'VALIDATION_ERROR' } });
    expect(daemon.listeners).toBe(0);
  });

  it('answers who polls, and forgets what is acknowledged', async () => {
    daemon.say('a', 'b', 'c');
    const headers = { accept: 'application/json' };
    const page = await ask('GET', '/api/daemon/events?since=1.0&limit=1', undefined, { headers });
    expect(page.json).toMatchObject({
      events: [{ id: '2.0', type: 'stream_chunk' }],
      next: '2.0',
      hasMore: true,
    });
    expect((await ask('DELETE', '/api/daemon/events', { eventIds: ['2.0', '2.0'] })).json).toMatchObject({
      success: true,
    });
    const rest = await ask('GET', `/api/daemon/events?since=${new Date(0).toISOString()}`);
    expect((rest.json['events'] as { id: string }[]).map(({ id }) => id)).toEqual(['1.0', '3.0']);
  });

  it('holds little for a client that does not read, and gives it everything when it does', async () => {
    const to = await start({ limits: { stopTimeoutMs: 500, idleTimeoutMs: 60_000 } });
    const socket = connect(to.port, '127.0.0.1');
    socket.pause();
    const head = `GET /api/daemon/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${mainToken()}\r\n\r\n`;
    socket.write(head);
    await waitUntil('it listens', () => daemon.listeners === 1);
    const before = process.memoryUsage();
    const text = 'x'.repeat(10_000);
    for (let index = 0; index < 2_000; index += 1) {
      daemon.say(text);
      if (index % 50 === 0) await new Promise(setImmediate);
    }
    // The frames themselves share one text.
    const held = process.memoryUsage().external - before.external;
    expect(held).toBeLessThan(12 * 2 ** 20);
    let received = '';
    socket.setEncoding('utf8').on('data', (data: string) => (received += data));
    socket.resume();
    await waitUntil('all of it came', () => received.includes('id: 2000.0\n'), { limitMs: 20_000 });
    const ids = [...received.matchAll(/^id: (\d+)\.0$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
    socket.destroy();
  });

  it('lets go who stalls, whose token is revoked, and everybody when it stops', async () => {
    const events = { maxWaitingBytes: 10_000, stalledMs: 200, keepAliveMs: 50 };
    const to = await start({ limits: { stopTimeoutMs: 5_000, events } });
    const open = (token: string): Promise<string> & { readonly text: () => string } => {
      let text = '';
      const closed = new Promise<string>((resolve) => {
        const socket = connect(to.port, '127.0.0.1');
        socket.setEncoding('utf8').on('data', (data: string) => (text += data));
        socket.on('close', () => resolve(text));
        socket.on('error', () => undefined);
        socket.write(`GET /api/daemon/events HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${token}\r\n\r\n`);
      });
      return Object.assign(closed, { text: () => text });
    };
    const named = await addNamedToken(stateDir, { name: 'n', scope: 'read' }, Date.now());
    const revoked = open(named);
    const kept = open(mainToken());
    await waitUntil('both listen', () => daemon.listeners === 2);
    await waitUntil('there are signs of life', () => kept.text().includes(': keep-alive\n\n'));
    expect(kept.text()).toContain('retry: 3000\n\n');
    await removeNamedToken(stateDir, 'n');
    await waitUntil('its stream has ended', () => daemon.listeners === 1, { limitMs: 3_000 });
    const stalled = connect(to.port, '127.0.0.1');
    stalled.pause();
    stalled.on('error', () => undefined);
    stalled.write(`GET /api/daemon/events HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${mainToken()}\r\n\r\n`);
    await waitUntil('it listens', () => daemon.listeners === 2);
    await waitUntil('it is let go', () => {
      daemon.say('x'.repeat(500_000));
      return daemon.listeners === 1;
    });
    stalled.destroy();
    const began = Date.now();
    await to.stop();
    expect(Date.now() - began).toBeLessThan(2_000);
    await Promise.all([revoked, kept]);
    expect(daemon.listeners).toBe(0);
  });
});
