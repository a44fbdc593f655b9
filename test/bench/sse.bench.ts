/** One stream of server-sent events beside Go's net/http, read by the same reader. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDebianPackages, grpcPeerPackages } from '../../scripts/lib/setup.mjs';
import { buildGoProgram } from '../harness/goProgram.ts';
import { raceSeveral } from './race.ts';

const rounds = 5;
/** Of about 175 bytes. A multiple of the page that our side sends at once. */
const events = 256 * 4_000;
/** A flush each is slow: fewer do. */
const flushedEvents = 256 * 500;

export async function benchSse(): Promise<void> {
  await ensureDebianPackages(grpcPeerPackages);
  const folder = mkdtempSync(join(tmpdir(), 'ow-bench-sse-'));
  const children: ChildProcess[] = [];
  const start = async (program: string, args: string[]): Promise<string[]> => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
      child.once('exit', () => reject(new Error(`${program} did not start`)));
    });
    return line.trim().split(' ');
  };
  try {
    const script = join(import.meta.dirname, 'sse/server.ts');
    const [goPort = ''] = await start(buildGoProgram(join(import.meta.dirname, 'sse/peer.go')), []);
    const [port = '', token = ''] = await start(process.execPath, [
      '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
      script,
      folder,
    ]);
    const ours = (kind: string): Promise<number> =>
      eventsPerSecond(Number(port), `/api/daemon/events?sessionId=${kind},${events}`, token, events);
    const go = (kind: string, count = events): Promise<number> =>
      eventsPerSecond(Number(goPort), `/${kind}?count=${count}`, '', count);
    const figures = {
      title: 'server-sent events, one stream',
      unit: 'events/s',
      better: 'higher',
      rounds,
    } as const;
    await raceSeveral(
      {
        ...figures,
        ratios: [
          { of: 'ours, written down once for all', to: 'Go, written down, buffered', target: 1.25 },
          { of: 'ours, written down once for all', to: 'Go, written down, 64 KiB buffer' },
          { of: 'ours, written down once for all', to: 'Go, written down, flushed each' },
          { of: 'ours, each written down', to: 'Go, each marshalled, buffered', target: 1.25 },
        ],
      },
      [
        { name: 'ours, written down once for all', run: () => ours('written') },
        { name: 'ours, each written down', run: () => ours('json') },
        { name: 'Go, written down, buffered', run: () => go('written') },
        { name: 'Go, written down, 64 KiB buffer', run: () => go('large') },
        { name: 'Go, each marshalled, buffered', run: () => go('json') },
        { name: 'Go, written down, flushed each', run: () => go('flushed', flushedEvents) },
      ],
    );
  } finally {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** From the first byte to the end of the stream, which must hold all of them. */
function eventsPerSecond(port: number, path: string, token: string, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let began = 0;
    let bytes = 0;
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Api-Key: ${token}\r\n\r\n`,
      );
    });
    socket.on('data', (part) => {
      if (began === 0) began = performance.now();
      bytes += part.length;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const seconds = (performance.now() - began) / 1_000;
      if (bytes < count * 160) reject(new Error(`${path}: only ${bytes} bytes came`));
      else resolve(count / seconds);
    });
  });
}
