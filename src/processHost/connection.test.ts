import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { OrchestratorError } from '../base/errors.ts';
import { heartbeatIntervalMs } from '../protocol/processHost.ts';
import { Connection, type ConnectionHandler } from './connection.ts';
import { encodeJson } from './frames.ts';
import { maxMissedHeartbeats } from './wire.ts';

let dir: string;
let server: Server;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ow-connection-'));
});

afterEach(() => {
  vi.useRealTimers();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function listen(accept: (socket: Socket) => void): Promise<string> {
  const path = join(dir, 's');
  server = createServer(accept).listen(path);
  await once(server, 'listening');
  return path;
}

const handler = (more: Partial<ConnectionHandler> = {}): ConnectionHandler => ({
  onRequest: () => null,
  onNotification: () => undefined,
  onClose: () => undefined,
  ...more,
});

it('answers others while one peer sends without end, and everybody in order', async () => {
  const taken: number[] = [];
  const path = await listen((socket) => {
    const connection = new Connection(
      socket,
      handler({
        onRequest: (method, params) => {
          if (method === 'quick') return taken.length;
          taken.push((params as { index: number }).index);
          return null;
        },
      }),
      { holdsBackReading: true },
    );
    socket.on('close', () => connection.dispose());
  });
  const count = 20_000;
  const [flooding, quick] = [
    new Connection(connect(path), handler()),
    new Connection(connect(path), handler()),
  ];
  await quick.request('quick', {});
  const flood = Array.from({ length: count }, (_, index) => flooding.request('slow', { index }));
  await flood[0];
  expect(await quick.request('quick', {})).toBeLessThan(count / 20);
  await Promise.all(flood);
  expect(taken).toEqual(Array.from({ length: count }, (_, index) => index));
  flooding.dispose();
  quick.dispose();
});

it('takes in what a peer has said before it died, though it cannot be answered any more', async () => {
  const closed = Promise.withResolvers<undefined>();
  let taken = 0;
  const path = await listen((socket) => {
    const onRequest = (): number => (taken += 1);
    new Connection(socket, handler({ onRequest, onClose: () => closed.resolve(undefined) }));
  });
  const socket = connect(path);
  await once(socket, 'connect');
  const frames = Array.from({ length: 1_000 }, (_, id) => encodeJson({ id, method: 'emit', params: {} }));
  socket.write(Buffer.concat(frames), () => socket.destroy());
  await closed.promise;
  expect(taken).toBe(1_000);
});

it.each([
  ['a peer that spoke while this process was busy', true, undefined, true],
  ['nobody who is silent', false, undefined, false],
  ['one that it was told to bear', false, 2 * maxMissedHeartbeats, true],
])('keeps %s', async (_, hasSpoken, maxMissed, isKept) => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const accepted = Promise.withResolvers<Socket>();
  const path = await listen((socket) => accepted.resolve(socket));
  let error: OrchestratorError | undefined;
  const onClose = (why: OrchestratorError | undefined): void => void (error = why);
  const connection = new Connection(
    connect(path),
    handler({ onClose }),
    maxMissed === undefined ? {} : { maxMissed },
  );
  const peer = await accepted.promise;
  connection.beat();
  // As a beat of the clock comes: before the socket is looked at.
  await setTimeout(1);
  if (hasSpoken) peer.write(encodeJson({ notify: 'ping', params: {} }));
  vi.advanceTimersByTime((maxMissedHeartbeats + 1) * heartbeatIntervalMs);
  await setImmediate();
  await setImmediate();
  expect(error?.reason).toBe(isKept ? undefined : 'process_host_lost');
  connection.dispose();
  peer.destroy();
});
