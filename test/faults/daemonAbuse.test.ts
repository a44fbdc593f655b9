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
/** What may be left of all of them, once it was collected. */
const maxLeftBytes = 8 * 1024 * 1024;
const maxAbuserMs = 10_000;
/**
 * Below it the machine says more about itself than about the server. In a second one pause of a busy machine is all of
 * the slowest hundredth, which is why a kind is tried again; with a minute each, on a machine that does nothing else,
 * 10 is right.
 */
const floorMs = Number(process.env['DAEMON_ABUSE_FLOOR_MS'] ?? 50);
const beforeMs = 500;
const pingEveryMs = 12;
const healthyConnections = 4;

const execArgv = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
const script = (name: string): string => join(import.meta.dirname, name);

let server: ChildProcess;
let port: number;
const servers: ChildProcess[] = [];
const healthy: WebSocket[] = [];
/** Of another server, that nobody abuses: what the machine does meanwhile hits it as well. */
const control: WebSocket[] = [];
let normalBytes = 0;

beforeAll(async () => {
  const start = async (clients: WebSocket[]): Promise<[ChildProcess, number]> => {
    const child = fork(script('daemonAbuseServer.ts'), [], { execArgv: [...execArgv, '--expose-gc'] });
    servers.push(child);
    const [at] = (await once(child, 'message')) as [number];
    for (let index = 0; index < healthyConnections; index += 1) {
      const client = new WebSocket(`ws://127.0.0.1:${at}`, { headers: { 'x-api-key': 'healthy' } });
      await once(client, 'message');
      client.on('error', () => undefined);
      clients.push(client);
    }
    return [child, at];
  };
  [server, port] = await start(healthy);
  await start(control);
  await Promise.all([measure(healthy, delay(1_000)), measure(control, delay(1_000))]);
  normalBytes = await bytesInUse();
});
afterAll(() => {
  for (const client of [...healthy, ...control]) client.terminate();
  for (const child of servers) child.kill('SIGKILL');
});

function rssOf({ pid = 0 }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) * 1_024;
}

/** Pings one after the other, from all connections, until something is over. @returns the 99th percentile, in ms. */
async function measure(clients: readonly WebSocket[], over: Promise<unknown>): Promise<number> {
  let isOver = false;
  void over.then(() => (isOver = true));
  const times: number[] = [];
  await Promise.all(
    clients.map(async (client) => {
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

async function bytesInUse(): Promise<number> {
  server.send('bytes');
  const [bytes] = (await once(server, 'message')) as [number];
  return bytes;
}

describe(`${Object.keys(abuseKinds).length} kinds of abuse`, () => {
  it.each(Object.keys(abuseKinds) as AbuseKind[])(
    '%s',
    { timeout: durationMs + 30_000, retry: 2 },
    async (kind) => {
      await reasonsSoFar();
      const abuser = fork(script('daemonAbuser.ts'), [kind, String(port), String(durationMs)], { execArgv });
      let peakRss = 0;
      const watch = setInterval(() => {
        // Where it has ended, the healthy clients say so.
        if (server.exitCode === null && server.signalCode === null)
          peakRss = Math.max(peakRss, rssOf(server));
      }, 50);
      try {
        // The start of a process is no abuse.
        await once(abuser, 'message');
        const [before] = await Promise.all([
          measure(healthy, delay(beforeMs)),
          measure(control, delay(beforeMs)),
        ]);
        const normalRss = rssOf(server);
        const ended = once(abuser, 'message') as Promise<[AbuseReport]>;
        abuser.send('go');
        const [p99, elsewhere] = await Promise.all([measure(healthy, ended), measure(control, ended)]);
        const [report] = await ended;
        const said = [...(await reasonsSoFar()), ...report.refusals];
        expect(report.connections).toBeGreaterThan(0);
        expect(
          said.some((line) => abuseKinds[kind].test(line)),
          said.slice(0, 5).join('\n'),
        ).toBe(true);
        expect(report.longestMs).toBeLessThan(maxAbuserMs);
        expect(peakRss - normalRss).toBeLessThan(maxGrowthBytes);
        expect(p99).toBeLessThan(Math.max(floorMs, Math.max(before, elsewhere) * 2));
        if (process.env['DAEMON_ABUSE_REPORT'] !== undefined) {
          console.log(
            kind,
            report.connections,
            Math.round(report.longestMs),
            Math.round((peakRss - normalRss) / 2 ** 20),
            before.toFixed(2),
            elsewhere.toFixed(2),
            p99.toFixed(2),
          );
        }
      } finally {
        clearInterval(watch);
        abuser.kill('SIGKILL');
      }
    },
  );

  it('leaves nothing behind', async () => {
    expect((await bytesInUse()) - normalBytes).toBeLessThan(maxLeftBytes);
  });
});
