// `orchestrator status`, and which orchestrator a command means, with real cores that serve and a daemon's answer.
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DaemonStatus } from '../../src/protocol/daemon/shapes.ts';
import { buildProduct, CliFixture, node, plainEnvironment } from './cliHarness.ts';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

let dist: string;
let cli: CliFixture;
let runtime: string;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => rmSync(dist, { recursive: true, force: true }));
beforeEach(() => {
  cli = new CliFixture(dist);
  runtime = join(cli.root, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
});
afterEach(() => cli[Symbol.asyncDispose]());

const env = (): Record<string, string> => ({ XDG_RUNTIME_DIR: runtime });

/** Without `--state-dir`: found by the folder. */
async function here(cwd: string, ...args: string[]): Promise<Record<string, unknown>> {
  const options = { cwd, env: { ...plainEnvironment(), ...env(), HOME: cli.root } };
  const { stdout } = await run(node, [join(dist, 'cli.js'), ...args, '--json'], options).catch(
    (error: unknown) => error as { stdout: string },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function serve(...flags: string[]): Promise<void> {
  await cli
    .start(['serve', ...flags], { env: env() })
    .shows(/Ready[^]*gRPC: unix:[^]*(?:HTTP and WebSocket: |$)/);
}

describe('orchestrator status', () => {
  it('exits with 3 where nothing runs, and says how to start', async () => {
    const { code, stdout, stderr } = await cli.run(['status'], { env: env() });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/none runs for .*orchestrator serve --http/);
    expect((await cli.run(['status', '--json'], { env: env() })).stdout.toString()).toBe(
      `{"running":false,"stateDir":${JSON.stringify(cli.stateDir)}}\n`,
    );
  });

  it('counts over gRPC where there is no daemon', async () => {
    await serve('--no-http');
    const { code, stdout } = await cli.run(['status'], { env: env() });
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^Served by +orchestrator serve \(pid \d+\)$/m);
    expect(stdout.toString()).toMatch(/^Daemon +off/m);
    expect(stdout.toString()).toMatch(/^Sessions +0$/m);
  });

  it('finds the orchestrator of the folder, the deepest, and forgets one that was killed', async () => {
    const serving = cli.start(['serve', '--http', '127.0.0.1:0'], { env: env() });
    const [, url] = /WebSocket: (http:\S+),/.exec(await serving.shows(/WebSocket: http/)) ?? [];
    const deep = join(cli.root, 'packages', 'api');
    mkdirSync(deep, { recursive: true });
    const found = await here(deep, 'status');
    expect(found).toMatchObject({
      running: true,
      stateDir: cli.stateDir,
      url,
      core: { pid: serving.pid, kind: 'serve', folders: [cli.root] },
    });
    expect(JSON.stringify(found)).not.toContain('oken":"');
    expect(await here(deep, 'status', '--all')).toMatchObject({ stateDir: cli.stateDir, url });
    expect(await here('/', 'status')).toMatchObject({ running: false });
    expect(statSync(join(cli.stateDir, 'core.json')).mode & 0o777).toBe(0o600);
    // A list that others could have written is none of ours.
    const list = join(runtime, `orchestration-workbench-${process.getuid?.() ?? 0}`, 'cores');
    chmodSync(list, 0o777);
    expect(await here(deep, 'status')).toMatchObject({ running: false });
    chmodSync(list, 0o700);
    serving.child.kill('SIGKILL');
    await serving.result;
    expect(await here(deep, 'status')).toMatchObject({ running: false });
  });
});

describe('orchestrator status --url', () => {
  const status: DaemonStatus = {
    status: 'running',
    uptime: 61_000,
    activeSessions: 3,
    queuedTasks: 1,
    metrics: {
      totalSessionsSpawned: 42,
      totalTasksProcessed: 156,
      totalTokensUsed: 98_765,
      averageSessionDuration: 10,
      activeSessions: 3,
      successRate: 0.95,
    },
    subsystems: { sessionManager: { status: 'running', lastCheck: '2026-01-01T00:00:00Z', detail: 'fine' } },
    connections: { clients: 2, framesSent: 1, bytesSent: 2_048, framesReceived: 1, bytesReceived: 1_024 },
  };
  let daemon: Server;
  let url: string;
  beforeEach(async () => {
    daemon = createServer((request, response) => {
      const isKnown = request.headers.authorization === 'Bearer right' && request.url === '/api/daemon';
      response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isKnown ? status : { error: 'credentials_missing' }));
    });
    await new Promise<void>((resolve) => daemon.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(daemon.address() as AddressInfo).port}`;
  });
  afterEach(() => daemon.close());

  it('shows what the daemon tells', async () => {
    writeFileSync(join(cli.root, 'token'), 'right\n');
    const args = ['status', '--url', url, '--token-file', 'token'];
    const text = (await cli.run(args)).stdout.toString();
    expect(text).toMatch(/^State +running$/m);
    expect(text).toMatch(/^Clients +2, 1\.0 KiB in, 2\.0 KiB out$/m);
    expect(text).toMatch(/^Sessions +3 active, 42 in all$/m);
    expect(text).toMatch(/^Tasks +1 queued, 156 done, 95 % succeeded$/m);
    expect(text).toMatch(/^ {2}sessionManager +running · fine$/m);
    expect(JSON.parse((await cli.run([...args, '--json'])).stdout.toString())).toMatchObject({ url, status });
  });

  it('says what is missing', async () => {
    expect((await cli.run(['status', '--url', url])).stderr).toMatch(/wants its token.*--token-file/);
    expect((await cli.run(['status', '--url', 'nonsense'])).code).toBe(2);
    expect((await cli.run(['status', '--url', url, '--token-file', 'none'])).stderr).toMatch(
      /cannot be read/,
    );
    daemon.close();
    daemon.closeAllConnections();
    expect((await cli.run(['status', '--url', url])).stderr).toMatch(/Nobody answers/);
  });
});
