import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endProcesses, processesMarked, waitUntil } from '../harness/processes.ts';
import { buildProduct } from './cliHarness.ts';
import { gateBurst, gateQueueLimit, gateRate } from '../../src/workers/containerTask/eventGate.ts';
import { startFlood } from './callbackFlood.ts';
import { seedExamples, seedMessages, seedProgram } from './seedProgram.ts';
import { pythonWithRequests, residentBytes, TaskFixture } from './containerTaskHarness.ts';

let dist: string;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

describe('a container task', () => {
  it("runs the seed's Python unchanged, and tells its callbacks in order", async () => {
    await using fixture = new TaskFixture(dist);
    const file = fixture.write('seed.py', seedProgram + seedExamples);
    const command = [pythonWithRequests(), file];
    const worker = await fixture.start({ taskId: 'task-001', executable: { type: 'command', command } });
    const output = await worker.output();
    expect(output.match(/Successfully sent/g)).toHaveLength(6);
    expect(worker.messages()).toEqual(seedMessages);
    expect(worker.data('container_task.callback').at(-1)).toMatchObject({
      event_type: 'task_result',
      payload: { output_cid: 'bafy...', status: 'completed' },
      level: 'Info',
      action: 'OrcaTaskResult',
    });
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'succeeded' }]);
    expect(existsSync(worker.spec.paths.endpointFile)).toBe(false);
    expect(existsSync(worker.spec.paths.socket)).toBe(false);
  });

  it('gives its program what is declared and nothing else, and writes no secret down', async () => {
    await using fixture = new TaskFixture(dist);
    const worker = await fixture.start(
      { executable: { type: 'command', command: ['/usr/bin/env'] } },
      { API_KEY: 'canary-4711' },
    );
    const output = await worker.output();
    const [, token = ''] = /ORCA_CALLBACK_TOKEN=(\w+)/.exec(output) ?? [];
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    const names = output
      .trim()
      .split('\r\n')
      .map((line) => line.split('=', 1)[0]);
    expect(names.sort()).toEqual(
      [
        'API_KEY',
        'IPC_SOCKET_PATH',
        'LANG',
        'ORCA_CALLBACK_TOKEN',
        'ORCA_TASK_ID',
        'ORCHESTRATOR_ID',
        'ORCHESTRATOR_TOKEN',
        'PARENT_NODE_CALLBACK_URL',
        'PATH',
        'TERM',
      ].sort(),
    );
    const dir = join(fixture.stateDir, 'host-v1/workers', worker.runId);
    for (const name of ['worker.json', 'journal.jsonl']) {
      const text = readFileSync(join(dir, name), 'utf8');
      expect(text).not.toContain('canary-4711');
      expect(text).not.toContain(token);
    }
  });

  it.each([
    ['exit 0', 'succeeded'],
    ['exit 3', 'failed'],
    ['kill -9 $$', 'failed'],
  ])('takes the end of a program without a result for its outcome: %s', async (script, outcome) => {
    await using fixture = new TaskFixture(dist);
    const command = ['/bin/sh', '-c', script];
    const worker = await fixture.start({ executable: { type: 'command', command } });
    await worker.until('worker.exited');
    expect(worker.data('response.completed')).toMatchObject([{ outcome }]);
  });

  it('is aborted, with all that its program has started', async () => {
    await using fixture = new TaskFixture(dist);
    const command = ['/bin/sh', '-c', 'trap "" INT TERM; sleep 1000 & sleep 1000; wait'];
    const worker = await fixture.start({ executable: { type: 'command', command } });
    await worker.until('runner.step.started');
    const [terminal] = worker.data('runner.terminal');
    await fixture.host.commandWorker(worker.runId, { type: 'abort', data: { reason: 'test' } });
    await worker.until('worker.exited');
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'cancelled' }]);
    expect(processesMarked('ORCHESTRATOR_ID', terminal?.terminal_id ?? '')).toEqual([]);
  });

  it('that is killed takes its program along, and leaves other tasks alone', async () => {
    await using fixture = new TaskFixture(dist);
    const command = ['/bin/sh', '-c', 'sleep 1000'];
    const [worker, other] = await Promise.all([
      fixture.start({ executable: { type: 'command', command } }),
      fixture.start({ executable: { type: 'command', command } }),
    ]);
    await Promise.all([worker.until('runner.step.started'), other.until('runner.step.started')]);
    const [terminal] = worker.data('runner.terminal');
    await endProcesses([worker.pid()]);
    await worker.until('worker.exited');
    await waitUntil('its program is gone', () => {
      return processesMarked('ORCHESTRATOR_ID', terminal?.terminal_id ?? '').length === 0;
    });
    expect(other.types()).not.toContain('worker.exited');
    const { callbackUrl } = await other.endpoint();
    const response = await fetch(callbackUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ taskId: other.spec.taskId, eventType: 'log_entry', data: { message: 'here' } }),
    });
    expect(response.status).toBe(200);
    await fixture.host.killWorker(other.runId);
  });

  it('waits for the container that it wants, and ends with it', async () => {
    await using fixture = new TaskFixture(dist);
    const worker = await fixture.start({ wantsContainer: true });
    await worker.until('container_task.container_wanted');
    await fixture.host.commandWorker(worker.runId, {
      type: 'container_started',
      data: { container_id: 'c1', name: 'n', image: 'i', pod_address: '127.0.0.1:1' },
    });
    await fixture.host.commandWorker(worker.runId, {
      type: 'container_ended',
      data: { exit_code: 137, reason: 'out_of_memory', message: 'It used more memory than it may.' },
    });
    await worker.until('worker.exited');
    expect(worker.data('container_task.program_ended')).toEqual([
      { exit_code: 137, reason: 'out_of_memory', message: 'It used more memory than it may.' },
    ]);
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'failed' }]);
  });
});

describe('a container task under a flood of callbacks', () => {
  it('absorbs 100,000 and more, tells what a log can hold, and harms no other task', {
    timeout: 90_000,
  }, async () => {
    await using fixture = new TaskFixture(dist);
    const executable = { type: 'command', command: ['/bin/sh', '-c', 'sleep 1000'] } as const;
    const [flooded, other] = await Promise.all([
      fixture.start({ taskId: 'flooded', executable }),
      fixture.start({ taskId: 'other', executable }),
    ]);
    const { callbackUrl } = await flooded.endpoint();
    const memoryBefore = residentBytes(flooded.pid());
    const flood = startFlood(new URL(callbackUrl), 'flooded', 100_000);
    const otherUrl = (await other.endpoint()).callbackUrl;
    const waits: number[] = [];
    while (!flood.isDone()) {
      const began = performance.now();
      const response = await fetch(otherUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ taskId: 'other', eventType: 'status_update', data: { message: 'here' } }),
      });
      expect([200, 202]).toContain(response.status);
      waits.push(performance.now() - began);
    }
    const { answers, seconds } = await flood.done;
    const taken = flooded.data('container_task.callback').length;
    const memory = residentBytes(flooded.pid()) - memoryBefore;
    console.log(
      `flood: ${Math.round(100_000 / seconds)} a second, ${taken} told, ${JSON.stringify(answers)}, ` +
        `${(memory / 2 ** 20).toFixed(0)} MiB more, another task waited at most ${Math.max(...waits).toFixed(0)} ms`,
    );
    expect(Object.keys(answers).sort()).toEqual(['200', '429']);
    expect(taken).toBeGreaterThanOrEqual(gateBurst);
    expect(taken).toBeLessThanOrEqual(gateBurst + gateRate * (seconds + 1) + gateQueueLimit);
    expect(memory).toBeLessThan(200 * 2 ** 20);
    expect(Math.max(...waits)).toBeLessThan(5_000);
    // And it is still listened to.
    await waitUntil('it is heard again', async () => {
      const response = await fetch(callbackUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ taskId: 'flooded', eventType: 'task_result', data: { status: 'completed' } }),
      });
      return response.status === 200;
    });
    await Promise.all([fixture.host.killWorker(flooded.runId), fixture.host.killWorker(other.runId)]);
  });
});

describe("a task's JavaScript executable", () => {
  it('has a namespace: logs, keeps things over executions, and is told what needs a chain', async () => {
    await using fixture = new TaskFixture(dist);
    const file = fixture.write(
      'task.js',
      `module.exports = async (namespace) => {
        console.log('before', await namespace.storeGet('count'));
        await globalThis.namespace.storeSet('count', { n: 1 });
        console.log('after', JSON.stringify(await namespace.storeGet('count')));
        await namespace.logger('warn', 'Careful', 'MyAction');
        await namespace.logMessage('error', 'Bad');
        console.log('base', require('node:path').isAbsolute(await namespace.getBasePath()));
        for (const name of ['getSlot', 'nonsense', 'constructor', 'podCall', 'storeGet']) {
          await namespace[name]('x').then((value) => console.log(name, value), (error) => console.log(name + ':', error.message));
        }
        await namespace.route('GET', '/x', () => 1).catch((error) => console.log('route:', error.message));
        console.log('secret', process.env.ORCA_NAMESPACE_SECRET, process.argv.slice(2).join());
      };`,
    );
    const executable = { type: 'node', file, args: ['--one'] } as const;
    const worker = await fixture.start({ taskId: 'js', executable }, { NO_COLOR: '1' });
    expect((await worker.output()).split('\r\n')).toEqual([
      'before null',
      'after {"n":1}',
      'base true',
      'getSlot: namespace.getSlot needs the Koii chain, and this task runs without one.',
      'nonsense: namespace.nonsense is not known.',
      'constructor: namespace.constructor is not known.',
      'podCall: The task has no container: its manifest names none.',
      'storeGet null',
      'route: This task has no public API. Set "publicApi": true in its manifest.',
      'secret undefined --one',
      '',
    ]);
    expect(worker.data('container_task.notification')).toEqual([
      { level: 'Warn', message: 'Careful', action: 'MyAction' },
      { level: 'Error', message: 'Bad', action: 'OrcaTaskSDKNotification' },
    ]);
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'succeeded' }]);
    const again = await fixture.start({ taskId: 'js', executable }, { NO_COLOR: '1' });
    expect(await again.output()).toContain('before { n: 1 }');
  });

  it('fails by what it throws', async () => {
    await using fixture = new TaskFixture(dist);
    const file = fixture.write('task.js', `module.exports = () => Promise.reject(new Error('no luck'));`);
    const worker = await fixture.start({ executable: { type: 'node', file, args: [] } });
    expect(await worker.output()).toContain('no luck');
    expect(worker.data('response.completed')).toMatchObject([{ outcome: 'failed' }]);
  });

  it('serves routes where its manifest asks for a public API', async () => {
    await using fixture = new TaskFixture(dist);
    const file = fixture.write(
      'task.mjs',
      `export default async (namespace) => {
        await namespace.route('POST', '/items/:id', ({ params, query, body }) => ({ id: params.id, q: query.q, body }));
        await namespace.route('GET', '/tea', () => ({ status: 418, headers: { 'x-a': 'b' }, body: 'short' }));
        await namespace.route('GET', '/broken', () => { throw new Error('broken'); });
      };`,
    );
    const worker = await fixture.start({
      taskId: 'api',
      publicApi: true,
      executable: { type: 'node', file, args: [] },
    });
    const ask = async (
      method: string,
      path: string,
      body = '',
    ): Promise<{ status: number; text: string }> => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fixture.places.request('api', { method, path, headers, body: Buffer.from(body) });
      return { status: answer.status, text: Buffer.from(answer.body).toString() };
    };
    await waitUntil('it serves', () => existsSync(worker.spec.paths.apiSocket));
    await waitUntil('its last route', async () => (await ask('GET', '/broken')).status === 500);
    expect(await ask('POST', '/items/7?q=1', '{"a":1}')).toEqual({
      status: 200,
      text: '{"id":"7","q":"1","body":{"a":1}}',
    });
    expect(await ask('GET', '/tea')).toEqual({ status: 418, text: 'short' });
    expect(await ask('GET', '/none')).toMatchObject({ status: 404 });
    await fixture.host.commandWorker(worker.runId, { type: 'abort' });
    await worker.until('worker.exited');
    await expect(ask('GET', '/tea')).rejects.toMatchObject({ reason: 'task_not_running' });
  });
});
