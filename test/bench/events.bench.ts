import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import { makeFakeAgent } from '../integration/agentHarness.ts';
import { plainEnvironment, startHostUnderTest } from './hostUnderTest.ts';
import { percentile, report } from './race.ts';

/** Two events each. */
const sizes = (process.env['ORCHESTRATOR_BENCH_CALLS'] ?? '30000,50000').split(',').map(Number);
const distDir = resolve(import.meta.dirname, '../../dist');
const everyMs = 10;

interface Outcome {
  readonly status: string;
  readonly error?: { readonly message: string };
  readonly events: number;
  readonly seconds: number;
  /** Calls that came out of order, and events of calls that did not come. */
  readonly wrong: number;
  readonly missing: number;
}

/** One run with very many events: how fast they are stored, and what it costs those beside it. */
export async function benchEvents(): Promise<void> {
  for (const calls of sizes) await benchCalls(calls);
}

async function benchCalls(calls: number): Promise<void> {
  const underTest = await startHostUnderTest();
  const agent = makeFakeAgent();
  try {
    const { host, stateDir } = underTest;
    const echo = await openEcho(host);
    const hostPid = (await host.stats())?.pid ?? 0;
    const program = join(import.meta.dirname, 'events/core.ts');
    const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', program];
    const core = spawn(process.execPath, [...args, stateDir, distDir, agent.dir, String(calls)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    core.stdout.on('data', (data: Buffer) => (said += data.toString()));
    const exited = new Promise<void>((done) => core.once('exit', () => done()));
    let isOver = false;
    void exited.then(() => (isOver = true));
    const memory = new Map<string, { first: number; most: number }>();
    const [answers, echoes]: [number[], number[]] = [[], []];
    while (!isOver) {
      const startMs = performance.now();
      await host.stats();
      const answeredMs = performance.now();
      answers.push(answeredMs - startMs);
      await echo();
      echoes.push(performance.now() - answeredMs);
      const [worker] = (await host.listWorkers()).filter(({ isAlive }) => isAlive);
      for (const [name, pid] of Object.entries({ host: hostPid, core: core.pid, worker: worker?.pid })) {
        note(memory, name, pid);
      }
      await delay(everyMs);
    }
    const outcome = JSON.parse(said) as Outcome;
    const growth = [...memory].map(([name, { first, most }]) => [
      `${name}, memory at first and at most (MiB)`,
      `${first.toFixed(0)} ${most.toFixed(0)}`,
    ]);
    report(`one run of ${calls} tool calls`, {
      outcome: outcome.error?.message ?? outcome.status,
      events: outcome.events,
      'out of order': outcome.wrong,
      missing: outcome.missing,
      'events/s (target 3,000)': outcome.events / outcome.seconds,
      ...figures('answer of the host, ms (target p99 50)', answers),
      ...figures('echo of a terminal beside it, ms (target p99 50)', echoes),
      ...Object.fromEntries(growth),
    });
  } finally {
    await underTest.dispose();
    agent[Symbol.dispose]();
  }
}

/** A terminal that says what it hears. @returns writes to it and resolves with its answer. */
async function openEcho(host: ProcessHost): Promise<() => Promise<void>> {
  const id = crypto.randomUUID();
  const args = ['-c', 'stty raw -echo; echo ready; exec cat'];
  const [cols, rows] = [80, 24];
  await host.spawnTerminal({ id, file: 'sh', args, cwd: '/', env: plainEnvironment, cols, rows });
  const ready = Promise.withResolvers<undefined>();
  let heard = (): void => ready.resolve(undefined);
  const follower = await host.followTerminal(
    id,
    { from: 0, isForeground: true },
    {
      onData(data, offset) {
        setImmediate(() => follower.ack(offset + data.length));
        heard();
      },
    },
  );
  await ready.promise;
  return async () => {
    const { promise, resolve: answered } = Promise.withResolvers<undefined>();
    heard = () => answered(undefined);
    await host.writeTerminal(id, 'x');
    await promise;
  };
}

function note(
  memory: Map<string, { first: number; most: number }>,
  name: string,
  pid: number | undefined,
): void {
  if (pid === undefined) return;
  const mib = residentMiB(pid);
  if (mib === undefined) return;
  const known = memory.get(name);
  if (known === undefined) memory.set(name, { first: mib, most: mib });
  else known.most = Math.max(known.most, mib);
}

function residentMiB(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    // It has ended.
    return undefined;
  }
}

function figures(name: string, samples: readonly number[]): Record<string, string> {
  const sorted = [...samples].sort((a, b) => a - b);
  const shares = [0.5, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1));
  return { [`${name}: p50, p99, max`]: shares.join(' ') };
}
