import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as esbuild from 'esbuild';
import { nullLogger } from '../../src/base/logger.ts';
import type {
  FollowOptions,
  ProcessHost,
  SpawnTerminalOptions,
  TerminalExit,
} from '../../src/core/ports/processHost.ts';
import { createProcessHostClient, type ProcessHostClientOptions } from '../../src/processHost/client.ts';
import { hostPaths } from '../../src/processHost/paths.ts';

const repo = join(import.meta.dirname, '../..');
export const node = realpathSync(join(repo, 'node_modules/.bin/node'));

/** Bundles the host as the product does, below the repository so that it finds node-pty. */
export async function buildHost(
  version = '1.0.0',
  worker = 'test/integration/fixtures/processHostWorker.ts',
): Promise<string> {
  const cache = join(repo, '.cache');
  mkdirSync(cache, { recursive: true });
  const outdir = mkdtempSync(join(cache, 'process-host-'));
  await esbuild.build({
    absWorkingDir: repo,
    entryPoints: {
      processHost: 'src/processHost/main.ts',
      screenWorker: 'src/processHost/screenWorker.ts',
      worker,
      processHostClient: 'src/processHost/client.ts',
    },
    outdir,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    mainFields: ['module', 'main'],
    external: ['node-pty'],
    tsconfig: 'tsconfig/node.json',
    define: { 'process.env.ORCHESTRATION_WORKBENCH_VERSION': JSON.stringify(version) },
    logLevel: 'error',
  });
  return outdir;
}

/** One state directory with the clients and processes that a test makes in it. */
export class HostFixture {
  readonly stateDir = mkdtempSync(join(tmpdir(), 'ow-host-'));
  readonly paths = hostPaths(this.stateDir);
  private readonly distDir: string;
  private readonly clients: ProcessHost[] = [];

  constructor(distDir: string) {
    this.distDir = distDir;
  }

  client(options: Partial<ProcessHostClientOptions> = {}): ProcessHost {
    const client = createProcessHostClient({
      stateDir: this.stateDir,
      distDir: this.distDir,
      version: '1.0.0',
      logger: nullLogger,
      execPath: node,
      idleExitMs: 2_000,
      ...options,
    });
    this.clients.push(client);
    return client;
  }

  /** A host under the test's own hand. @param within the program, with arguments, that becomes the host. */
  spawnHost(args: string[] = [], within: string[] = []): ChildProcess {
    const host = [node, join(this.distDir, 'processHost.js'), '--state-dir', this.stateDir, ...args];
    const [program = node, ...rest] = [...within, ...host];
    return spawn(program, rest, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
  }

  /** Ends the host with all its children. */
  async dispose(): Promise<void> {
    for (const client of this.clients) client.dispose();
    const pid = this.hostPid();
    if (pid !== undefined) {
      try {
        process.kill(pid, 'SIGCONT');
        process.kill(pid, 'SIGTERM');
      } catch {
        // It has ended.
      }
      await until(() => !isAlive(pid), 'the host ends');
    }
    rmSync(this.stateDir, { recursive: true, force: true });
  }

  hostPid(): number | undefined {
    try {
      return (JSON.parse(readFileSync(this.paths.endpoint, 'utf8')) as { pid: number }).pid;
    } catch {
      return undefined;
    }
  }
}

export function terminalOptions(
  file: string,
  args: string[],
  more: Partial<SpawnTerminalOptions> = {},
): SpawnTerminalOptions {
  return {
    id: randomUUID(),
    file,
    args,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', LANG: 'C.UTF-8', HOME: tmpdir() },
    cols: 80,
    rows: 24,
    ...more,
  };
}

export const sh = (script: string, more: Partial<SpawnTerminalOptions> = {}): SpawnTerminalOptions =>
  terminalOptions('sh', ['-c', script], more);

export interface Collected {
  readonly chunks: Buffer[];
  readonly gaps: [number, number][];
  readonly sizes: [number, number][];
  /** Offset of the next byte. */
  next: number;
  readonly ended: Promise<TerminalExit>;
  text(): string;
  bytes(): Buffer;
  dispose(): void;
}

/** Follows and keeps everything; fails on bytes that are not the next ones. */
export async function collect(
  host: ProcessHost,
  id: string,
  options: Partial<FollowOptions> & { acks?: boolean } = {},
): Promise<Collected> {
  const { promise, resolve, reject } = Promise.withResolvers<TerminalExit>();
  promise.catch(() => undefined);
  const { acks = true, ...follow } = options;
  const reader: { ack?: (offset: number) => void } = {};
  const collected = {
    chunks: [] as Buffer[],
    gaps: [] as [number, number][],
    sizes: [] as [number, number][],
    next: follow.from ?? 0,
    ended: promise,
    text: () => Buffer.concat(collected.chunks).toString('utf8'),
    bytes: () => Buffer.concat(collected.chunks),
    dispose: () => follower.dispose(),
  };
  const follower = await host.followTerminal(
    id,
    { from: 0, ...follow },
    {
      onData(data, offset) {
        if (offset !== collected.next) reject(new Error(`expected ${collected.next}, got ${offset}`));
        collected.chunks.push(Buffer.from(data));
        collected.next = offset + data.length;
        if (acks) reader.ack?.(collected.next);
      },
      onGap(from, to) {
        collected.gaps.push([from, to]);
        collected.next = to;
      },
      onResize(cols, rows) {
        collected.sizes.push([cols, rows]);
      },
      onEnd: resolve,
      onLost: (error) => reject(new Error(error.message)),
    },
  );
  reader.ack = (offset) => follower.ack(offset);
  if (acks) follower.ack(collected.next);
  return collected;
}

/** Polls until `check` holds; fails after a deadline that says what was waited for. */
export async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await delay(10);
  }
}

/** Alive and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

/** Processes whose command line contains `mark`. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
      } catch {
        return false;
      }
    });
}
