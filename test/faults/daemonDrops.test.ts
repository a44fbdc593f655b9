// Connections to the daemon are cut at random bytes while clients stream: each client must hear its sessions' frames
// all, in order, once. DAEMON_CUTS=1000 makes the full number of cuts, DAEMON_CUT_SEED another series of them.
import { afterEach, expect, it } from 'vitest';
import { DaemonClient } from '../../src/clients/daemon/daemonClient.ts';
import { type DaemonFrame, isStreamFrame } from '../../src/clients/daemon/frameCodec.ts';
import { CuttingProxy } from '../harness/cuttingProxy.ts';
import { startDaemon } from '../harness/daemon.ts';
import { waitUntil } from '../harness/processes.ts';

const cuts = Number(process.env['DAEMON_CUTS'] ?? 150);
const seed = Number(process.env['DAEMON_CUT_SEED'] ?? 20_026);
const clientCount = 8;
const linesPerTask = 150;
const limitMs = 40_000 + cuts * 400;

const cleanUp: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

interface Listener {
  readonly client: DaemonClient;
  readonly sessionId: string;
  readonly frames: DaemonFrame[];
  taskEnds: number;
}

/** Frames of the stream that belong to one session: what its subscribers are to hear. */
function sessionOf(frame: DaemonFrame): string | undefined {
  if (!isStreamFrame(frame)) return undefined;
  if ('sessionId' in frame) return frame.sessionId;
  return 'data' in frame ? frame.data.sessionId : undefined;
}

function newClient(url: string, token: string, more: object = {}): DaemonClient {
  const client = new DaemonClient({
    url,
    token,
    reconnectDelayMs: 1,
    maxReconnectDelayMs: 10,
    maxReconnectAttempts: 10_000,
    requestTimeoutMs: limitMs,
    ...more,
  });
  cleanUp.push(() => client.disconnect());
  return client;
}

/** The truth: the log as a client gets it that was never cut. */
async function readLog(url: string, token: string, sessionId: string, until: number): Promise<DaemonFrame[]> {
  const frames: DaemonFrame[] = [];
  const socket = new WebSocket(url);
  cleanUp.push(() => socket.close());
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ type: 'auth', token }));
    socket.send(
      JSON.stringify({ type: 'resume', payload: { after: 0, sessionIds: [sessionId], topics: [] } }),
    );
  });
  socket.addEventListener('message', ({ data }) => {
    const frame = JSON.parse(String(data)) as DaemonFrame;
    if (sessionOf(frame) === sessionId) frames.push(frame);
  });
  const ends = (): number => frames.filter(({ type }) => type === 'task_completed').length;
  await waitUntil(`the log of ${sessionId} was read`, () => ends() === until);
  return frames;
}

async function listen(client: DaemonClient): Promise<Listener> {
  const frames: DaemonFrame[] = [];
  const told: DaemonFrame[] = [];
  client.on('message', (frame) => told.push(frame));
  await client.connect().catch(() => undefined);
  const { id } = await client.spawnSession({ task: 'true', sessionType: 'shell' });
  const listener: Listener = { client, sessionId: id, frames, taskEnds: 0 };
  const take = (frame: DaemonFrame): void => {
    if (sessionOf(frame) !== id) return;
    frames.push(frame);
    if (frame.type === 'task_completed') listener.taskEnds += 1;
  };
  // The task may have begun to print before its session's id was known here.
  for (const frame of told) take(frame);
  client.on('message', take);
  return listener;
}

const expectedLines = Array.from({ length: linesPerTask }, (_, index) => `line ${index + 1}`);
const task = `for i in $(seq 1 ${linesPerTask}); do echo "line $i"; sleep 0.01; done`;

it(
  `loses and repeats nothing over ${cuts} cuts and a restart`,
  async () => {
    await using daemon = await startDaemon();
    await using proxy = await CuttingProxy.start({
      target: { host: '127.0.0.1', port: Number(new URL(daemon.url).port) },
      seed,
      cuts,
      maxBytesDown: 12_000,
      maxBytesUp: 1_500,
    });
    const listeners = await Promise.all(
      Array.from({ length: clientCount }, (_, index) =>
        // Both encodings are cut: a broken CBOR item is as useless as half a JSON text.
        listen(newClient(proxy.url, daemon.token, { encoding: index % 2 === 0 ? 'json' : 'cbor' })),
      ),
    );
    await waitUntil('the first tasks have ended', () => listeners.every(({ taskEnds }) => taskEnds === 1), {
      limitMs,
    });

    let tasks = 1;
    let restarts = 0;
    do {
      tasks += 1;
      await Promise.all(listeners.map(({ client, sessionId }) => client.executeTask(sessionId, task)));
      if (restarts === 0 || (restarts === 1 && proxy.cuts > cuts / 2)) {
        restarts += 1;
        await daemon.restart();
      }
      await waitUntil(
        `task ${tasks} of each has ended`,
        () => listeners.every(({ taskEnds }) => taskEnds === tasks),
        { limitMs },
      );
    } while (proxy.cuts < cuts);

    for (const { sessionId, frames } of listeners) {
      const log = await readLog(daemon.url, daemon.token, sessionId, tasks);
      expect(frames.map(place)).toEqual(log.map(place));
      expect(frames.map(withoutRequest)).toEqual(log.map(withoutRequest));
      const text = frames.map((frame) => (frame.type === 'stream_chunk' ? frame.data.chunk : '')).join('');
      const printed = text.match(/line \d+/g) ?? [];
      expect(printed).toEqual(Array.from({ length: tasks - 1 }, () => expectedLines).flat());
    }
    expect(proxy.cuts).toBe(cuts);
    expect(restarts).toBeGreaterThanOrEqual(1);
  },
  limitMs * 2,
);

function place(frame: DaemonFrame): string {
  return isStreamFrame(frame) ? `${frame.seq}.${frame.part}` : 'none';
}

/** Whose request began a task is told to that client alone. */
function withoutRequest(frame: DaemonFrame): object {
  return Object.fromEntries(Object.entries(frame).filter(([name]) => name !== 'requestId'));
}
