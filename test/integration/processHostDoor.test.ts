import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrchestratorError } from '../../src/base/errors.ts';
import { systemIds } from '../../src/base/ids.ts';
import type { ProcessHost, WorkerEvent } from '../../src/core/ports/processHost.ts';
import { encodeJson } from '../../src/processHost/frames.ts';
import type { EndpointFile } from '../../src/protocol/processHost.ts';
import {
  buildHost,
  collect,
  HostFixture,
  isAlive,
  processesWith,
  sh,
  terminalOptions,
  until,
} from './processHostHarness.ts';

let distDir: string;
let fixture: HostFixture;

beforeAll(async () => {
  distDir = await buildHost();
});

afterAll(() => {
  rmSync(distDir, { recursive: true, force: true });
});

beforeEach(() => {
  fixture = new HostFixture(distDir);
});

afterEach(async () => {
  await fixture.dispose();
});

const endpoint = (): EndpointFile => JSON.parse(readFileSync(fixture.paths.endpoint, 'utf8')) as EndpointFile;

/** Sends raw bytes and waits for the host to close the connection. */
function knock(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const answer: Buffer[] = [];
    const socket: Socket = connect(endpoint().socket, () => {
      socket.write(bytes);
    });
    socket.on('data', (chunk) => answer.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(Buffer.concat(answer));
    });
    setTimeout(() => {
      reject(new Error('still open'));
    }, 8_000).unref();
  });
}

describe('start', () => {
  it('connects to nothing and starts nothing unless asked', async () => {
    const host = fixture.client();
    expect(await host.connectIfRunning()).toBe(false);
    expect(host.connection).toEqual({ state: 'absent' });
    expect(fixture.hostPid()).toBeUndefined();
    expect(await host.stats()).toBeUndefined();
  });

  it('is one for all who start it at once', async () => {
    const clients = Array.from({ length: 6 }, () => fixture.client());
    await Promise.all(clients.flatMap((client) => [client.ensureConnected(), client.ensureConnected()]));
    const pids = await Promise.all(clients.map(async (client) => (await client.stats())?.pid));
    expect(new Set(pids)).toEqual(new Set([fixture.hostPid()]));
    await until(() => processesWith(fixture.stateDir).length === 1, 'the losers end');
    expect((await clients[0]?.stats())?.clients).toBe(6);
  });

  it('keeps its files to itself', async () => {
    await fixture.client().ensureConnected();
    const { root, socket, endpoint: file } = fixture.paths;
    expect(statSync(root).mode & 0o777).toBe(0o700);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('repairs modes, refuses a link or a file in its place', async () => {
    chmodSync(fixture.stateDir, 0o755);
    await fixture.client().ensureConnected();
    expect(statSync(fixture.stateDir).mode & 0o777).toBe(0o700);
    const other = new HostFixture(distDir);
    rmSync(other.stateDir, { recursive: true });
    symlinkSync('/tmp', other.stateDir);
    await expect(other.client().ensureConnected()).rejects.toMatchObject({ reason: 'state_dir_unsafe' });
    rmSync(other.stateDir);
    await other.dispose();
  });

  it('lets a stale socket and a stale endpoint be', async () => {
    mkdirSync(fixture.paths.root, { mode: 0o700 });
    const listener = createServer().listen(fixture.paths.socket);
    await new Promise((resolve) => listener.once('listening', resolve));
    const fresh = `${fixture.paths.socket}.kept`;
    symlinkSync(fixture.paths.socket, fresh);
    writeFileSync(
      fixture.paths.endpoint,
      JSON.stringify({ protocol: 1, socket: fixture.paths.socket, token: 'x'.repeat(64), pid: 1 }),
    );
    await new Promise((resolve) => listener.close(resolve));
    const host = fixture.client();
    expect(await host.connectIfRunning()).toBe(false);
    await host.ensureConnected();
    expect(host.connection.state).toBe('connected');
  });

  it('uses a short socket where the path of the state directory is long', async () => {
    const long = join(fixture.stateDir, 'd'.repeat(90));
    mkdirSync(long);
    const host = fixture.client({ stateDir: long });
    await host.ensureConnected();
    const stats = await host.stats();
    process.kill(stats?.pid ?? 0, 'SIGTERM');
    await until(() => !isAlive(stats?.pid ?? 0), 'it ends');
  });

  it('tells why it does not start', async () => {
    const host = fixture.client({ distDir: '/nowhere' });
    await expect(host.ensureConnected()).rejects.toMatchObject({ reason: 'process_host_failed_to_start' });
    expect(host.connection.state).toBe('absent');
    const wrongNode = fixture.client({ execPath: '/bin/false' });
    await expect(wrongNode.ensureConnected()).rejects.toMatchObject({
      reason: 'process_host_failed_to_start',
    });
  });

  it('makes room for another version when nothing runs, and serves on otherwise', async () => {
    const newer = await buildHost('2.0.0');
    try {
      const old = fixture.client();
      const options = sh('read line');
      await old.spawnTerminal(options);
      const pid = fixture.hostPid();
      old.dispose();
      const client = fixture.client({ distDir: newer, version: '2.0.0' });
      await client.ensureConnected();
      expect(client.connection).toMatchObject({ state: 'connected', pid, version: '1.0.0' });
      await client.killTerminal(options.id);
      client.dispose();
      const again = fixture.client({ distDir: newer, version: '2.0.0' });
      await until(async () => {
        await again.ensureConnected();
        return again.connection.state === 'connected' && again.connection.version === '2.0.0';
      }, 'the newer host serves');
      expect((await again.listTerminals())[0]?.exit?.reason).toBe('killed');
    } finally {
      rmSync(newer, { recursive: true, force: true });
    }
  });
});

describe('the door', () => {
  const hello = (token: string): Buffer =>
    encodeJson({
      id: 1,
      method: 'hello',
      params: { protocol: 1, oldestProtocol: 1, version: '1.0.0', token, role: 'client' },
    });

  it('closes on wrong tokens, bad frames, and silence', async () => {
    await fixture.client().ensureConnected();
    expect((await knock(hello('0'.repeat(64)))).toString()).toContain('"unauthenticated"');
    expect((await knock(hello('short'))).toString()).toContain('"invalid_request"');
    expect((await knock(encodeJson({ id: 1, method: 'listTerminals', params: {} }))).toString()).toContain(
      'unauthenticated',
    );
    expect((await knock(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).length).toBe(0);
    expect((await knock(Buffer.from([0xff, 0xff, 0xff, 0xff, 0]))).length).toBe(0);
    expect((await knock(Buffer.from([0, 0, 0, 2, 0, 0x7b]))).length).toBe(0);
    expect((await knock(Buffer.from([0, 0, 0, 5, 0]))).length).toBe(0);
    const params = { protocol: 9, oldestProtocol: 9, version: '9', token: endpoint().token, role: 'client' };
    expect((await knock(encodeJson({ id: 1, method: 'hello', params }))).toString()).toContain(
      'process_host_incompatible',
    );
  });

  it('refuses bad requests with a clear error, and goes on', async () => {
    const host = fixture.client();
    const reject = async (promise: Promise<unknown>, reason: string, text: string): Promise<void> => {
      const error: unknown = await promise.then(
        () => undefined,
        (failure: unknown) => failure,
      );
      expect(error).toBeInstanceOf(OrchestratorError);
      expect(error).toMatchObject({ reason });
      expect((error as Error).message).toContain(text);
    };
    const good = sh('sleep 100');
    await reject(host.spawnTerminal({ ...good, id: '../../etc' }), 'invalid_request', 'UUID');
    await reject(host.spawnTerminal({ ...good, cols: 0 }), 'invalid_request', 'cols');
    await reject(host.spawnTerminal({ ...good, rows: 1_001 }), 'invalid_request', 'rows');
    await reject(host.spawnTerminal({ ...good, args: ['a\0b'] }), 'invalid_request', 'NUL');
    await reject(host.spawnTerminal({ ...good, env: { 'A=B': 'c' } }), 'invalid_request', 'env');
    await reject(host.spawnTerminal({ ...good, cwd: '/nowhere' }), 'directory_missing', '/nowhere');
    await reject(host.spawnTerminal({ ...good, cwd: 'relative' }), 'directory_missing', 'absolute');
    await reject(host.spawnTerminal({ ...good, file: 'no-such-shell' }), 'shell_missing', 'no-such-shell');
    await reject(host.spawnTerminal({ ...good, file: '/etc/passwd' }), 'shell_missing', '/etc/passwd');
    await host.spawnTerminal(good);
    await reject(host.spawnTerminal(good), 'terminal_exists', good.id);
    await reject(host.removeTerminal(good.id), 'invalid_request', 'running');
    await reject(host.resizeTerminal(good.id, 100_000, 1), 'invalid_request', 'cols');
    await reject(host.writeTerminal(randomUUID(), 'x'), 'terminal_not_found', 'no terminal');
    await host.killTerminal(good.id, { graceMs: 0 });
    await reject(host.writeTerminal(good.id, 'x'), 'terminal_ended', good.id);
    expect((await host.stats())?.liveTerminals).toBe(0);
    expect(
      readFileSync(fixture.paths.ledger, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"token"')).length,
    ).toBe(1);
  });

  it('answers nobody after a client has piled up what it does not read', async () => {
    const host = fixture.client();
    await host.ensureConnected();
    const { socket: path, token } = endpoint();
    const socket = connect(path);
    socket.pause();
    socket.on('error', () => undefined);
    socket.write(hello(token));
    const request = encodeJson({ id: 2, method: 'stats', params: {} });
    for (let index = 0; index < 200_000; index++) socket.write(request);
    const options = sh('echo still here');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await output.ended;
    expect((await host.stats())?.rssBytes).toBeLessThan(300_000_000);
    socket.destroy();
  });
});

describe('workers', () => {
  const start = async (host: ProcessHost): Promise<{ id: string; events: WorkerEvent[] }> => {
    const id = systemIds.uuidV7();
    const events: WorkerEvent[] = [];
    host.onDidReceiveWorkerEvent((event) => events.push(event));
    await host.startWorker({ id, kind: 'test', spec: { a: 1 }, env: { PATH: process.env['PATH'] ?? '' } });
    await host.followWorker(id, 0);
    return { id, events };
  };

  it('journals, resumes by sequence, obeys commands, and tells its end', async () => {
    const host = fixture.client();
    const { id, events } = await start(host);
    // Sent before it is connected, perhaps: it is queued then.
    await host.commandWorker(id, { type: 'emit', data: { count: 500 } });
    await until(() => events.length === 501, 'the events come');
    expect(events[0]).toMatchObject({
      workerId: id,
      sequence: 1,
      type: 'test.started',
      data: { kind: 'test', spec: { a: 1 } },
    });
    host.dispose();
    const second = fixture.client();
    const later: WorkerEvent[] = [];
    second.onDidReceiveWorkerEvent((event) => later.push(event));
    await second.followWorker(id, 400);
    await second.commandWorker(id, { type: 'end', data: { code: 7 } });
    await until(() => later.at(-1)?.type === 'worker.exited', 'its end is told');
    expect(later.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 102 }, (_, index) => index + 401),
    );
    expect(later.at(-1)?.data).toMatchObject({ exit_code: 7, signal: null, stderr_tail: 'last words\n' });
    expect(await second.listWorkers()).toMatchObject([{ id, isAlive: false, lastSequence: 502 }]);
    await expect(second.commandWorker(id, { type: 'end' })).rejects.toMatchObject({
      reason: 'run_not_active',
    });
    await second.removeWorker(id);
    expect(await second.listWorkers()).toEqual([]);
  });

  it('takes its terminals along when it dies', async () => {
    const host = fixture.client();
    const { id, events } = await start(host);
    const options = sh('while :; do sleep 0.1; done');
    await host.commandWorker(id, { type: 'spawn', data: { options } });
    await until(() => events.some(({ type }) => type === 'test.spawned'), 'it has a terminal');
    const pid = Number(events.find(({ type }) => type === 'test.spawned')?.data['pid']);
    expect(isAlive(pid)).toBe(true);
    await host.killWorker(id, { graceMs: 0 });
    expect(events.at(-1)).toMatchObject({ type: 'worker.exited', data: { signal: 'SIGKILL' } });
    expect(isAlive(pid)).toBe(false);
    expect((await host.listTerminals())[0]?.exit?.reason).toBe('killed');
  });

  it('ends with its host, whose successor tells of it', async () => {
    const host = fixture.client();
    const { id, events } = await start(host);
    await until(() => events.length === 1, 'it works');
    const [status] = await host.listWorkers();
    process.kill(fixture.hostPid() ?? 0, 'SIGKILL');
    await until(() => !isAlive(status?.pid ?? 0), 'the worker ends');
    await until(() => host.connection.state === 'lost', 'the loss is told');
    await host.ensureConnected();
    const later: WorkerEvent[] = [];
    host.onDidReceiveWorkerEvent((event) => later.push(event));
    await host.followWorker(id, 0);
    await until(() => later.at(-1)?.type === 'worker.exited', 'its end is told');
    expect(later.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it("may not do what is a client's", async () => {
    const host = fixture.client();
    const options = terminalOptions('true', []);
    await host.spawnTerminal(options);
    await expect(
      host.startWorker({ id: 'not-a-uuid', kind: 'test', spec: null, env: {} }),
    ).rejects.toMatchObject({ reason: 'invalid_request' });
    const { id } = await start(host);
    await expect(host.startWorker({ id, kind: 'test', spec: null, env: {} })).rejects.toMatchObject({
      reason: 'worker_exists',
    });
  });
});
