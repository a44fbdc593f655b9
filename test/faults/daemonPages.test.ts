// Web pages of others in a real browser, which try what a page can try at the daemon's port.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { type HttpServer, startHttpServer } from '../../src/servers/http/httpServer.ts';
import { Browser } from '../harness/browser.ts';
import { waitUntil } from '../harness/processes.ts';
import { createDaemonDouble, type DaemonDouble } from '../integration/daemonDouble.ts';

let stateDir: string;
let daemon: DaemonDouble;
let server: HttpServer;
let token: string;
let pages: Server;
let pagesPort: number;
let browser: Browser;
let upgraded = 0;
/** What pages were answered by the daemon. */
let statuses: number[] = [];

const worker = `
self.addEventListener('message', async ({ data, source }) => {
  const answer = await fetch(data, { method: 'POST', mode: 'no-cors', body: '{"task":"x"}' }).catch((error) => ({ type: String(error) }));
  source.postMessage(answer.type + ' ' + (answer.status ?? ''));
});`;

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'ow-pages-'));
  daemon = createDaemonDouble();
  pages = createServer((request, response) => {
    const isWorker = request.url === '/worker.js';
    response.writeHead(200, { 'Content-Type': isWorker ? 'text/javascript' : 'text/html' });
    response.end(isWorker ? worker : '<!doctype html><title>A page</title>');
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  pagesPort = (pages.address() as AddressInfo).port;
  server = await startHttpServer({
    stateDir,
    port: 0,
    daemon: daemon.api,
    tasks: undefined,
    allowedOrigins: [`http://allowed.example:${pagesPort}`],
    onUpgrade: (_request, socket) => {
      upgraded += 1;
      socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n');
    },
    logger: nullLogger,
  });
  token = readFileSync(server.tokenPath, 'utf8').trim();
  browser = await Browser.launch({
    args: [
      '--host-resolver-rules=MAP evil.example 127.0.0.1, MAP allowed.example 127.0.0.1, MAP rebound.example 127.0.0.1',
    ],
  });
}, 60_000);

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await server.stop();
  pages.close();
  rmSync(stateDir, { recursive: true });
});

beforeEach(() => {
  statuses = [];
  upgraded = 0;
});

async function open(url: string): Promise<Page> {
  const page = await browser.context.newPage();
  page.on('response', (response) => {
    if (new URL(response.url()).port === String(server.port)) statuses.push(response.status());
  });
  await page.goto(url);
  return page;
}

/** Everything that a script of a page can try; the token too, as if it had been found out. */
function attack({
  base,
  socket,
  token,
}: {
  base: string;
  socket: string;
  token: string;
}): Promise<Record<string, string>> {
  const sessions = `${base}/api/daemon/sessions`;
  const body = '{"task":"x","sessionType":"shell"}';
  const settle = (promise: Promise<Response>): Promise<string> =>
    promise.then(
      async (answer) => `${answer.type} ${answer.status} ${(await answer.text()).slice(0, 20)}`,
      () => 'failed',
    );
  const element = (name: string, attributes: Record<string, string>): Promise<string> =>
    new Promise((resolve) => {
      const made = Object.assign(document.createElement(name), attributes);
      made.addEventListener('load', () => resolve('loaded'));
      made.addEventListener('error', () => resolve('failed'));
      document.body.append(made);
    });
  const connection = (protocols: string[]): Promise<string> =>
    new Promise((resolve) => {
      const made = new WebSocket(socket, protocols);
      made.addEventListener('open', () => resolve('opened'));
      made.addEventListener('error', () => resolve('failed'));
    });
  const form = (enctype: string): Promise<string> =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.name = `frame-${enctype}`;
      document.body.append(frame);
      const made = document.createElement('form');
      Object.assign(made, { method: 'POST', action: sessions, target: frame.name, enctype });
      made.innerHTML = `<input name='{"task":"x","a":"' value='"}'>`;
      document.body.append(made);
      frame.addEventListener('load', () =>
        resolve(frame.contentDocument === null ? 'unreadable' : 'readable'),
      );
      made.submit();
    });
  const events = new Promise<string>((resolve) => {
    const source = new EventSource(`${base}/api/daemon/events?token=${token}`, { withCredentials: true });
    source.addEventListener('open', () => resolve('opened'));
    source.addEventListener('error', () => {
      source.close();
      resolve('failed');
    });
  });
  const authorization = `Bearer ${token}`;
  const tries: Record<string, Promise<string>> = {
    'a plain GET': settle(fetch(sessions)),
    health: settle(fetch(`${base}/health`)),
    'a GET with the token': settle(fetch(sessions, { headers: { authorization } })),
    'a POST with the token': settle(
      fetch(sessions, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body,
      }),
    ),
    'a POST without leave': settle(fetch(sessions, { method: 'POST', mode: 'no-cors', body })),
    'a POST of a blob': settle(
      fetch(sessions, {
        method: 'POST',
        mode: 'no-cors',
        body: new Blob([body], { type: 'application/json' }),
      }),
    ),
    'a POST with cookies': settle(fetch(sessions, { method: 'POST', credentials: 'include', body })),
    'a DELETE': settle(fetch(`${sessions}?sessionId=x`, { method: 'DELETE' })),
    'a request that goes on alone': Promise.resolve(String(navigator.sendBeacon(sessions, body))),
    'an image': element('img', { src: sessions }),
    'a script': element('script', { src: `${base}/api/daemon?token=${token}` }),
    'a style sheet': element('link', { rel: 'stylesheet', href: `${base}/api/daemon` }),
    events: events,
    'a form of text': form('text/plain'),
    'a form': form('application/x-www-form-urlencoded'),
    'a form of parts': form('multipart/form-data'),
    'a WebSocket': connection([]),
    'a WebSocket with the token': connection(['orchestrator.json.v1', `orchestrator.token.${token}`]),
  };
  return Promise.all(Object.entries(tries).map(async ([name, result]) => [name, await result] as const)).then(
    (results) => Object.fromEntries(results),
  );
}

/** Nothing was read, nothing was changed, nothing was connected, and yet all of it was heard. */
function expectNothing(results: Readonly<Record<string, string>>): void {
  const harmless = new Set(['failed', 'unreadable', 'opaque 0 ']);
  for (const [name, result] of Object.entries(results)) {
    if (name !== 'a request that goes on alone') expect([...harmless], name).toContain(result);
  }
  // What the browser hides from the page for its own reasons is not told here either.
  expect(statuses.length).toBeGreaterThanOrEqual(6);
  expect(statuses.filter((status) => status < 400)).toEqual([]);
  expect(daemon.calls).toEqual([]);
  expect(daemon.listeners).toBe(0);
  expect(upgraded).toBe(0);
}

const target = (): Parameters<typeof attack>[0] => ({
  base: server.url,
  socket: server.url.replace('http', 'ws'),
  token,
});

describe('a page of somebody else', () => {
  it.each([
    ['of another name', 'evil.example'],
    ['of another port of this machine', 'localhost'],
    ['of another port of this address', '127.0.0.1'],
  ])('%s gets nothing, with the token or without', async (_name, host) => {
    const page = await open(`http://${host}:${pagesPort}/`);
    expectNothing(await page.evaluate(attack, target()));
    await page.close();
  });

  it('without an origin gets nothing', async () => {
    const page = await open(`http://evil.example:${pagesPort}/`);
    await page.evaluate(() => {
      const frame = document.createElement('iframe');
      frame.sandbox.add('allow-scripts', 'allow-forms');
      frame.srcdoc = '<!doctype html><body></body>';
      document.body.append(frame);
    });
    const frame = await waitUntil('the frame is there', () => page.frames()[1]);
    await frame.waitForSelector('body', { state: 'attached' });
    expect(await frame.evaluate(() => self.origin)).toBe('null');
    expectNothing(await frame.evaluate(attack, target()));
    await page.close();
  });

  it('has a service worker that gets nothing', async () => {
    const page = await open(`http://localhost:${pagesPort}/`);
    const result = await page.evaluate(async (url) => {
      await navigator.serviceWorker.register('/worker.js');
      const { active } = await navigator.serviceWorker.ready;
      return new Promise<string>((resolve) => {
        navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(String(data)));
        active?.postMessage(url);
      });
    }, `${server.url}/api/daemon/sessions`);
    expect(result).toMatch(/^opaque 0/);
    expect(daemon.calls).toEqual([]);
    await page.close();
  });

  it('whose name was made to point here gets nothing, though it is of one origin with us then', async () => {
    const base = `http://rebound.example:${server.port}`;
    const page = await open(`${base}/health`);
    expect(statuses).toEqual([403]);
    const results = await page.evaluate(attack, { base, socket: base.replace('http', 'ws'), token });
    // It may read the refusals, which are of its own origin.
    const read = Object.entries(results).filter(([, result]) =>
      /^basic 403 |^readable$|^failed$/.test(result),
    );
    expect(read.length).toBe(Object.keys(results).length - 1);
    expectNothing({});
    await page.close();
  });
});

it('a page that is allowed gets what its token allows', async () => {
  const page = await open(`http://allowed.example:${pagesPort}/`);
  const results = await page.evaluate(attack, target());
  expect(results['a plain GET']).toMatch(/^cors 401 /);
  expect(results['a GET with the token']).toMatch(/^cors 200 /);
  expect(results['a POST with the token']).toMatch(/^cors 201 /);
  expect(results['events']).toBe('failed');
  expect(daemon.calls).toEqual(['make session_1']);
  expect(upgraded).toBe(2);
  const chunk = page.evaluate(async ({ base, token: own }) => {
    const answer = await fetch(`${base}/api/daemon/events`, { headers: { 'x-api-key': own } });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; ; ) {
      text += (await reader.read()).value ?? '';
      if (text.includes('data:')) return text;
    }
  }, target());
  await waitUntil('it listens', () => daemon.listeners === 1);
  daemon.say('hello');
  expect(await chunk).toContain('"chunk":"hello"');
  await page.close();
});
