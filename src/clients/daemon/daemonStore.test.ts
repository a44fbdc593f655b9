import { afterEach, beforeEach, expect, it } from 'vitest';
import { ScriptedDaemon } from '../../../test/harness/scriptedDaemon.ts';
import { waitUntil } from '../../../test/harness/processes.ts';
import { DaemonClient } from './daemonClient.ts';
import { DaemonPool } from './daemonPool.ts';
import { createDaemonStore } from './daemonStore.ts';
import { createSessionMonitor } from './sessionMonitor.ts';

const quick = { reconnectDelayMs: 2, maxReconnectDelayMs: 20 };
let daemon: ScriptedDaemon;
let client: DaemonClient;

beforeEach(async () => {
  daemon = await ScriptedDaemon.start();
  client = new DaemonClient({ url: daemon.url, token: daemon.token, ...quick });
});
afterEach(async () => {
  client.disconnect();
  await daemon[Symbol.asyncDispose]();
});

it('the store shows the daemon as it is, and the same object while nothing changes', async () => {
  const store = createDaemonStore(client, { notifyEveryMs: 0 });
  const shown: boolean[] = [];
  store.subscribe(() => shown.push(store.getSnapshot().connected));
  expect(store.getSnapshot()).toBe(store.getSnapshot());
  expect(store.getSnapshot()).toMatchObject({ connected: false, connecting: false, sessions: [] });

  const connecting = store.connect();
  expect(store.getSnapshot().connecting).toBe(true);
  await connecting;
  await waitUntil('the status is known', () => store.getSnapshot().daemonStatus);
  expect(store.getSnapshot()).toMatchObject({ connected: true, connecting: false, error: undefined });
  expect(shown).toContain(true);

  const before = store.getSnapshot();
  const session = await store.spawnSession({ task: 'wait' });
  expect(before.sessions).toEqual([]);
  expect(store.getSnapshot().sessions).toEqual([session]);
  // Told of once more, as by a broadcast: still one session.
  daemon.say(undefined, { type: 'session_status_update', session: { ...session, status: 'completed' } });
  await waitUntil('its status has changed', () => store.getSnapshot().sessions[0]?.status === 'completed');
  expect(store.getSnapshot().sessions).toHaveLength(1);

  const stopping = store.stopSession(session.id);
  expect(store.getSnapshot().sessions).toEqual([]);
  await stopping;
  expect(store.getSnapshot().sessions).toEqual([]);

  await expect(store.executeTask('nowhere', 'ls')).rejects.toThrow('Session not found: nowhere');
  expect(store.getSnapshot().error?.message).toBe('Session not found: nowhere');

  await store.spawnSession({ task: 'wait' });
  store.disconnect();
  expect(store.getSnapshot()).toMatchObject({ connected: false, connecting: false, sessions: [] });
});

it('the store counts attempts while the daemon is away, and reads all again when it is back', async () => {
  const store = createDaemonStore(client, { notifyEveryMs: 0, liveStatus: false });
  await store.connect();
  await store.spawnSession({ task: 'wait' });
  await daemon.stop();
  await waitUntil('it tries again', () => store.getSnapshot().reconnectAttempts > 0);
  expect(store.getSnapshot()).toMatchObject({ connected: false, connecting: true });
  expect(store.getSnapshot().sessions).toHaveLength(1);
  daemon.sessions.clear();
  await daemon.restart();
  await waitUntil('it is back', () => store.getSnapshot().connected);
  await waitUntil('the lists are read', () => store.getSnapshot().sessions.length === 0);
  expect(store.getSnapshot()).toMatchObject({ reconnectAttempts: 0, error: undefined });
});

it('listeners hear of many changes at once', async () => {
  const store = createDaemonStore(client, { notifyEveryMs: 20 });
  let calls = 0;
  store.subscribe(() => calls++);
  await store.connect();
  for (let index = 0; index < 50; index++) await store.spawnSession({ task: 'wait' });
  await waitUntil('they have heard', () => calls > 0);
  expect(store.getSnapshot().sessions).toHaveLength(50);
  expect(calls).toBeLessThan(25);
});

it('a monitor shows the newest task of a session that somebody else drives', async () => {
  await using other = await otherClient();
  const { id } = await other.client.spawnSession({ task: 'first' });
  const monitor = createSessionMonitor(client, id, { notifyEveryMs: 0, maxOutput: 40 });
  expect(monitor.getSnapshot()).toMatchObject({ session: undefined, streamOutput: '', isStreaming: false });
  await client.connect();
  await waitUntil('the session is known', () => monitor.getSnapshot().session);

  await other.client.executeTask(id, 'second');
  await waitUntil('it is told', () => monitor.getSnapshot().streamOutput === 'second');
  await other.client.executeTask(id, 'seq 1 30');
  await waitUntil('it streams', () => monitor.getSnapshot().isStreaming);
  await waitUntil('it has ended', () => !monitor.getSnapshot().isStreaming);
  const { streamOutput } = monitor.getSnapshot();
  expect(streamOutput.endsWith('line 29\nline 30\n')).toBe(true);
  expect(streamOutput.length).toBeLessThanOrEqual(50);

  const call = { sessionId: id, taskId: 't', callId: 'c', toolName: 'read_file', timestamp: 'now' };
  daemon.say(id, {
    type: 'tool_call_start',
    data: { ...call, toolInput: { path: '/x' }, status: 'started' },
  });
  daemon.say(id, { type: 'tool_call_result', data: { ...call, status: 'completed', result: 'text' } });
  await waitUntil('the call is complete', () => monitor.getSnapshot().toolCalls[0]?.status === 'completed');
  expect(monitor.getSnapshot().toolCalls).toMatchObject([{ toolInput: { path: '/x' }, result: 'text' }]);

  const gone = new Promise((resolve) => client.once('unsubscribed', resolve));
  monitor.dispose();
  await gone;
});

it('a second monitor keeps the stream that a first one has ended', async () => {
  await client.connect();
  const monitors = [createSessionMonitor(client, 's'), createSessionMonitor(client, 's')];
  monitors[0]!.dispose();
  await client.ping();
  monitors[1]!.dispose();
  await client.ping();
  const asked = daemon.requests.map(({ type }) => type).filter((type) => type.endsWith('subscribe'));
  expect(asked).toEqual(['subscribe', 'unsubscribe']);
});

it('a pool gives each session to the daemon with the least to do, and finds it again', async () => {
  await using second = await ScriptedDaemon.start();
  await using away = await ScriptedDaemon.start();
  const daemons = [away, daemon, second].map(({ url, token }) => ({ url, token }));
  const pool = new DaemonPool({ daemons, ...quick });
  try {
    await away.stop();
    await pool.connect();
    const homes: string[] = [];
    for (let index = 0; index < 6; index++) {
      homes.push((await pool.spawnSession({ task: `task ${index}` })).daemon);
    }
    expect(homes.filter((url) => url === daemon.url)).toHaveLength(3);
    expect(homes.filter((url) => url === second.url)).toHaveLength(3);

    const together = await Promise.all(
      Array.from({ length: 4 }, () => pool.spawnSession({ task: 'at once' })),
    );
    expect(new Set(together.map(({ daemon: home }) => home)).size).toBe(2);

    const seen = [];
    for await (const { daemon: home, session } of pool.allSessions()) seen.push(`${home} ${session.id}`);
    expect(seen).toHaveLength(10);

    // Made behind its back on the second daemon.
    second.sessions.set('elsewhere', { ...second.sessions.get('session_1')!, id: 'elsewhere' });
    expect(await pool.executeTask('elsewhere', 'ls')).toMatchObject({ sessionId: 'elsewhere' });
    await expect(pool.stopSession('nowhere')).rejects.toMatchObject({ reason: 'session_not_found' });
  } finally {
    pool.disconnect();
  }
  await expect(pool.spawnSession({ task: 'x' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

async function otherClient(): Promise<{ readonly client: DaemonClient } & AsyncDisposable> {
  const other = new DaemonClient({ url: daemon.url, token: daemon.token });
  await other.connect();
  return {
    client: other,
    async [Symbol.asyncDispose]() {
      other.disconnect();
    },
  };
}
