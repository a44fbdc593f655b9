// What a container, or one next to it, may do to the listener of a task: real workers, real sockets.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bodyLimit } from '../../src/workers/containerTask/callbackListener.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, node } from './cliHarness.ts';
import { residentBytes, TaskFixture, type TaskWorker } from './containerTaskHarness.ts';
import type { Order, Outcome } from './fixtures/callbackAttacker.ts';

const attackMs = 1_500;
/** Connections that an attacker holds at a time. */
const crowd = 64;
/**
 * What may be added to a worker's memory by all of it, in bytes: garbage, for the most part, that V8 leaves where it is
 * while there is room.
 */
const memoryLimit = 448 * 2 ** 20;
/** What may still be added after the attacks with the largest bodies, which come first. */
const growthLimit = 128 * 2 ** 20;

let dist: string;
const servers: Server[] = [];

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Attack {
  readonly name: string;
  /** All bytes of one connection. */
  readonly bytes: (scene: { url: URL; otherUrl: URL; taskId: string }) => string | Buffer;
  /** Whether the attacker waits for the listener to close, instead of coming again after an answer. */
  readonly holds?: boolean;
  /** Statuses that may be answered, the most usual first; none where nothing is. */
  readonly statuses: readonly number[];
}

const json = (taskId: string, more: object = {}): string =>
  JSON.stringify({ taskId, eventType: 'log_entry', data: { message: 'attack' }, ...more });

const post = (path: string, body: string | Buffer, headers = 'Content-Type: application/json'): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${String(body)}`;

const attacks: readonly Attack[] = [
  {
    name: 'bodies that are announced too large',
    bytes: ({ url }) =>
      `POST ${url.pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n${'x'.repeat(200_000)}`,
    statuses: [413],
  },
  {
    name: 'bodies that grow too large',
    bytes: ({ url }) => {
      const chunk = `${bodyLimit.toString(16)}\r\n${'x'.repeat(bodyLimit)}\r\n`;
      const head = `POST ${url.pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
      return `${head}${chunk}${chunk}`;
    },
    statuses: [413],
  },
  {
    name: 'the largest bodies that are taken, without waiting for answers',
    bytes: ({ url, taskId }) =>
      post(url.pathname, json(taskId, { data: { message: 'x'.repeat(bodyLimit - 200) } })).repeat(4),
    statuses: [429, 200],
  },
  {
    name: 'bodies nested without end',
    bytes: ({ url }) => post(url.pathname, '['.repeat(100_000) + ']'.repeat(100_000)),
    statuses: [400],
  },
  {
    name: 'no token',
    bytes: ({ taskId }) => post('/orca-callback', json(taskId)).repeat(50),
    statuses: [401],
  },
  {
    name: "another task's token",
    bytes: ({ otherUrl, taskId }) => post(otherUrl.pathname, json(taskId)).repeat(50),
    statuses: [401],
  },
  {
    name: "another task's id",
    bytes: ({ url }) => post(url.pathname, json('other')).repeat(50),
    statuses: [403, 429],
  },
  {
    name: 'malformed bodies',
    bytes: ({ url }) => post(url.pathname, '{"taskId":').repeat(50),
    statuses: [400],
  },
  {
    name: 'another content type',
    bytes: ({ url, taskId }) => post(url.pathname, json(taskId), 'Content-Type: text/plain').repeat(50),
    statuses: [400],
  },
  {
    name: 'a web page',
    bytes: ({ url, taskId }) =>
      post(url.pathname, json(taskId), 'Content-Type: application/json\r\nOrigin: http://a.example').repeat(
        50,
      ),
    statuses: [403],
  },
  { name: 'no HTTP', bytes: () => Buffer.from('16030100ff00', 'hex'), statuses: [400] },
  { name: 'half-open connections', bytes: () => '', holds: true, statuses: [] },
  { name: 'half a request', bytes: ({ url }) => `POST ${url.pathname} HT`, holds: true, statuses: [] },
];

const largeAttacks = attacks.slice(0, 4);

/** Attacks for some time, from a process of its own. */
async function carryOut(
  { bytes, holds = false }: Attack,
  scene: { url: URL; otherUrl: URL; taskId: string },
): Promise<Outcome> {
  const order: Order = {
    host: scene.url.hostname,
    port: Number(scene.url.port),
    from: '127.0.0.2',
    holds,
    durationMs: attackMs,
    crowd,
  };
  const program = join(import.meta.dirname, 'fixtures/callbackAttacker.ts');
  const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', program, JSON.stringify(order)];
  const child = spawn(node, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(bytes(scene));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(text) as Outcome;
}

/** Over a connection of its own, as a client without keep-alive: that has to find room each time. */
function report(url: URL, taskId: string, message: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const request = httpRequest(url, { method: 'POST', agent: false, headers }, (response) => {
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    request.on('error', reject);
    request.end(JSON.stringify({ taskId, eventType: 'log_entry', data: { message } }));
  });
}

/** Reports 50 times a second until told to stop. @returns how long each took, in milliseconds, sorted. */
async function measure(url: URL, isOver: () => boolean): Promise<number[]> {
  const waits: number[] = [];
  while (!isOver()) {
    const began = performance.now();
    expect(await report(url, 'other', 'probe')).toBe(200);
    waits.push(performance.now() - began);
    await delay(20);
  }
  return waits.sort((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

describe('attacks on the listener of a task', () => {
  it('are refused or absorbed, one after the other, and no other task is the worse for them', {
    timeout: 120_000,
  }, async () => {
    await using fixture = new TaskFixture(dist);
    const executable = { type: 'command', command: ['/bin/sh', '-c', 'sleep 1000'] } as const;
    const [attacked, other] = await Promise.all([
      fixture.start({ taskId: 'attacked', executable }),
      fixture.start({ taskId: 'other', executable }),
    ]);
    const url = new URL((await attacked.endpoint()).callbackUrl);
    const otherUrl = new URL((await other.endpoint()).callbackUrl);
    const quietEnd = Date.now() + 1_000;
    const quiet = await measure(otherUrl, () => Date.now() > quietEnd);
    const lines = [`quiet: p50 ${at(quiet, 0.5).toFixed(1)}, p99 ${at(quiet, 0.99).toFixed(1)} ms`];
    console.log(lines[0]);
    const before = residentBytes(attacked.pid());
    let probes = 0;
    let grown = Number.NaN;
    for (const attack of attacks) {
      let isOver = false;
      const measured = measure(otherUrl, () => isOver);
      const { statuses, connections } = await carryOut(attack, { url, otherUrl, taskId: 'attacked' });
      isOver = true;
      const waits = await measured;
      probes += waits.length;
      const memory = residentBytes(attacked.pid()) - before;
      lines.push(
        `${attack.name}: ${connections} connections, ${JSON.stringify(statuses)}, another task waited p50 ` +
          `${at(waits, 0.5).toFixed(1)}, p99 ${at(waits, 0.99).toFixed(1)} ms, ${(memory / 2 ** 20).toFixed(0)} MiB more`,
      );
      console.log(lines.at(-1));
      const [usual] = attack.statuses;
      expect(connections, attack.name).toBeGreaterThanOrEqual(crowd);
      expect(
        Object.keys(statuses)
          .map(Number)
          .filter((status) => !attack.statuses.includes(status)),
        attack.name,
      ).toEqual([]);
      if (usual !== undefined) expect(statuses[String(usual)], attack.name).toBeGreaterThan(0);
      expect(memory, attack.name).toBeLessThan(memoryLimit);
      if (attack === largeAttacks.at(-1)) grown = memory;
      else if (!largeAttacks.includes(attack)) expect(memory - grown, attack.name).toBeLessThan(growthLimit);
      // Two cores carry the attackers, the attacked and the other: what counts is that nobody waits for long.
      expect(at(waits, 0.5), attack.name).toBeLessThan(100);
      expect(at(waits, 1), attack.name).toBeLessThan(2_000);
      await waitUntil(
        `it is heard after ${attack.name}`,
        async () => (await report(url, 'attacked', attack.name)) === 200,
      );
    }
    // What is journaled is heard of a moment later. Nothing of the attackers was taken for the task's, but what its own
    // token has sent.
    const told = (): string[] => {
      const messages = attacked
        .data('container_task.callback')
        .map(({ payload }) => String(payload['message']));
      return messages.filter((message) => !message.startsWith('x')).sort();
    };
    await waitUntil('all is heard of', () => {
      const reported = other.data('container_task.callback').length;
      return told().length >= attacks.length && reported >= quiet.length + probes;
    });
    expect(told()).toEqual(attacks.map(({ name }) => name).sort());
    expect(other.data('container_task.callback')).toHaveLength(quiet.length + probes);
    const refused = attacked.data('container_task.refused');
    expect(refused.reduce((sum, { unauthenticated }) => sum + unauthenticated, 0)).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(20);
    await endAll(fixture, attacked, other);
  });

  it('by connections of others that say nothing do not keep the task itself out', async () => {
    await using fixture = new TaskFixture(dist);
    const executable = { type: 'command', command: ['/bin/sh', '-c', 'sleep 1000'] } as const;
    const attacked = await fixture.start({ taskId: 'other', executable });
    const url = new URL((await attacked.endpoint()).callbackUrl);
    const attack: Attack = { name: 'idle', bytes: () => 'POST /', holds: true, statuses: [] };
    let isOver = false;
    const measured = measure(url, () => isOver);
    await carryOut(attack, { url, otherUrl: url, taskId: 'other' });
    isOver = true;
    const waits = await measured;
    console.log(
      `beside ${crowd} idle connections its own reports took at most ${at(waits, 1).toFixed(1)} ms`,
    );
    expect(waits.length).toBeGreaterThan(20);
    await endAll(fixture, attacked);
  });
});

describe('a container that never answers podCall', () => {
  it('keeps its task neither from logging nor from ending', async () => {
    await using fixture = new TaskFixture(dist);
    const asked: Socket[] = [];
    const silent = createServer((socket) => {
      asked.push(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    servers.push(silent);
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => {
        const address = silent.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const file = fixture.write(
      'task.js',
      `module.exports = async (namespace) => {
        const isThere = () => namespace.podCall('healthz', { method: 'POST', timeout: 200 }).then(() => '', (error) => error.message);
        let answer = await isThere();
        while (answer.includes('does not answer yet')) answer = await isThere();
        await namespace.logger('log', answer);
        const calls = Array.from({ length: 20 }, () => namespace.podCall('task/1', { method: 'POST' }).catch((error) => error.message));
        await namespace.logger('log', await Promise.race(calls));
        await Promise.all(calls);
      };`,
    );
    const executable = { type: 'node', file, args: [] } as const;
    const worker = await fixture.start({ taskId: 'js', executable, wantsContainer: true });
    await worker.until('container_task.container_wanted');
    await fixture.host.commandWorker(worker.runId, {
      type: 'container_started',
      data: { container_id: 'c', name: 'n', image: 'i', pod_address: `127.0.0.1:${port}` },
    });
    await waitUntil('it has logged', () => worker.messages().length === 2);
    expect(worker.messages()).toEqual([
      'The task did not answer within 0.2 s.',
      '16 calls of the container wait for their answers. Wait for one of them before the next.',
    ]);
    await waitUntil('sixteen wait', () => asked.length === 17);
    const began = Date.now();
    await fixture.host.commandWorker(worker.runId, { type: 'abort', data: { reason: 'test' } });
    await worker.until('worker.exited');
    expect(Date.now() - began).toBeLessThan(5_000);
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'cancelled' }]);
  });

  it('is no more than a container that answers: each path of the contract, as a program asks for it', async () => {
    await using fixture = new TaskFixture(dist);
    const heard: string[] = [];
    const container = createHttpServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        heard.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`);
        if (request.url === '/submission/2') response.statusCode = 404;
        response.setHeader('content-type', 'application/json');
        response.end(request.url === '/audit' ? 'true' : JSON.stringify({ path: request.url }));
      });
    });
    servers.push(container);
    const port = await new Promise<number>((resolve) => {
      container.listen(0, '127.0.0.1', () => {
        const address = container.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const file = fixture.write(
      'task.js',
      `module.exports = async (namespace) => {
        const ask = async (path, options) => {
          const { data, status } = await namespace.podCall(path, options);
          console.log(String(status), JSON.stringify(data));
        };
        const ready = () => ask('healthz', { method: 'POST' }).catch((error) => error.message);
        let answer = await ready();
        while (answer !== undefined) answer = await ready();
        await ask('task/1', { method: 'POST' });
        await ask('/task/1');
        await ask('submission/1');
        await ask('submission/2');
        await ask('audit', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ submission: 'x' }) });
        await ask('http://127.0.0.2/x');
      };`,
    );
    const executable = { type: 'node', file, args: [] } as const;
    const worker = await fixture.start({ taskId: 'js', executable, wantsContainer: true });
    await worker.until('container_task.container_wanted');
    await fixture.host.commandWorker(worker.runId, {
      type: 'container_started',
      data: { container_id: 'c', name: 'n', image: 'i', pod_address: `127.0.0.1:${port}` },
    });
    expect((await worker.output()).split('\r\n')).toEqual([
      '200 {"path":"/healthz"}',
      '200 {"path":"/task/1"}',
      '200 {"path":"/task/1"}',
      '200 {"path":"/submission/1"}',
      '404 {"path":"/submission/2"}',
      '200 true',
      '200 {"path":"/http://127.0.0.2/x"}',
      '',
    ]);
    expect(heard).toEqual([
      'POST /healthz ',
      'POST /task/1 ',
      'GET /task/1 ',
      'GET /submission/1 ',
      'GET /submission/2 ',
      'POST /audit {"submission":"x"}',
      'GET /http://127.0.0.2/x ',
    ]);
  });
});

async function endAll(fixture: TaskFixture, ...workers: TaskWorker[]): Promise<void> {
  await Promise.all(workers.map(({ runId }) => fixture.host.killWorker(runId)));
}
