/** The gRPC layer beside grpc-go, both asked by the same Go client over the same kind of socket. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDebianPackages, grpcPeerPackages } from '../../scripts/lib/setup.mjs';
import { repo } from '../harness/paths.ts';

const debianGo = '/usr/share/gocode';
const rounds = 3;
const unaryMs = 2_000;
/** A multiple of the page that our side sends at once. */
const events = 256 * 782;

interface Side {
  readonly name: string;
  readonly socket: string;
  readonly process: ChildProcess;
}

export async function benchGrpc(): Promise<void> {
  await ensureDebianPackages(grpcPeerPackages);
  const folder = mkdtempSync(join(tmpdir(), 'ow-bench-grpc-'));
  const sides: Side[] = [];
  try {
    const peer = buildPeer();
    const start = async (
      name: string,
      program: string,
      args: (socket: string) => string[],
    ): Promise<Side> => {
      const socket = join(folder, `${name}.sock`);
      const child = spawn(program, args(socket), { stdio: ['ignore', 'pipe', 'inherit'] });
      const side = { name, socket, process: child };
      sides.push(side);
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve);
        child.once('exit', () => reject(new Error(`${name} did not start`)));
      });
      return side;
    };
    const go = await start('grpc-go', peer, (socket) => ['serve', socket]);
    const script = join(import.meta.dirname, 'grpc/server.ts');
    const ours = await start('ours', process.execPath, (socket) => [
      '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
      script,
      socket,
    ]);
    const ask = (side: Side, ...args: (string | number)[]): number[] => {
      const [mode, ...rest] = args.map(String);
      const answer = execFileSync(peer, [mode ?? '', side.socket, ...rest], {
        encoding: 'utf8',
        timeout: 120_000,
      });
      return answer.trim().split(' ').map(Number);
    };
    for (const atOnce of [1, 8, 50]) {
      compare(`unary, ${atOnce} at once, calls/s`, go, ours, (side) => ask(side, 'unary', atOnce, unaryMs));
    }
    for (const [subscribers, size] of [
      [1, 100],
      [1, 1_024],
      [10, 100],
    ] as const) {
      const what = `stream, ${subscribers} × ${events} of ${size} B, messages/s`;
      compare(what, go, ours, (side) => ask(side, 'stream', subscribers, events, size));
    }
  } finally {
    for (const side of sides) side.process.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Medians of rounds in which both take turns, so that a busy moment of the machine hits both. */
function compare(what: string, go: Side, ours: Side, measure: (side: Side) => number[]): void {
  const results = Array.from({ length: rounds }, () => ({ go: measure(go), ours: measure(ours) }));
  const median = (side: 'go' | 'ours', index: number): number | undefined =>
    results.map((result) => result[side][index] ?? 0).sort((a, b) => a - b)[Math.floor(rounds / 2)];
  const [theirs = 0, own = 0] = [median('go', 0), median('ours', 0)];
  const p99 =
    results[0]?.go.length === 2 ? `; p99 ${median('go', 1) ?? 0} and ${median('ours', 1) ?? 0} µs` : '';
  console.log(`  ${what}: grpc-go ${theirs}, ours ${own} (${(own / theirs).toFixed(2)} ×)${p99}`);
}

/** Go caches what it has built, so a second run takes no time. */
function buildPeer(): string {
  const cache = join(repo, '.cache/grpc-peer');
  mkdirSync(cache, { recursive: true });
  const peer = join(cache, 'peer');
  const go = ['/usr/bin/go', '/usr/local/go/bin/go'].find((path) => existsSync(path));
  if (go === undefined || !existsSync(join(debianGo, 'src/google.golang.org/grpc'))) {
    throw new Error('The comparison needs Go and grpc-go: apt-get install golang-go golang-google-grpc-dev');
  }
  execFileSync(go, ['build', '-o', peer, join(import.meta.dirname, 'grpc/peer.go')], {
    env: { ...process.env, GO111MODULE: 'off', GOPATH: debianGo, GOCACHE: join(cache, 'build'), GOFLAGS: '' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return peer;
}
