import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ScriptedDaemon } from '../../../test/harness/scriptedDaemon.ts';
import { waitUntil } from '../../../test/harness/processes.ts';
import { FakeClock } from '../../base/clock.ts';
import { closeCode } from '../../protocol/daemon/handshake.ts';
import type { DaemonEventName } from './clientEvents.ts';
import { DaemonClient } from './daemonClient.ts';
import type { DaemonClientOptions } from './options.ts';

const quick = { reconnectDelayMs: 2, maxReconnectDelayMs: 20 };
let daemon: ScriptedDaemon;
let clients: DaemonClient[];

beforeEach(async () => {
  daemon = await ScriptedDaemon.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.disconnect();
  await daemon[Symbol.asyncDispose]();
});

function newClient(options: DaemonClientOptions = {}): DaemonClient {
  const client = new DaemonClient({ url: daemon.url, token: daemon.token, ...quick, ...options });
  clients.push(client);
  return client;
}

async function connected(options: DaemonClientOptions = {}): Promise<DaemonClient> {
  const client = newClient(options);
  await client.connect();
  return client;
}

function next(client: DaemonClient, event: DaemonEventName): Promise<unknown> {
  return new Promise((resolve) => client.once(event, resolve));
}

/** Everything that was printed in a session. */
function printed(client: DaemonClient, sessionId: string): () => string {
  let text = '';
  client.on('stream_chunk', (chunk) => {
    if (chunk.sessionId === sessionId) text += chunk.chunk;
  });
  return () => text;
}

const lines = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join('');

describe('connecting', () => {
  it('is done when the token was taken', async () => {
    const client = newClient();
    const heard: string[] = [];
    client.on('connected', () => heard.push('connected'));
    expect(client.state).toBe('disconnected');
    const connecting = client.connect();
    expect(client.state).toBe('connecting');
    await connecting;
    expect(client.state).toBe('connected');
    expect(heard).toEqual(['connected']);
    expect(daemon.requests).toEqual([{ type: 'auth', token: daemon.token }]);
  });

  it('is one attempt, however often it is asked for', async () => {
    const client = newClient();
    await Promise.all([client.connect(), client.connect()]);
    await client.connect();
    expect(daemon.connections).toBe(1);
  });

  it.each(['header', 'subprotocol'] as const)('takes the token by %s', async (tokenBy) => {
    const client = await connected({ tokenBy });
    expect(await client.healthCheck()).toBe(true);
    expect(daemon.requests.map(({ type }) => type)).toEqual(['ping', 'health_check']);
    expect(daemon.headers).toEqual([tokenBy === 'header' ? `Bearer ${daemon.token}` : undefined]);
  });

  it('connects by another implementation of WebSockets', async () => {
    const client = await connected({
      tokenBy: 'header',
      createWebSocket: (url, protocols, headers) => new WebSocket(url, [...protocols], { headers }),
    });
    expect(await client.healthCheck()).toBe(true);
    expect(daemon.headers).toEqual([`Bearer ${daemon.token}`]);
  });

  it('tells why the daemon refused the token, and does not try again', async () => {
    const client = newClient({ token: 'wrong' });
    await expect(client.connect()).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      reason: 'unauthenticated',
      message: 'api_key_invalid',
    });
    expect(client.state).toBe('disconnected');
  });

  it('does not take the greeting of a daemon that does not know it for a connection', async () => {
    await expect(newClient({ token: undefined }).connect()).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'not_authenticated',
    });
  });

  it('tries again where there was no room', async () => {
    daemon.isFull = true;
    const client = newClient();
    await expect(client.connect()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'WebSocket connection failed: connection_limit_exceeded',
    });
    const again = next(client, 'connected');
    daemon.isFull = false;
    await again;
  });

  it('asks for another token when one was refused', async () => {
    const tokens = ['expired', daemon.token];
    const client = newClient({ getToken: () => Promise.resolve(tokens.shift() ?? '') });
    await client.connect();
    expect(tokens).toEqual([]);

    daemon.token = 'rotated';
    tokens.push('rotated');
    const again = next(client, 'connected');
    daemon.closeAll(closeCode.unauthorized, 'jwt_expired');
    await again;
  });

  it('rejects with a plain sentence where nobody listens', async () => {
    await daemon.stop();
    const client = newClient({ reconnect: false });
    await expect(client.connect()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'WebSocket connection failed',
    });
    expect(client.state).toBe('disconnected');
  });

  it('can be broken off', async () => {
    const client = newClient();
    const connecting = client.connect();
    client.disconnect();
    await expect(connecting).rejects.toMatchObject({ code: 'CANCELLED' });
    await client.connect();
    expect(client.isConnected).toBe(true);
  });
});

describe('requests', () => {
  it('answer each with its own, whatever comes between', async () => {
    const client = await connected();
    const [first, second, status] = await Promise.all([
      client.spawnSession({ task: 'one', sessionType: 'shell' }),
      client.spawnSession({ task: { description: 'two' }, orchestratorId: 'vp_123' }),
      client.getDaemonStatus(),
    ]);
    expect(first).toMatchObject({ type: 'shell', task: { description: 'one' } });
    expect(second).toMatchObject({ orchestratorId: 'vp_123', task: { description: 'two' } });
    expect(status.metrics.totalSessionsSpawned).toBe(2);
    expect(await client.getSessionStatus(first.id)).toEqual(first);
    expect(await client.stopSession(first.id)).toMatchObject({ id: first.id, status: 'terminated' });
    expect(await client.ping()).toBeGreaterThanOrEqual(0);
  });

  it('fail with what the daemon answered', async () => {
    const client = await connected();
    const told = next(client, 'error');
    await expect(client.executeTask('nowhere', 'ls')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'session_not_found',
      message: 'Session not found: nowhere',
    });
    expect(await told).toMatchObject({ message: 'Session not found: nowhere' });
  });

  it('list page by page', async () => {
    const client = await connected();
    for (const task of ['a', 'b', 'c', 'd', 'e']) await client.spawnSession({ task });
    expect(await client.listSessions({ limit: 2 })).toMatchObject({ total: 5, nextCursor: '2' });
    const all = [];
    for await (const session of client.allSessions({ limit: 2 })) all.push(session.task.description);
    expect(all).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('end at their time limit', async () => {
    const client = await connected({ requestTimeoutMs: 20 });
    daemon.fate = () => 'ignore';
    await expect(client.getDaemonStatus()).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      reason: 'request_timeout',
    });
  });

  it('fail at once where there is no connection and none on its way', async () => {
    await expect(newClient().ping()).rejects.toMatchObject({ message: 'Not connected to daemon' });
  });

  it('go as CBOR where that is asked for', async () => {
    const client = await connected({ encoding: 'cbor' });
    const session = await client.spawnSession({ task: 'grüße' });
    const text = printed(client, session.id);
    const done = next(client, 'task_completed');
    await client.executeTask(session.id, 'seq 1 3');
    await done;
    expect(text()).toContain(lines(3));
  });
});

describe('events', () => {
  it('carry what is inside the frame', async () => {
    const client = await connected();
    const heard: [string, unknown][] = [];
    const note = (event: DaemonEventName) => client.on(event, (value) => heard.push([event, value]));
    for (const event of ['session_spawned', 'session_updated', 'stream_chunk', 'task_completed'] as const) {
      note(event);
    }
    const done = next(client, 'task_completed');
    const session = await client.spawnSession({ task: 'hello' });
    await done;
    await client.stopSession(session.id);
    expect(heard).toMatchObject([
      ['session_spawned', { id: session.id }],
      ['stream_chunk', { sessionId: session.id, chunk: 'hello', metadata: { type: 'text' } }],
      ['task_completed', { sessionId: session.id, result: { exitCode: 0 } }],
      ['session_updated', { id: session.id, status: 'terminated' }],
      ['session_updated', { id: session.id, status: 'terminated' }],
    ]);
  });

  it('end with the function that on() gave, with off(), and after once()', async () => {
    const client = await connected();
    let count = 0;
    const listener = (): void => {
      count += 1;
    };
    const off = client.on('pong', listener);
    client.once('pong', listener);
    await client.ping();
    expect(count).toBe(2);
    off();
    client.on('pong', listener);
    await client.ping();
    client.off('pong', listener);
    await client.ping();
    expect(count).toBe(3);
  });
});

describe('after a drop', () => {
  it('takes up the stream where it broke off', async () => {
    const client = await connected();
    const session = await client.spawnSession({ task: 'seq 1 60' });
    const text = printed(client, session.id);
    const done = next(client, 'task_completed');
    for (let drop = 0; drop < 3; drop++) {
      await next(client, 'stream_chunk');
      const again = next(client, 'connected');
      daemon.dropAll();
      await again;
    }
    await done;
    expect(text()).toBe(lines(60));
  });

  it('hears what happened while it was away, over a restart too', async () => {
    const client = await connected();
    const session = await client.spawnSession({ task: 'wait' });
    const text = printed(client, session.id);
    await daemon.stop();
    await waitUntil('it has noticed', () => client.state === 'reconnecting');
    daemon.say(session.id, {
      type: 'stream_chunk',
      data: { sessionId: session.id, chunk: 'meanwhile', metadata: { type: 'text', index: 0, taskId: 't' } },
    });
    const again = next(client, 'connected');
    await daemon.restart();
    await again;
    await waitUntil('it was told', () => text() === 'meanwhile');
  });

  it('spawns once, and misses nothing of it, when the answer was lost', async () => {
    const client = await connected();
    await client.spawnSession({ task: 'first' });
    let drops = 0;
    daemon.fate = ({ type }) => (type === 'spawn_session' && drops++ < 2 ? 'dropAfter' : undefined);
    let text = '';
    client.on('stream_chunk', ({ chunk }) => (text += chunk));
    const done = new Promise((resolve) => client.on('task_completed', resolve));
    const session = await client.spawnSession({ task: 'seq 1 30' });
    await done;
    await waitUntil('all was told', () => text.endsWith(lines(30)));
    expect(text.replace('first', '')).toBe(lines(30));
    expect(daemon.sessions.size).toBe(2);
    expect(session.id).toBe('session_2');
  });

  it('does not do twice what must not be', async () => {
    const client = await connected();
    daemon.fate = ({ type }) => (type === 'terminal_input' ? 'drop' : undefined);
    await expect(client.terminals.input('t', 'rm')).rejects.toMatchObject({ reason: 'closed' });
    await waitUntil('it is back', () => client.isConnected);
    expect(daemon.requests.filter(({ type }) => type === 'terminal_input')).toHaveLength(1);
  });

  it('sends in order what waited for the connection', async () => {
    const client = await connected();
    await daemon.stop();
    await waitUntil('it has noticed', () => client.state === 'reconnecting');
    const spawned = ['a', 'b', 'c'].map((task) => client.spawnSession({ task }));
    await daemon.restart();
    const sessions = await Promise.all(spawned);
    expect(sessions.map(({ id }) => id)).toEqual(['session_1', 'session_2', 'session_3']);
    expect(sessions.map(({ task }) => task.description)).toEqual(['a', 'b', 'c']);
  });

  it('lets only so much wait', async () => {
    const client = await connected({
      maxQueuedRequests: 2,
      maxReconnectDelayMs: 10_000,
      reconnectDelayMs: 10_000,
    });
    const impatient = await connected({
      queueWhileOffline: false,
      reconnectDelayMs: 10_000,
      maxReconnectDelayMs: 10_000,
    });
    await daemon.stop();
    await waitUntil('they have noticed', () => !client.isConnected && !impatient.isConnected);
    const waiting = [client.ping(), client.ping()].map((ping) => ping.catch((error: unknown) => error));
    await expect(client.ping()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'queue_full' });
    await expect(impatient.ping()).rejects.toMatchObject({ message: 'Not connected to daemon' });
    client.disconnect();
    expect(await Promise.all(waiting)).toMatchObject([{ code: 'CANCELLED' }, { code: 'CANCELLED' }]);
  });

  it('says so when the log was lost, and goes on from now', async () => {
    const client = await connected();
    const started = next(client, 'stream_start');
    const session = await client.spawnSession({ task: 'wait' });
    await started;
    const text = printed(client, session.id);
    const gap = next(client, 'gap');
    daemon.say(undefined, { type: 'terminal_removed', terminalId: 'x' });
    await daemon.stop();
    daemon.say(undefined, { type: 'terminal_removed', terminalId: 'y' });
    daemon.forget();
    await daemon.restart();
    expect(await gap).toEqual({ after: expect.any(Number) });
    await client.executeTask(session.id, 'after');
    await waitUntil('it is told again', () => text() === 'after');
  });
});

it.each(['unread', 'read'])('resumes from where it began, whatever was logged before (%s)', async (kind) => {
  for (let index = 0; index < 5; index++) {
    daemon.say(undefined, { type: 'terminal_removed', terminalId: 'before' });
  }
  const client = await connected();
  const heard: string[] = [];
  client.on('terminal_removed', ({ terminalId }) => heard.push(terminalId));
  if (kind === 'read') daemon.say(undefined, { type: 'terminal_removed', terminalId: 'first' });
  await client.ping();
  const again = next(client, 'connected');
  daemon.dropAll();
  daemon.say(undefined, { type: 'terminal_removed', terminalId: 'meanwhile' });
  await again;
  await client.ping();
  expect(heard).toEqual(kind === 'read' ? ['first', 'meanwhile'] : ['meanwhile']);
});

it('says so when the daemon has another log, which ends before its place', async () => {
  const client = await connected();
  daemon.say(undefined, { type: 'terminal_removed', terminalId: 'x' });
  await client.ping();
  const gap = next(client, 'gap');
  daemon.loseState();
  daemon.dropAll();
  expect(await gap).toEqual({ after: 1 });
  const heard = next(client, 'terminal_removed');
  daemon.say(undefined, { type: 'terminal_removed', terminalId: 'y' });
  expect(await heard).toMatchObject({ terminalId: 'y', seq: 1 });
});

describe('back-off and heartbeat', () => {
  it('waits 3 s, 6 s, 12 s … 60 s, ten times', async () => {
    const clock = new FakeClock();
    await daemon.stop();
    const client = new DaemonClient({ url: daemon.url, clock });
    clients.push(client);
    const delays: number[] = [];
    let failed: unknown;
    client.on('reconnecting', ({ attempt, delayMs }) => {
      expect(attempt).toBe(delays.length + 1);
      delays.push(delayMs);
    });
    client.on('reconnect_failed', (value) => (failed = value));
    await expect(client.connect()).rejects.toThrow('WebSocket connection failed');
    while (failed === undefined) {
      const before = delays.length;
      clock.advance(delays.at(-1) ?? 0);
      await waitUntil('the attempt has ended', () => failed !== undefined || delays.length > before);
    }
    expect(delays).toEqual([3, 6, 12, 24, 48, 60, 60, 60, 60, 60].map((seconds) => seconds * 1_000));
    expect(failed).toEqual({ attempts: 10 });
    expect(client.state).toBe('disconnected');
  });

  it('counts anew after a connection', async () => {
    const client = await connected();
    const attempts: number[] = [];
    client.on('reconnecting', ({ attempt }) => attempts.push(attempt));
    for (let drop = 0; drop < 3; drop++) {
      const again = next(client, 'connected');
      daemon.dropAll();
      await again;
    }
    expect(attempts).toEqual([1, 1, 1]);
  });

  it('pings each 30 s, and takes a daemon that is silent for 10 s for dead', async () => {
    const clock = new FakeClock();
    const client = await connected({ clock });
    clock.advance(30_000);
    await next(client, 'pong');
    clock.advance(10_000);
    expect(client.isConnected).toBe(true);

    daemon.fate = () => 'ignore';
    clock.advance(30_000);
    await waitUntil('it was asked', () => daemon.requests.filter(({ type }) => type === 'ping').length === 2);
    const gone = next(client, 'disconnected');
    clock.advance(10_000);
    expect(await gone).toMatchObject({ willReconnect: true });
    daemon.fate = () => undefined;
    const again = next(client, 'connected');
    clock.advance(2);
    await again;
  });

  it('never comes back after disconnect()', async () => {
    const clock = new FakeClock();
    const client = await connected({ clock });
    const gone = next(client, 'disconnected');
    client.disconnect();
    expect(await gone).toMatchObject({ code: 1000, willReconnect: false });
    await waitUntil('the daemon has noticed', () => daemon.connections === 0);
    clock.advance(3_600_000);
    expect(client.state).toBe('disconnected');
    expect(daemon.headers).toHaveLength(1);
  });
});
