/**
 * Abuses the daemon's WebSockets: daemonAbuser.ts KIND PORT MILLISECONDS. Tells how its connections ended, once all of
 * them have.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { type FrameParts, rawFrame, upgradeRequest } from '../harness/rawWebSocket.ts';
import type { AbuseKind } from './daemonAbuseKinds.ts';

export interface AbuseReport {
  readonly connections: number;
  /** Of the longest, in milliseconds. */
  readonly longestMs: number;
  /** First lines of HTTP answers that opened nothing. */
  readonly refusals: readonly string[];
}

interface Attack {
  /** At a time. */
  readonly atOnce: number;
  /** What is sent after the handshake, or instead of it; the connection is left open behind it. */
  run(socket: Socket): Promise<void>;
  readonly hello?: string;
  readonly readsNothing?: boolean;
}

const [kind = '', portText = '', durationText = ''] = process.argv.slice(2);
const port = Number(portText);
const durationMs = Number(durationText);
const shown = upgradeRequest(port, { token: 'abuser' });
const stranger = upgradeRequest(port, {});

/** Resolves when the system has taken it, or the connection has ended. */
const write = (socket: Socket, bytes: Uint8Array | string): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) {
      resolve();
      return;
    }
    socket.once('close', resolve);
    socket.write(bytes, () => {
      socket.off('close', resolve);
      resolve();
    });
  });

/** The same again and again until the connection ends; each write holds `times` of it. */
function flood(parts: FrameParts, times = 100): Attack['run'] {
  const bytes = Buffer.concat(Array.from({ length: times }, () => rawFrame(parts)));
  return async (socket) => {
    while (!socket.destroyed) await write(socket, bytes);
  };
}

/** Byte by byte. */
function trickle(bytes: Uint8Array | string, everyMs: number): Attack['run'] {
  return async (socket) => {
    for (const byte of Buffer.from(bytes)) {
      if (socket.destroyed) return;
      await write(socket, Buffer.from([byte]));
      await delay(everyMs);
    }
  };
}

const once_ =
  (parts: FrameParts): Attack['run'] =>
  (socket) =>
    write(socket, rawFrame(parts));
const nothing = (): Promise<void> => Promise.resolve();
const deflated = (text: string): Buffer => deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
const bigTask = JSON.stringify({
  type: 'execute_task',
  payload: { sessionId: 's', task: 'x'.repeat(90_000) },
});

const attacks: Readonly<Record<AbuseKind, Attack>> = {
  'slow headers': { atOnce: 50, hello: 'GET / HT', run: trickle('TP/1.1\r\nX: y'.repeat(100), 100) },
  'no auth': { atOnce: 50, hello: stranger, run: nothing },
  'auth byte by byte': {
    atOnce: 16,
    hello: stranger,
    run: trickle(rawFrame({ payload: '{"type":"auth","token":"x"}' }), 200),
  },
  'wrong tokens in auth': {
    atOnce: 8,
    hello: stranger,
    run: once_({ payload: '{"type":"auth","token":"x"}' }),
  },
  'a large message before auth': {
    atOnce: 8,
    hello: stranger,
    run: flood({ payload: 'x'.repeat(20_000) }, 1),
  },
  'wrong tokens at the handshake': {
    atOnce: 8,
    hello: upgradeRequest(port, { token: 'wrong' }),
    run: nothing,
  },
  'too many connections': { atOnce: 100, run: nothing },
  'many subprotocols': {
    atOnce: 8,
    hello: upgradeRequest(port, {
      token: 'abuser',
      headers: { 'Sec-WebSocket-Protocol': 'a,'.repeat(4_000) },
    }),
    run: nothing,
  },
  'headers without end': { atOnce: 8, hello: shown.trimEnd(), run: flood({ payload: 'x'.repeat(9_000) }, 4) },
  'handshakes in a row': { atOnce: 8, hello: shown.repeat(20), run: nothing },
  'answers no ping': { atOnce: 50, run: nothing },
  'a frame of 2^40 bytes': { atOnce: 16, run: once_({ claimed: 1n << 40n, payload: 'x' }) },
  'messages of 8 MiB': { atOnce: 2, run: flood({ payload: Buffer.alloc(8 * 1024 * 1024, 0x20) }, 1) },
  'deflate bombs': {
    atOnce: 4,
    hello: upgradeRequest(port, {
      token: 'abuser',
      headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    }),
    run: flood({ reserved: 4, payload: deflated(' '.repeat(64 * 1024 * 1024)) }, 1),
  },
  'tiny fragments': {
    atOnce: 4,
    async run(socket) {
      await write(socket, rawFrame({ opcode: 1, isFinal: false, payload: '"' }));
      await write(
        socket,
        Buffer.concat(
          Array.from({ length: 100_000 }, () => rawFrame({ opcode: 0, isFinal: false, payload: 'x' })),
        ),
      );
    },
  },
  'pings without end': { atOnce: 4, run: flood({ opcode: 9, payload: 'x' }) },
  'pongs without end': { atOnce: 4, run: flood({ opcode: 10 }) },
  'messages without end': { atOnce: 4, run: flood({ payload: '{"type":"ping"}' }) },
  'unknown types': { atOnce: 4, run: flood({ payload: '{"type":"nonsense"}' }) },
  'deep JSON': { atOnce: 4, run: flood({ payload: '['.repeat(100_000) }, 1) },
  'wide JSON': { atOnce: 4, run: flood({ payload: `[${'[],'.repeat(500_000)}[]]` }, 1) },
  'no UTF-8': { atOnce: 8, run: flood({ payload: Buffer.alloc(1_000, 0xff) }, 10) },
  'a message byte by byte': { atOnce: 16, run: trickle(rawFrame({ payload: 'x'.repeat(1_000) }), 50) },
  'reads nothing': { atOnce: 8, readsNothing: true, run: flood({ payload: bigTask }, 4) },
  'reads nothing after an error': {
    atOnce: 8,
    readsNothing: true,
    async run(socket) {
      await write(socket, rawFrame({ opcode: 5 }));
      // Only who sends on is told that nobody is there.
      while (!socket.destroyed) {
        await write(socket, rawFrame({ opcode: 9 }));
        await delay(100);
      }
    },
  },
  resets: {
    atOnce: 8,
    async run(socket) {
      await write(socket, rawFrame({ payload: '{"type":"ping"}' }));
      socket.resetAndDestroy();
    },
  },
};

const attack = attacks[kind as AbuseKind];
const refusals = new Set<string>();
let connections = 0;
let longestMs = 0;

async function abuse(): Promise<void> {
  const began = performance.now();
  connections += 1;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const ended = once(socket, 'close').catch(() => undefined);
  let head = '';
  const answered = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.on('data', (chunk: Buffer) => {
      if (head.length > 100) return;
      head += chunk.toString('latin1');
      if (attack.readsNothing === true) socket.pause();
      resolve();
    });
  });
  await write(socket, attack.hello ?? shown);
  if (head === '' && (attack.hello ?? shown).endsWith('\r\n\r\n')) await answered;
  await attack.run(socket);
  const outcome = await Promise.race([ended.then(() => 'ended'), delay(12_000, 'late')]);
  // Whoever reads nothing sees the end of it only now.
  if (outcome === 'late') socket.resume();
  if (!head.startsWith('HTTP/1.1 101')) refusals.add(head.slice(0, 40).split('\r\n')[0] ?? '');
  longestMs = Math.max(longestMs, performance.now() - began);
  socket.destroy();
}

process.send?.('ready');
await once(process, 'message');
const until = performance.now() + durationMs;
await Promise.all(
  Array.from({ length: attack.atOnce }, async () => {
    while (performance.now() < until) {
      await abuse();
      // A storm, but one that leaves the machine something for those who measure.
      await delay(20);
    }
  }),
);
const report: AbuseReport = { connections, longestMs, refusals: [...refusals] };
process.send?.(report, () => process.exit());
