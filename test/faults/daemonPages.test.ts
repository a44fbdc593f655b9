// Web pages of others in a real browser, which try what a page can try at the daemon's port.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { waitUntil } from '../harness/processes.ts';

let daemon: TestDaemon;
/** Where it answers HTTP. */
let base: string;
let pages: Server;
let pagesPort: number;
let browser: Browser;
/** What pages were answered by the daemon. */
let statuses: number[] = [];

const worker = `
self.addEventListener('message', async ({ data, source }) => {
  const answer = await fetch(data, { method: 'POST', mode: 'no-cors', body: '{"task":"x"}' }).catch((error) => ({ type: String(error) }));
  source.postMessage(answer.type + ' ' + (answer.status ?? ''));
});`;

beforeAll(async () => {
  pages = createServer((request, response) => {
    const isWorker = request.url === '/worker.js';
    response.writeHead(200, { 'Content-Type': isWorker ? 'text/javascript' : 'text/html' });
    response.end(isWorker ? worker : '<!doctype html><title>A page</title>');
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  pagesPort = (pages.address() as AddressInfo).port;
  daemon = await startDaemon({ origins: [`http://allowed.example:${pagesPort}`] });
  base = daemon.url.replace(/^ws/, 'http');
  browser = await Browser.launch({
    args: [
      '--host-resolver-rules=MAP evil.example 127.0.0.1, MAP allowed.example 127.0.0.1, MAP rebound.example 127.0.0.1',
    ],
  });
}, 60_000);

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  pages.close();
});

beforeEach(() => {
  statuses = [];
});

async function open(url: string): Promise<Page> {
  const page = await browser.context.newPage();
  page.on('response', (response) => {
    if (new URL(response.url()).port === new URL(base).port) statuses.push(response.status());
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

/** What the daemon says of itself to one who may ask. */
async function told(path: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${base}/api/daemon${path}`, {
    headers: { authorization: `Bearer ${daemon.token}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}

/** Nothing was read, nothing was changed, nothing was connected, and yet all of it was heard. */
async function expectNothing(results: Readonly<Record<string, string>>): Promise<void> {
  const harmless = new Set(['failed', 'unreadable', 'opaque 0 ']);
  for (const [name, result] of Object.entries(results)) {
    if (name !== 'a request that goes on alone') expect([...harmless], name).toContain(result);
  }
  // What the browser hides from the page for its own reasons is not told here either.
  expect(statuses.length).toBeGreaterThanOrEqual(6);
  expect(statuses.filter((status) => status < 400)).toEqual([]);
  await expectUntouched();
}

async function expectUntouched(): Promise<void> {
  expect(await told('/sessions')).toMatchObject({ total: 0 });
  expect(await told('/status')).toMatchObject({ connections: { clients: 0 } });
}

const target = (): Parameters<typeof attack>[0] => ({
  base,
  socket: daemon.url,
  token: daemon.token,
});

describe('a page of somebody else', () => {
  it.each([
    ['of another name', 'evil.example'],
    ['of another port of this machine', 'localhost'],
    ['of another port of this address', '127.0.0.1'],
  ])('%s gets nothing, with the token or without', async (_name, host) => {
    const page = await open(`http://${host}:${pagesPort}/`);
    await expectNothing(await page.evaluate(attack, target()));
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
    await expectNothing(await frame.evaluate(attack, target()));
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
    }, `${base}/api/daemon/sessions`);
    expect(result).toMatch(/^opaque 0/);
    await expectUntouched();
    await page.close();
  });

  it('whose name was made to point here gets nothing, though it is of one origin with us then', async () => {
    const rebound = `http://rebound.example:${new URL(base).port}`;
    const page = await open(`${rebound}/health`);
    expect(statuses).toEqual([403]);
    const results = await page.evaluate(attack, {
      base: rebound,
      socket: rebound.replace('http', 'ws'),
      token: daemon.token,
    });
    // It may read the refusals, which are of its own origin.
    const read = Object.entries(results).filter(([, result]) =>
      /^basic 403 |^readable$|^failed$/.test(result),
    );
    expect(read.length).toBe(Object.keys(results).length - 1);
    await expectNothing({});
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
  // What it opens without a token is closed again, unless it sends one first.
  expect(results['a WebSocket']).toBe('opened');
  expect(results['a WebSocket with the token']).toBe('opened');
  await waitUntil('one session was made', async () => (await told('/sessions'))['total'] === 1);
  const chunk = page.evaluate(async ({ base, token: own }) => {
    const headers = { 'x-api-key': own };
    const answer = await fetch(`${base}/api/daemon/events`, { headers });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    const body = '{"task":"echo hello","sessionType":"shell"}';
    const spawned = await fetch(`${base}/api/daemon/sessions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    });
    if (spawned.status !== 201) return `not spawned: ${spawned.status}`;
    for (let text = ''; ; ) {
      const { value, done } = await reader.read();
      text += value ?? '';
      if (done || /"chunk":"[^"]*hello/.test(text)) return text;
    }
  }, target());
  expect(await chunk).toContain('hello');
  await page.close();
});
