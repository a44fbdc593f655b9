import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { type DaemonDoor, openDaemonDoor } from '../../src/servers/daemon/door.ts';
import { Browser } from '../harness/browser.ts';
import { buildProduct } from './cliHarness.ts';
import {
  connectPage,
  connectSocket,
  type DaemonConnection,
  type DaemonCore,
  type Frame,
  LocalClient,
  startDaemonCore,
} from './daemonHarness.ts';
import { HostFixture } from './processHostHarness.ts';

/** Every frame as it is printed in the seed, by its heading. `{ ... }` stands for any object. */
const printed = new Map(
  [
    ...readFileSync(join(import.meta.dirname, 'fixtures/seed002Frames.md'), 'utf8').matchAll(
      /^#### (.+)\n```json\n([^`]+)```/gm,
    ),
  ].map(([, heading = '', json = '']) => [heading, JSON.parse(json.replaceAll('{ ... }', '{}')) as Frame]),
);

function frame(heading: string): Frame {
  const found = printed.get(heading);
  if (found === undefined) throw new Error(`The seed has no frame "${heading}".`);
  return found;
}

/** Whether everything printed is there, of the same kind: names to the letter, values of the same type. */
function expectShape(actual: unknown, wanted: unknown, path = '$'): void {
  if (typeof wanted !== 'object' || wanted === null) {
    expect(typeof actual, path).toBe(typeof wanted);
    return;
  }
  expect(actual, path).toEqual(expect.any(Object));
  for (const [key, value] of Object.entries(wanted)) {
    expect(Object.keys(actual as object), path).toContain(key);
    expectShape((actual as Record<string, unknown>)[key], value, `${path}.${key}`);
  }
}

let dist: string;
/** Its pages are those that the daemon's owner has allowed. */
let browser: Browser;
let site: Server;
let origin: string;
let fixture: HostFixture;
let daemon: DaemonCore;
let door: DaemonDoor;

beforeAll(async () => {
  dist = buildProduct();
  browser = await Browser.launch();
  site = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>A page</title>');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}, 60_000);
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  site.close();
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  fixture = new HostFixture(dist);
  daemon = await startDaemonCore(fixture);
  door = await openDaemonDoor({
    orchestrator: daemon.core,
    stateDir: fixture.stateDir,
    version: '1.0.0',
    port: 0,
    allowedOrigins: [origin],
    logger: nullLogger,
  });
});
afterEach(async () => {
  await door.stop();
  await daemon[Symbol.asyncDispose]();
  await fixture.dispose();
});

/** What may carry the frames. */
const carriers: readonly [string, () => Promise<DaemonConnection>][] = [
  ['in process', () => Promise.resolve(new LocalClient(daemon.logic))],
  ['over a WebSocket', () => connectSocket(door.url, readFileSync(door.tokenPath, 'utf8').trim())],
  [
    'from a page in a browser',
    () => connectPage(browser.context, origin, door.url, readFileSync(door.tokenPath, 'utf8').trim()),
  ],
];

it('has every frame of the seed', () => {
  expect([...printed.values()].map(({ type }) => type)).toEqual([
    'spawn_session',
    'execute_task',
    'session_status',
    'stop_session',
    'daemon_status',
    'ping',
    'session_spawned',
    'stream_chunk',
    'tool_call_start',
    'tool_call_result',
    'task_completed',
    'daemon_status_update',
  ]);
});

describe.each(carriers)('the frames of the seed, %s', (_carrier, connect) => {
  /** As printed, but for the id that only the daemon knows. */
  const sendFor = (
    client: DaemonConnection,
    heading: string,
    sessionId: string,
    payload: object = {},
  ): void => {
    const { payload: given, ...rest } = frame(heading);
    client.send({ ...rest, payload: { ...(given as object), sessionId, ...payload } });
  };
  const spawn = async (client: DaemonConnection): Promise<string> => {
    const { payload, ...rest } = frame('Spawn Session');
    const task = { ...(payload as { task: object }).task, description: 'echo spawned' };
    client.send({ ...rest, payload: { ...(payload as object), task, sessionType: 'shell' } });
    const spawned = await client.next('session_spawned');
    expectShape(spawned, { ...frame('Session Spawned'), seq: 1 });
    return (spawned['session'] as { id: string }).id;
  };

  it('answers ping, daemon_status and their like', async () => {
    const client = await connect();
    client.send(frame('Heartbeat'));
    expect(await client.next('pong')).toEqual({ type: 'pong', seq: expect.any(Number) as number });
    client.send(frame('Get Daemon Status'));
    const status = await client.next('daemon_status_update');
    expectShape(status, frame('Daemon Status Update'));
    expect(status).toMatchObject({ status: { status: 'running' } });
    const { subsystems } = status['status'] as { subsystems: Record<string, object> };
    for (const subsystem of Object.values(subsystems)) expectShape(subsystem, { status: '', lastCheck: '' });
    client.send({ type: 'health_check' });
    expect(await client.next('health_check_response')).toMatchObject({ healthy: true });
    client.close();
  });

  it('spawns, executes, streams, tells and stops', async () => {
    const client = await connect();
    const sessionId = await spawn(client);
    const chunk = await client.next('stream_chunk');
    expectShape(chunk, frame('Stream Chunk'));
    expectShape(await client.next('task_completed'), frame('Task Completed'));
    sendFor(client, 'Get Session Status', sessionId);
    const status = await client.next(
      (candidate) => candidate.type === 'session_status_update' && !('part' in candidate),
    );
    expectShape(status['session'], frame('Session Spawned')['session']);
    // The seed's text is no command of a shell: it fails, and that is told.
    sendFor(client, 'Execute Task', sessionId);
    const { taskId } = await client.next('task_executing');
    expect(await client.next('task_failed')).toMatchObject({
      sessionId,
      taskId,
      error: expect.any(String) as string,
    });
    sendFor(client, 'Execute Task', sessionId, { task: 'true' });
    expectShape(await client.next('task_completed'), frame('Task Completed'));
    sendFor(client, 'Stop Session', sessionId);
    const stopped = await client.next(
      (candidate) => candidate.type === 'session_status_update' && !('part' in candidate),
    );
    expect(stopped).toMatchObject({ session: { id: sessionId, status: 'terminated' } });
    client.close();
  });

  it('knows no session of the ids that are printed', async () => {
    const client = await connect();
    for (const heading of ['Execute Task', 'Get Session Status', 'Stop Session']) {
      client.send(frame(heading));
      expect(await client.next('error')).toMatchObject({
        error: 'Session not found: session_abc123',
        sessionId: 'session_abc123',
      });
    }
    client.close();
  });

  it('says how to install a coding agent that is not there', async () => {
    const client = await connect();
    client.send(frame('Spawn Session'));
    const answer = await client.next(({ type }) => type === 'error' || type === 'session_spawned');
    // Where it is installed, the session is spawned as printed.
    if (answer.type === 'session_spawned') expectShape(answer, frame('Session Spawned'));
    else
      expect(answer).toMatchObject({
        reason: 'program_missing',
        error: expect.stringContaining('npm install') as string,
      });
    client.close();
  });
});

it('answers what is wrong with a message in the words of the contract, and goes on', async () => {
  const client = await connectSocket(door.url, readFileSync(door.tokenPath, 'utf8').trim());
  const texts: [string, string][] = [
    ['{', 'Invalid message format'],
    ['null', 'Invalid message format'],
    ['{"type":"session_status"}', 'Invalid message format'],
    ['{"type":"execute_task","payload":{"sessionId":1}}', 'Invalid message format'],
    ['{}', 'Unknown message type'],
    ['{"type":"pong"}', 'Unknown message type'],
    ['{"type":"session_status","payload":{"sessionId":"none"}}', 'Session not found: none'],
  ];
  for (const [text, error] of texts) {
    client.send(text);
    expect(await client.next('error'), text).toMatchObject({ error });
  }
  client.send({ type: 'ping', requestId: 'p' });
  expect(await client.next('pong')).toMatchObject({ requestId: 'p' });
  client.close();
});
