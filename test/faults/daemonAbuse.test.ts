/**
 * Clients that mean ill beside one that does not. DAEMON_ABUSE_MS says how long each kind goes on; the default is what
 * a run of all tests has time for.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type AbuseKind, abuseKinds } from './daemonAbuseKinds.ts';
import type { AbuseReport } from './daemonAbuser.ts';

const durationMs = Number(process.env['DAEMON_ABUSE_MS'] ?? 1_000);
const maxGrowthBytes = 64 * 1024 * 1024;
const maxAbuserMs = 10_000;
/** Below it the machine says more about itself than about the server. */
const floorMs = 10;
const pingEveryMs = 12;
const healthyConnections = 4;

const execArgv = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
const script = (name: string): string => join(import.meta.dirname, name);

let server: ChildProcess;
let port: number;
const healthy: WebSocket[] = [];
let normalP99 = 0;
let normalRss = 0;

beforeAll(async () => {
  server = fork(script('daemonAbuseServer.ts'), [], { execArgv });
  [port] = (await once(server, 'message')) as [number];
  for (let index = 0; index < healthyConnections; index += 1) {
    const client = new WebSocket(`ws://127.0.0.1:${port}`, { headers: { 'x-api-key': 'healthy' } });
    await once(client, 'message');
    healthy.push(client);
  }
  await measure(delay(1_000));
  normalP99 = await measure(delay(1_500));
  normalRss = rssOf(server);
});
afterAll(() => {
  for (const client of healthy) client.terminate();
  server.kill('SIGKILL');
});

function rssOf({ pid = 0 }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) * 1_024;
}

/** Pings one after the other, from all connections, until something is over. @returns the 99th percentile, in ms. */
async function measure(over: Promise<unknown>): Promise<number> {
  let isOver = false;
  void over.then(() => (isOver = true));
  const times: number[] = [];
  await Promise.all(
    healthy.map(async (client) => {
      while (!isOver) {
        const began = performance.now();
        client.send('{"type":"ping"}');
        const [answer] = (await once(client, 'message')) as [Buffer];
        expect(answer.toString()).toContain('"pong"');
        times.push(performance.now() - began);
        await delay(pingEveryMs);
      }
    }),
  );
  times.sort((a, b) => a - b);
  return times[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;
}

async function reasonsSoFar(): Promise<readonly string[]> {
  server.send('reasons');
  const [reasons] = (await once(server, 'message')) as [string[]];
  return reasons;
}

describe(`${Object.keys(abuseKinds).length} kinds of abuse`, () => {
  it.each(Object.keys(abuseKinds) as AbuseKind[])(
    '%s',
    async (kind) => {
      await reasonsSoFar();
      const abuser = fork(script('daemonAbuser.ts'), [kind, String(port), String(durationMs)], { execArgv });
      let peakRss = 0;
      const watch = setInterval(() => (peakRss = Math.max(peakRss, rssOf(server))), 50);
      try {
        const ended = once(abuser, 'message') as Promise<[AbuseReport]>;
        const p99 = await measure(ended);
        const [report] = await ended;
        const said = [...(await reasonsSoFar()), ...report.refusals];
        expect(report.connections).toBeGreaterThan(0);
        expect(
          said.some((line) => abuseKinds[kind].test(line)),
          said.slice(0, 5).join('\n'),
        ).toBe(true);
        expect(report.longestMs).toBeLessThan(maxAbuserMs);
        expect(peakRss - normalRss).toBeLessThan(maxGrowthBytes);
        expect(p99).toBeLessThan(Math.max(floorMs, normalP99 * 2));
        if (process.env['DAEMON_ABUSE_REPORT'] !== undefined) {
          console.log(
            kind,
            report.connections,
            Math.round(report.longestMs),
            Math.round((peakRss - normalRss) / 2 ** 20),
            normalP99.toFixed(2),
            p99.toFixed(2),
          );
        }
      } finally {
        clearInterval(watch);
        abuser.kill('SIGKILL');
      }
    },
    durationMs + 30_000,
  );
});
