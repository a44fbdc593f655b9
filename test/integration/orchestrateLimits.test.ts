// What a client of the run stream may do and how long it may take, over a real core, with small limits.
import { readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { FrameParser, type StreamFrame } from '../../src/clients/runStream/frameParser.ts';
import { addNamedToken, removeNamedToken } from '../../src/servers/access/namedTokens.ts';
import { type DaemonDoor, openDaemonDoor } from '../../src/servers/daemon/door.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct } from './cliHarness.ts';
import {
  framesOf,
  framesUntil,
  namesOf,
  OrchestrateClient,
  printedText,
  runIdOf,
} from './orchestrateHarness.ts';
import { HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let dist: string;
let fixture: HostFixture;
let real: RealCore;
let door: DaemonDoor;
let client: OrchestrateClient;

const openDoor = (): Promise<DaemonDoor> =>
  openDaemonDoor({
    orchestrator: real.core,
    stateDir: fixture.stateDir,
    version: '1.0.0',
    port: 0,
    stopTimeoutMs: 500,
    httpLimits: {
      maxEventStreams: 3,
      events: { maxWaitingBytes: 64 * 1024, stalledMs: 400, keepAliveMs: 100 },
    },
    logger: nullLogger,
  });

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => rmSync(dist, { recursive: true, force: true }));
beforeEach(async () => {
  fixture = new HostFixture(dist);
  real = await startRealCore(fixture);
  door = await openDoor();
  const token = readFileSync(door.tokenPath, 'utf8').trim();
  client = new OrchestrateClient({ httpUrl: door.url, token });
});
afterEach(async () => {
  await door.stop();
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
});

async function begin(task: string, more: object = {}): Promise<AsyncGenerator<StreamFrame>> {
  return framesOf(await client.send('POST', '/orchestrate/stream', { task, ...more }));
}
const started = ({ event }: StreamFrame): boolean => event === 'runner.step.started';

it('a stream in which nothing happens is kept alive, by frames without an id', async () => {
  const frames = await begin('sleep 1');
  const seen: StreamFrame[] = [];
  for await (const frame of frames) seen.push(frame);
  const alive = seen.filter(({ event }) => event === 'server.keepalive');
  expect(alive.length).toBeGreaterThan(3);
  for (const { data } of alive) expect(data).toEqual({ ts: expect.any(Number) });
  expect(namesOf(seen).at(-1)).toBe('server.keepalive.stopped');
});

it('a client that takes nothing is cut off, and gets the rest when it comes back', async () => {
  const body = JSON.stringify({ task: 'seq 1 1500000' });
  const { hostname: host, port } = new URL(door.url);
  const socket = connect({ host, port: Number(port) });
  const token = readFileSync(door.tokenPath, 'utf8').trim();
  socket.write(
    `POST /orchestrate/stream HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const begun = await readUntilPaused(socket);
  const runId = runIdOf(begun);
  await real.core.runs.waitForEnd(runId);
  const seen = [...begun, ...(await readToEnd(socket))];
  expect(namesOf(seen)).not.toContain('response.completed');
  const whole = await client.events(runId);
  const rest = await client.events(runId, seen.findLast(({ id }) => id !== undefined)?.id);
  expect(printedText([...seen, ...rest])).toBe(printedText(whole));
  expect(printedText(whole)).toMatch(/\r\n1500000\r\n$/);
});

it('streams of one token are limited, and each takes its place only while it is open', async () => {
  const open = await Promise.all([begin('sleep 30'), begin('sleep 30'), begin('sleep 30')]);
  const begun = await Promise.all(open.map((frames) => framesUntil(frames, started)));
  const [runId = ''] = begun.map(runIdOf);
  const refused = await client.ask('GET', `/orchestrate/runs/${runId}/events`);
  expect(refused).toMatchObject({ status: 429, json: { detail: expect.stringContaining('event streams') } });
  expect(refused.headers.get('retry-after')).toBe('1');
  // What cannot be told is not begun.
  expect((await client.ask('POST', '/orchestrate/stream', { task: 'echo never' })).status).toBe(429);
  expect(real.core.runs.list({ search: 'echo never' })).toEqual([]);
  await client.ask('POST', `/orchestrate/runs/${runId}/abort`);
  await framesUntil(open[0], ({ event }) => event === 'server.keepalive.stopped');
  expect(namesOf(await client.events(runId))).toContain('response.completed');
});

it('a token to look with starts and ends nothing, and its stream ends with it', async () => {
  const token = await addNamedToken(fixture.stateDir, { name: 'viewer', scope: 'read' }, Date.now());
  const viewer = new OrchestrateClient({ httpUrl: door.url, token });
  const frames = await begin('sleep 30');
  const runId = runIdOf(await framesUntil(frames, started));
  for (const [method, path] of [
    ['POST', '/orchestrate/stream'],
    ['POST', '/orchestrate'],
    ['GET', '/orchestrate/stream?task=true'],
    ['POST', `/orchestrate/runs/${runId}/abort`],
    ['DELETE', `/orchestrate/runs/${runId}`],
    ['POST', `/orchestrate/runs/${runId}/retry`],
  ] as const) {
    const body = method === 'POST' && path.startsWith('/orchestrate/s') ? { task: 'true' } : undefined;
    const answer = await viewer.ask(method, path, body);
    expect(answer, path).toMatchObject({ status: 403, json: { detail: expect.stringContaining('drive') } });
  }
  expect(await viewer.ask('GET', `/orchestrate/runs/${runId}`)).toMatchObject({ status: 200 });
  const watched = framesOf(await viewer.send('GET', `/orchestrate/runs/${runId}/events`));
  await framesUntil(watched, started);
  await removeNamedToken(fixture.stateDir, 'viewer');
  await expect(framesUntil(watched, ({ event }) => event === 'response.completed')).rejects.toThrow(
    'ended before',
  );
  expect(real.core.runs.get(runId).status).toBe('running');
});

it('a door that closes cancels nothing, whatever was asked for', async () => {
  const frames = await begin('sleep 2; echo through', { cancel_on_disconnect: true });
  const begun = await framesUntil(frames, started);
  const runId = runIdOf(begun);
  await door.stop();
  await expect(framesUntil(frames, ({ event }) => event === 'response.completed')).rejects.toThrow();
  expect(await real.core.runs.waitForEnd(runId)).toMatchObject({ status: 'succeeded' });
  door = await openDoor();
  const token = readFileSync(door.tokenPath, 'utf8').trim();
  const rest = await new OrchestrateClient({ httpUrl: door.url, token }).events(runId, begun.at(-1)?.id);
  expect(printedText(rest)).toBe('through\r\n');
});

it('a client that goes while its run is started has gone', async () => {
  const token = readFileSync(door.tokenPath, 'utf8').trim();
  const { hostname: host, port } = new URL(door.url);
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const body = JSON.stringify({ task: `sleep 30 # ${attempt}`, cancel_on_disconnect: true });
    const socket = connect({ host, port: Number(port) });
    await new Promise<void>((resolve) =>
      socket.write(
        `POST /orchestrate/stream HTTP/1.1\r\nHost: ${host}:${port}\r\nX-API-Key: ${token}\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        () => resolve(),
      ),
    );
    socket.destroy();
  }
  // Each of them holds one of three places for as long as it is not known to have gone.
  await waitUntil('there is a place again', async () => {
    const answer = await client.send('POST', '/orchestrate/stream', { task: 'true' });
    await answer.text();
    return answer.status === 200 || undefined;
  });
  await waitUntil('nothing runs', () => real.core.runs.active().length === 0, { limitMs: 20_000 });
  const statuses = real.core.runs.list({ search: 'sleep 30' }).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set(['cancelled']));
});

const parsers = new WeakMap<Socket, { readonly parser: FrameParser; hasHead: boolean; rest: Buffer }>();

/** What comes until a step prints; then nothing more is taken. */
function readUntilPaused(socket: Socket): Promise<StreamFrame[]> {
  const seen: StreamFrame[] = [];
  return new Promise((resolve, reject) => {
    const onData = (bytes: Buffer): void => {
      seen.push(...framesIn(socket, bytes));
      if (!namesOf(seen).includes('runner.step.output')) return;
      socket.pause();
      socket.off('data', onData);
      resolve(seen);
    };
    socket.on('data', onData);
    socket.on('error', reject);
  });
}

function readToEnd(socket: Socket): Promise<StreamFrame[]> {
  const seen: StreamFrame[] = [];
  return new Promise((resolve) => {
    socket.removeAllListeners('error');
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => seen.push(...framesIn(socket, bytes)));
    socket.on('close', () => resolve(seen));
    socket.resume();
  });
}

/** Out of a chunked answer. */
function framesIn(socket: Socket, bytes: Buffer): StreamFrame[] {
  const state = parsers.get(socket) ?? { parser: new FrameParser(), hasHead: false, rest: Buffer.alloc(0) };
  parsers.set(socket, state);
  state.rest = Buffer.concat([state.rest, bytes]);
  const frames: StreamFrame[] = [];
  if (!state.hasHead) {
    const end = state.rest.indexOf('\r\n\r\n');
    if (end === -1) return frames;
    state.hasHead = true;
    state.rest = state.rest.subarray(end + 4);
  }
  for (;;) {
    const line = state.rest.indexOf('\r\n');
    const length = line === -1 ? Number.NaN : Number.parseInt(state.rest.subarray(0, line).toString(), 16);
    if (Number.isNaN(length) || state.rest.length < line + 2 + length + 2) return frames;
    frames.push(...state.parser.push(state.rest.subarray(line + 2, line + 2 + length)));
    state.rest = state.rest.subarray(line + 2 + length + 2);
  }
}
