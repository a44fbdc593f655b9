import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { parseContainerTaskManifest } from '../../src/protocol/containerTaskManifest.ts';
import {
  type HttpServer,
  type HttpServerOptions,
  startHttpServer,
} from '../../src/servers/http/httpServer.ts';
import { endProcesses, waitUntil } from '../harness/processes.ts';
import { buildProduct, node } from './cliHarness.ts';
import { openTaskCore, type TaskCore } from './taskCore.ts';

let dist: string;
let root: string;
let stateDir: string;
let opened: TaskCore | undefined;
const servers: HttpServer[] = [];
const blockers: Server[] = [];

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'ow-http-')));
  stateDir = join(root, 'state');
  mkdirSync(stateDir, { mode: 0o700 });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const blocker of blockers.splice(0)) blocker.close();
  if (opened !== undefined) {
    await opened.tasks.stopAll();
    const { connection } = opened.core.processHost;
    await opened.close();
    if (connection.state === 'connected') await endProcesses([connection.pid]);
    opened = undefined;
  }
  rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

async function start(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const server = await startHttpServer({
    stateDir,
    limits: { stopTimeoutMs: 1_000 },
    port: 0,
    tasks: opened?.tasks,
    logger: nullLogger,
    ...options,
  });
  servers.push(server);
  return server;
}

const tokenOf = ({ tokenPath }: HttpServer): string => readFileSync(tokenPath, 'utf8').trim();

interface Ask {
  readonly method?: string;
  /** Undefined sends the right one, null none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function ask(
  server: HttpServer,
  path: string,
  { method = 'GET', token, headers, body }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const authorization = token === null ? {} : { authorization: `Bearer ${token ?? tokenOf(server)}` };
    const request = httpRequest({
      host: server.host,
      port: server.port,
      path,
      method,
      agent: false,
      headers: {
        ...authorization,
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on('error', reject);
    });
    request.end(body);
  });
}

/** Bytes as they are, and what comes back until the connection is closed. */
function raw(server: HttpServer, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(server.port, server.host);
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.write(bytes);
  });
}

/** Holds a port and the number after it, if it can. */
async function takePorts(): Promise<number> {
  const listen = (port: number): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve(server));
    });
  const first = await listen(0);
  blockers.push(first);
  const address = first.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  blockers.push(await listen(port + 1).catch(() => createServer()));
  return port;
}

describe('the HTTP server', () => {
  it('tells its health without a token, and keeps the token for this user only', async () => {
    const server = await start();
    const answer = await ask(server, '/health', { token: null });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({
      status: 'healthy',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    });
    expect(statSync(server.tokenPath).mode & 0o777).toBe(0o600);
    const token = tokenOf(server);
    expect(token).toMatch(/^[\w-]{43}$/);
    await server.stop();
    expect(tokenOf(await start())).toBe(token);
    // Others may have read it.
    chmodSync(server.tokenPath, 0o644);
    expect(tokenOf(await start())).not.toBe(token);
    expect(statSync(server.tokenPath).mode & 0o777).toBe(0o600);
  });

  it('takes the next port that is free, and says so', async () => {
    const port = await takePorts();
    const server = await start({ port });
    expect(server.isWantedPort).toBe(false);
    expect(server.port).toBeGreaterThan(port + 1);
    expect((await ask(server, '/health')).status).toBe(200);
    expect((await start({ port: 0 })).isWantedPort).toBe(true);
  });

  it('serves no other address without TLS, and no token that is no file', async () => {
    await expect(start({ host: '0.0.0.0' })).rejects.toMatchObject({ reason: 'invalid_request' });
    await expect(start({ host: '127.0.0.1', port: 70_000 })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    mkdirSync(join(root, 'other'));
    mkdirSync(join(root, 'other/http-token'));
    await expect(start({ stateDir: join(root, 'other') })).rejects.toMatchObject({
      reason: 'state_dir_unsafe',
    });
  });

  it.each<[string, string, Ask, number]>([
    ['no token', '/task/a/x', { token: null }, 401],
    ['no token for what is not there', '/nothing', { token: null }, 401],
    ['another token', '/nothing', { token: 'x'.repeat(43) }, 401],
    ['half a token', '/nothing', { token: 'x' }, 401],
    ['another scheme', '/nothing', { headers: { authorization: 'Basic eDp5' } }, 401],
    ['the token for what is not there', '/nothing', {}, 404],
    ['a name that was made to point here', '/health', { headers: { host: 'attacker.example' } }, 403],
    ['such a name, with our port', '/health', { headers: { host: 'attacker.example:8787' } }, 403],
    [
      'a name that only begins like ours',
      '/health',
      { headers: { host: 'localhost.attacker.example' } },
      403,
    ],
    ['a foreign page', '/health', { headers: { origin: 'https://attacker.example' } }, 403],
    ['a page without an origin', '/health', { headers: { origin: 'null' } }, 403],
    ['a page of our own address', '/health', { headers: { origin: 'http://127.0.0.1:8787' } }, 403],
    ["a page's image", '/health', { headers: { 'sec-fetch-site': 'cross-site' } }, 403],
    [
      "a page's preflight",
      '/task/a/x',
      {
        method: 'OPTIONS',
        headers: { origin: 'https://attacker.example', 'access-control-request-method': 'POST' },
      },
      403,
    ],
    ['localhost', '/health', { headers: { host: 'LocalHost:1' } }, 200],
    ['the address by IPv6', '/health', { headers: { host: '[::1]:1' } }, 200],
    ['a link that a person follows', '/health', { headers: { 'sec-fetch-site': 'none' } }, 200],
  ])('answers %s', async (_name, path, request, status) => {
    const server = await start();
    const answer = await ask(server, path, request);
    expect([answer.status, answer.text]).toEqual([status, expect.any(String)]);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    if (status >= 400) expect(JSON.parse(answer.text)).toMatchObject({ error: expect.any(String) as string });
  });

  it('lets in the pages that it was told of, and no others', async () => {
    const server = await start({
      allowedOrigins: ['http://localhost:3000'],
      allowedHosts: ['orchestrator.test'],
    });
    const page = { origin: 'http://localhost:3000', host: 'orchestrator.test:1' };
    const preflight = await ask(server, '/task/a/x', {
      method: 'OPTIONS',
      token: null,
      headers: { ...page, 'access-control-request-method': 'POST' },
    });
    expect(preflight).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'http://localhost:3000',
        'access-control-allow-headers': expect.stringContaining('Authorization') as string,
      },
    });
    expect(await ask(server, '/nothing', { token: null, headers: page })).toMatchObject({
      status: 401,
      headers: { 'access-control-allow-origin': 'http://localhost:3000' },
    });
    expect(
      (await ask(server, '/health', { headers: { ...page, origin: 'http://localhost:3001' } })).status,
    ).toBe(403);
  });

  it('ends who is slow, is no HTTP, or has endless headers, and serves others meanwhile', async () => {
    const server = await start({
      limits: { headersTimeoutMs: 500, requestTimeoutMs: 1_000, maxConnections: 16 },
    });
    const head = `POST /task/a/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf(server)}\r\n`;
    const began = Date.now();
    const slow = [raw(server, ''), raw(server, 'GET /'), raw(server, `${head}X: y\r\n`)];
    const crowd = Array.from({ length: 100 }, () => raw(server, 'GET /health HTTP/1.1\r\nHost: loc'));
    for (let index = 0; index < 20; index += 1) expect((await ask(server, '/health')).status).toBe(200);
    await Promise.all([...slow, ...crowd]);
    expect(Date.now() - began).toBeLessThan(8_000);
    expect(await raw(server, '\x16\x03\x01')).toContain('400');
    expect(await raw(server, `${head}X: ${'y'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 4/);
    expect(await raw(server, `${head}Host: attacker.example\r\n\r\n`)).toMatch(/^HTTP\/1.1 4/);
    expect(await raw(server, 'GET /health HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.[01] 4/);
    expect(await raw(server, 'GET /health HTTP/1.1\r\nHost: localhost@a.example\r\n\r\n')).toContain('400');
    expect((await ask(server, '/health')).status).toBe(200);
  });

  it('speaks TLS where it is given a certificate, and then at other addresses too', async () => {
    const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '1', '-nodes'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        ...subject,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'pipe' },
    );
    const tls = { cert: readFileSync(cert), key: readFileSync(key) };
    const server = await start({ host: '0.0.0.0', tls, limits: { maxConnections: 8, stopTimeoutMs: 300 } });
    const crowd = Array.from({ length: 30 }, () => raw({ ...server, host: '127.0.0.1' }, '\x16\x03\x01'));
    const status = await new Promise((resolve, reject) => {
      const where = {
        host: '127.0.0.1',
        port: server.port,
        path: '/health',
        agent: false,
        ca: tls.cert,
        servername: 'localhost',
      };
      httpsRequest(where, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    await server.stop();
    await Promise.all(crowd);
    await expect(start({ host: '203.0.113.1', tls })).rejects.toMatchObject({ reason: 'listen_failed' });
  });

  it('reads no body before it has seen the token', async () => {
    const server = await start();
    const head = 'POST /task/a/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n';
    const before = process.memoryUsage().rss;
    const answer = raw(server, `${head}${'x'.repeat(4 * 1024 * 1024)}`);
    expect(await answer).toContain('401');
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  });
});

describe("a task's routes over HTTP", () => {
  const executable = `export default async (namespace) => {
    await namespace.route('POST', '/items/:id', ({ params, query, headers, body }) => ({ params, query, headers, body }));
    await namespace.route('GET', '/tea', () => ({ status: 418, headers: { 'x-a': 'b', 'set-cookie': 'a=b', 'access-control-allow-origin': '*' }, body: 'short' }));
    await namespace.route('GET', '/page', () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<script>1</script>' }));
    await namespace.route('GET', '/bytes', () => ({ status: 200, body: new Uint8Array([0, 255]) }));
    await namespace.route('GET', '/own', () => ({ status: 3, more: true }));
    await namespace.route('GET', '/empty', () => ({ status: 204 }));
    await namespace.route('GET', '/never', () => new Promise(() => undefined));
    await namespace.route('GET', '/huge', () => 'x'.repeat(17 * 1024 * 1024));
    await namespace.route('GET', '/broken', () => { throw new Error('broken'); });
    await namespace.fs('writeFile', 'ready', '1');
    namespace.logger('log', 'ready ' + await namespace.fs('readFile', 'ready', 'utf8'));
    setInterval(() => undefined, 1000);
  };`;

  async function startTask(more: object = {}): Promise<void> {
    opened ??= await openTaskCore({ stateDir, distDir: dist, execPath: node });
    const { core, tasks } = opened;
    const file = join(root, 'task.mjs');
    writeFileSync(file, executable);
    const manifest = parseContainerTaskManifest(
      { id: 'api', name: 'Api', executable: file, publicApi: true, restart: 'never', ...more },
      (path) => path,
    );
    const session = await core.sessions.ensureDefault(root);
    const ready = new Promise<void>((resolve) => {
      const listening = tasks.onDidNotify(({ message, taskId }) => {
        if (message !== 'ready 1' || taskId !== manifest.id) return;
        listening.dispose();
        resolve();
      });
    });
    await tasks.start({ manifest, sessionId: session.id, isAgreed: true });
    if (manifest.publicApi) await ready;
  }

  it('go to its executable, with the prefix and what is ours taken away', async () => {
    await startTask();
    const server = await start();
    const posted = await ask(server, '/task/api/items/a%20b?q=1&r=%2F', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        cookie: 'c=d',
        'x-own': 'kept',
        connection: 'close, x-hop',
        'x-hop': '1',
      },
      body: '{"a":[1]}',
    });
    expect(posted.status).toBe(200);
    const { headers, ...heard } = JSON.parse(posted.text) as { headers: Record<string, string> };
    expect(heard).toEqual({ params: { id: 'a b' }, query: { q: '1', r: '/' }, body: { a: [1] } });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-own': 'kept' });
    for (const name of ['authorization', 'cookie', 'x-hop']) expect(headers).not.toHaveProperty(name);
    const tea = await ask(server, '/task/api/tea');
    expect(tea).toMatchObject({ status: 418, text: 'short', headers: { 'x-a': 'b' } });
    expect(tea.headers).not.toHaveProperty('set-cookie');
    expect(tea.headers).not.toHaveProperty('access-control-allow-origin');
    // It is of our origin, and must have none of its rights.
    expect((await ask(server, '/task/api/page')).headers).toMatchObject({
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    });
    expect((await ask(server, '/task/api/bytes')).headers['content-length']).toBe('2');
    expect(JSON.parse((await ask(server, '/task/api/own')).text)).toEqual({ status: 3, more: true });
    expect(await ask(server, '/task/api/empty')).toMatchObject({ status: 204, text: '' });
    expect(await ask(server, '/task/api/tea', { method: 'HEAD' })).toMatchObject({ status: 418, text: '' });
    expect(JSON.parse((await ask(server, '/task/api/id')).text)).toEqual({ taskId: 'api' });
  });

  it('tell what goes wrong, and take nothing else down with it', async () => {
    await startTask();
    const server = await start({
      limits: { taskTimeoutMs: 300, maxBodyBytes: 1_000, maxRequestsPerTask: 2 },
    });
    const items = (body: string): Promise<Answer> =>
      ask(server, '/task/api/items/1', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect(await ask(server, '/task/api/none')).toMatchObject({ status: 404 });
    expect(await ask(server, '/task/api')).toMatchObject({ status: 404 });
    expect(await ask(server, '/task/api/../../health')).toMatchObject({ status: 404 });
    expect(await items('{')).toMatchObject({ status: 400 });
    expect(await items(`"${'x'.repeat(1_000)}"`)).toMatchObject({ status: 413 });
    const chunked = { 'transfer-encoding': 'chunked', 'content-type': 'text/plain' };
    expect(
      await ask(server, '/task/api/items/1', { method: 'POST', headers: chunked }).then(
        ({ status }) => status,
      ),
    ).toBe(200);
    expect(await ask(server, '/task/api/broken')).toMatchObject({ status: 500 });
    expect(await ask(server, '/task/api/huge')).toMatchObject({ status: 502 });
    const never = [1, 2, 3, 4].map(() => ask(server, '/task/api/never').then(({ status }) => status));
    expect((await Promise.all(never)).sort()).toEqual([429, 429, 504, 504]);
    expect(await ask(server, '/task/api/tea')).toMatchObject({ status: 418 });
  });

  it('are off unless the manifest asks for them, and end with the task', async () => {
    await startTask();
    await startTask({ id: 'closed', publicApi: false });
    const server = await start();
    expect(await ask(server, '/task/closed/tea')).toMatchObject({ status: 403 });
    expect(await ask(server, '/task/none/tea')).toMatchObject({
      status: 422,
      text: '{"message":"Task none not running"}',
    });
    await opened?.tasks.stop('api');
    await opened?.tasks.waitForEnd('api');
    expect(await ask(server, '/task/api/tea')).toMatchObject({
      status: 422,
      text: '{"message":"Task api not running"}',
    });
  });

  it('are given up with their client, and cut when the server stops', async () => {
    await startTask();
    const server = await start({ limits: { maxRequestsPerTask: 1, stopTimeoutMs: 300 } });
    const left = connect(server.port, server.host);
    left.write(
      `GET /task/api/never HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf(server)}\r\n\r\n`,
    );
    await waitUntil('it is asked', async () => (await ask(server, '/task/api/tea')).status === 429);
    left.destroy();
    await waitUntil('there is room again', async () => (await ask(server, '/task/api/tea')).status === 418);
    const cut = ask(server, '/task/api/never').catch((error: unknown) => error);
    await waitUntil('it is asked', async () => (await ask(server, '/task/api/tea')).status === 429);
    const began = Date.now();
    await server.stop();
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(await cut).toBeInstanceOf(Error);
    await expect(ask(server, '/health')).rejects.toThrow();
  });
});
