import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import { isAlive } from '../../src/processHost/processTable.ts';
import { type CountedCalls, makeFakeAgent, startCallingCore } from '../integration/agentHarness.ts';
import { plainEnvironment, startHostUnderTest } from './hostUnderTest.ts';
import { percentile, report } from './race.ts';

/** Two events each. */
const sizes = (process.env['ORCHESTRATOR_BENCH_CALLS'] ?? '30000,50000').split(',').map(Number);
const distDir = resolve(import.meta.dirname, '../../dist');
const everyMs = 10;
const quietEchoes = 200;
/** What a process takes to load its program. */
const startingMs = 400;

interface Outcome extends CountedCalls {
  readonly status: string;
  readonly error?: { readonly message: string };
  readonly seconds: number;
}

/** One run with very many events: how fast they are stored, and what it costs those beside it. */
export async function benchEvents(): Promise<void> {
  for (const calls of sizes) await benchCalls(calls);
}

async function benchCalls(calls: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-events-'));
  const delays = join(folder, 'loop.json');
  const agent = makeFakeAgent();
  const underTest = await startHostUnderTest({ execPath: watchedNode(folder, delays) });
  const memory = new MemoryWatch();
  const [quiet, answers, echoes]: [number[], number[], number[]] = [[], [], []];
  let outcome: Outcome;
  try {
    const { host, stateDir } = underTest;
    const echo = await openEcho(host);
    for (let count = 0; count < quietEchoes; count += 1) {
      quiet.push(await timed(echo));
      await delay(everyMs);
    }
    const hostPid = (await host.stats())?.pid;
    const core = startCallingCore(stateDir, distDir, agent.dir, String(calls));
    // Until it says that the run has ended: then it reads all events again.
    while (core.lines.length < 2 && isAlive(core.pid ?? 0)) {
      answers.push(await timed(() => host.stats()));
      echoes.push(await timed(echo));
      const worker = (await host.listWorkers()).find(({ isAlive }) => isAlive);
      for (const [name, pid] of Object.entries({ host: hostPid, core: core.pid, worker: worker?.pid })) {
        memory.note(name, pid);
      }
      await delay(everyMs);
    }
    await core.closed;
    outcome = JSON.parse(core.lines.at(-1) ?? '') as Outcome;
  } finally {
    await underTest.dispose();
    agent[Symbol.dispose]();
  }
  const loop = JSON.parse(readFileSync(delays, 'utf8')) as Record<'p50' | 'p99' | 'max', number>;
  rmSync(folder, { recursive: true, force: true });
  report(`one run of ${calls} tool calls`, {
    outcome: outcome.error?.message ?? outcome.status,
    events: outcome.events,
    'out of order': outcome.wrong,
    missing: outcome.missing,
    'events/s (target 3,000)': outcome.events / outcome.seconds,
    'loop of the host, p50 p99 max (ms)': joined([loop.p50, loop.p99, loop.max]),
    'answers of the host': shares(answers),
    'echo of a terminal before it': shares(quiet),
    'echo of a terminal beside it': shares(echoes),
    ...memory.figures(),
  });
}

/** A program that runs Node so that it tells the delays of its event loop. */
function watchedNode(folder: string, delays: string): string {
  const url = pathToFileURL(join(import.meta.dirname, 'events/loopDelay.mjs'));
  url.searchParams.set('to', delays);
  const path = join(folder, 'node');
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' --import '${url.href}' "$@"\n`, { mode: 0o700 });
  return path;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
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

/** What processes take of the memory: once they have started, and at most. */
class MemoryWatch {
  private readonly processes = new Map<string, { readonly atMs: number; first: number; most: number }>();

  note(name: string, pid: number | undefined): void {
    const mib = pid === undefined ? undefined : residentMiB(pid);
    if (mib === undefined) return;
    const now = performance.now();
    const known = this.processes.get(name) ?? { atMs: now, first: mib, most: mib };
    if (now < known.atMs + startingMs) known.first = mib;
    known.most = Math.max(known.most, mib);
    this.processes.set(name, known);
  }

  figures(): Record<string, string> {
    const rows = [...this.processes].map(([name, { first, most }]) => [
      `${name}, started and at most (MiB)`,
      `${first.toFixed(0)} ${most.toFixed(0)}`,
    ]);
    return Object.fromEntries(rows) as Record<string, string>;
  }
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

function shares(samples: readonly number[]): string {
  const sorted = [...samples].sort((a, b) => a - b);
  return joined([0.5, 0.99, 1].map((share) => percentile(sorted, share)));
}

function joined(figures: readonly number[]): string {
  return figures.map((figure) => figure.toFixed(1)).join(' ');
}
