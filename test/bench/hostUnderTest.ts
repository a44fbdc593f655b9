import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nullLogger } from '../../src/base/logger.ts';
import type { ProcessHost, TerminalExit } from '../../src/core/ports/processHost.ts';
import { createProcessHostClient } from '../../src/processHost/client.ts';
import { isAlive } from '../../src/processHost/processTable.ts';

/** A process host of its own for one benchmark, from the built bundles, in a folder that goes with it. */
export interface HostUnderTest {
  readonly host: ProcessHost;
  readonly stateDir: string;
  /** Another client of the same process host. */
  connectAnother(): Promise<ProcessHost>;
  dispose(): Promise<void>;
}

const distDir = resolve(import.meta.dirname, '../../dist');

export interface HostUnderTestOptions {
  /** What runs the host instead of this Node. */
  readonly execPath?: string;
}

export async function startHostUnderTest(options: HostUnderTestOptions = {}): Promise<HostUnderTest> {
  const stateDir = mkdtempSync(join(tmpdir(), 'orchestrator-bench-'));
  const common = { stateDir, distDir, version: 'bench', logger: nullLogger, ...options };
  const connect = async (): Promise<ProcessHost> => {
    const client = createProcessHostClient(common);
    await client.ensureConnected();
    return client;
  };
  const host = await connect();
  return {
    host,
    stateDir,
    connectAnother: connect,
    async dispose() {
      const stats = await host.stats();
      host.dispose();
      if (stats !== undefined) {
        process.kill(stats.pid, 'SIGTERM');
        // It writes to its folder until it is gone.
        while (isAlive(stats.pid)) await delay(20);
      }
      rmSync(stateDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

export const plainEnvironment: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: process.env['HOME'] ?? '/',
  TERM: 'xterm-256color',
  LANG: 'C.UTF-8',
};

/** What it takes of the machine: pages that it shares with others count by its share. */
export function ownMiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? Number.NaN) / 1024;
}

/** Runs one program in a terminal, hands its bytes to `onData`, and answers with its end. */
export async function runInTerminal(
  host: ProcessHost,
  file: string,
  args: readonly string[],
  onData: (data: Uint8Array) => void,
): Promise<TerminalExit> {
  const id = crypto.randomUUID();
  await host.spawnTerminal({ id, file, args, cwd: '/', env: plainEnvironment, cols: 80, rows: 24 });
  return new Promise<TerminalExit>((resolveExit, reject) => {
    const follower = host.followTerminal(
      id,
      { from: 0, windowBytes: 1_048_576 },
      {
        onData(data, offset) {
          onData(data);
          void follower.then((one) => {
            one.ack(offset + data.byteLength);
          });
        },
        onEnd: resolveExit,
        onLost: (error) => {
          reject(new Error(error.message));
        },
      },
    );
    follower.catch(reject);
  });
}
