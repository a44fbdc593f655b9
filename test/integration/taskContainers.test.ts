import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFileRecords } from '../../src/adapters/containerRecords/fileRecords.ts';
import { createTaskPlaces } from '../../src/adapters/containerTasks/taskPlaces.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ContainerTask } from '../../src/core/containerTasks/containerTask.ts';
import type { ContainerTaskManager } from '../../src/core/containerTasks/containerTaskManager.ts';
import { Orchestrator, type OrchestratorLimits } from '../../src/core/orchestrator.ts';
import { createProcessHostClient } from '../../src/processHost/client.ts';
import { parseContainerTaskManifest } from '../../src/protocol/containerTaskManifest.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { endProcesses, waitUntil } from '../harness/processes.ts';
import { importPythonImage, pythonImage, TestBridge } from '../harness/pythonImage.ts';
import { buildProduct, node } from './cliHarness.ts';
import { seedExamples, seedMessages, seedProgram, socketRequests } from './seedProgram.ts';

let dist: string;
let bridge: TestBridge;
let engine: TestEngine;
let root: string;
let opened: OpenedCore;

beforeAll(async () => {
  dist = buildProduct();
  bridge = new TestBridge();
  engine = await TestEngine.start(bridge.name);
  await importPythonImage(engine);
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  bridge[Symbol.dispose]();
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'ow-tc-')));
  mkdirSync(join(root, 'state'), { mode: 0o700 });
  opened = await openCore();
});
afterEach(async () => {
  for (const { id } of opened.core.sessions.list()) await opened.core.sessions.close(id);
  const { connection } = opened.core.processHost;
  await opened.close();
  if (connection.state === 'connected') await endProcesses([connection.pid]);
  rmSync(root, { recursive: true, force: true });
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

interface OpenedCore {
  readonly core: Orchestrator;
  readonly tasks: ContainerTaskManager;
  readonly told: string[];
  close(): Promise<void>;
}

async function openCore(limits: Partial<OrchestratorLimits> = {}): Promise<OpenedCore> {
  const stateDir = join(root, 'state');
  const { store } = openSqliteStore(join(stateDir, 'orchestrator.db'));
  const records = createFileRecords(join(stateDir, 'containers'), 256 * 1024 * 1024);
  const client = engine.client();
  const processHost = createProcessHostClient({
    stateDir,
    distDir: dist,
    version: 'test',
    logger: nullLogger,
    execPath: node,
  });
  const core = new Orchestrator({
    store,
    processHost,
    environment: createSystemEnvironment({ version: 'test' }),
    containers: { engine: client, records, installationId: 'b'.repeat(32) },
    containerTaskPlaces: createTaskPlaces(stateDir),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
    limits,
  });
  const tasks = core.containerTasks;
  if (tasks === undefined) throw new Error('no container tasks');
  const told: string[] = [];
  tasks.onDidNotify(({ message }) => told.push(message));
  await core.start();
  return {
    core,
    tasks,
    told,
    close: async () => {
      await core.close();
      client.dispose();
      records.dispose();
      processHost.dispose();
      store.dispose();
    },
  };
}

/** Starts a Python program in a container of its own. */
async function start(program: string, container: object = {}, more: object = {}): Promise<ContainerTask> {
  const { core, tasks } = opened;
  writeFileSync(join(root, 'task.py'), program);
  const manifest = parseContainerTaskManifest(
    {
      id: 'task-001',
      name: 'Seed',
      requirements: [{ type: 'ADDON', value: 'ORCA_TASK' }],
      restart: 'never',
      container: {
        image: pythonImage,
        command: ['python3', '/task.py'],
        mounts: [{ source: join(root, 'task.py'), target: '/task.py', isReadOnly: true }],
        ...container,
      },
      ...more,
    },
    (path) => path,
  );
  const session = await core.sessions.ensureDefault(root);
  return tasks.start({ manifest, sessionId: session.id, isAgreed: true });
}

const running = (): Promise<string> =>
  waitUntil('its container runs', () => {
    const { runId = '' } = opened.tasks.get('task-001');
    return opened.core.runs.find(runId)?.taskReport?.containerId;
  });

describe('a task in a container', () => {
  it("runs the seed's example unchanged over the bridge, and tells of it in order", async () => {
    await start(seedProgram + seedExamples);
    const ended = await opened.tasks.waitForEnd('task-001');
    expect(ended).toMatchObject({ state: 'succeeded', error: undefined });
    expect(opened.told).toEqual(seedMessages);
    const { taskReport } = opened.core.runs.get(ended.runId ?? '');
    expect(taskReport).toMatchObject({ progress: 100, message: 'Done', result: { status: 'completed' } });
  });

  it('does the same with no network, over the Unix socket', async () => {
    await start(socketRequests + seedProgram + seedExamples, { network: 'none' });
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({ state: 'succeeded' });
    expect(opened.told).toEqual(seedMessages);
  });

  it('calls back from a container that was waiting for it, too', async () => {
    await opened.close();
    opened = await openCore({ warmContainers: 1 });
    const { containers } = opened.core;
    // The image has no shell of its own.
    const mounts = [
      { source: join(root, 'task.py'), target: '/task.py', isReadOnly: true },
      { source: '/bin/busybox', target: '/bin/sh', isReadOnly: true },
    ];
    for (const isWarm of [undefined, true, true]) {
      opened.told.length = 0;
      await start(socketRequests + seedProgram + seedExamples, { network: 'none', mounts });
      expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({ state: 'succeeded' });
      expect(opened.told).toEqual(seedMessages);
      expect(containers.list().map(({ config }) => config.isWarm)).toEqual([isWarm]);
      await waitUntil('the next one waits', () => containers.warm.size === 1);
    }
  });

  it('fails by the exit code of its program, and names memory as the reason', async () => {
    await start('x = bytearray(200 * 1024 * 1024)', { network: 'none', memoryBytes: 64 * 1024 * 1024 });
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({
      state: 'failed',
      error: 'The container was ended because it used more memory than it may.',
    });
    await start('raise SystemExit(3)', { network: 'none' });
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({
      state: 'failed',
      error: 'The container ended with exit code 3.',
    });
  });

  it('answers podCall on its port', async () => {
    const server = `
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"path": "%s"}' % self.path.encode())
    def log_message(self, *args): pass
HTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
`;
    await start(server);
    await running();
    const answer = await waitUntil('it answers', () =>
      opened.tasks.podCall('task-001', {
        method: 'POST',
        path: '/healthz',
        headers: {},
        body: new Uint8Array(),
      }),
    );
    expect(Buffer.from(answer.body).toString()).toBe('{"path": "/healthz"}');
    await opened.tasks.stop('task-001');
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({ state: 'stopped' });
  });

  it('loses its container with its worker, and is started again', async () => {
    const restart = { mode: 'on-failure', initialDelayMs: 1 };
    await start('import time; time.sleep(1000)', { network: 'none' }, { restart });
    const first = await running();
    const { runId } = opened.tasks.get('task-001');
    await opened.core.processHost.killWorker(runId ?? '', { graceMs: 0 });
    await waitUntil('another execution', () => opened.tasks.get('task-001').runId !== runId);
    const second = await running();
    expect(second).not.toBe(first);
    await waitUntil('the first container is gone', () => {
      return engine.docker('ps', '--quiet', '--no-trunc') === second;
    });
  });

  it.each([
    'response.created',
    'response.in_progress',
    'container_task.container_wanted',
    'container_task.container',
    'container_task.callback',
  ])('is none the worse for a core that ends at %s', async (type) => {
    const { core } = opened;
    const seen = new Promise<void>((resolve) => {
      core.events.onDidAppend((event) => {
        if (event.type === type) resolve();
      });
    });
    await start(seedProgram + seedExamples);
    await seen;
    await opened.close();
    opened = await openCore();
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({ state: 'succeeded', failures: 0 });
    const callbacks = opened.core.events
      .read({ after: 0, limit: 1_000 })
      .filter((event) => event.type === 'container_task.callback');
    expect(callbacks.map(({ data }) => data['message'])).toEqual(seedMessages);
    expect(engine.docker('ps', '--all', '--quiet').split('\n')).toHaveLength(1);
  });

  it('goes on while no core is there, and the next one takes it up', async () => {
    await start(`import time; time.sleep(2)\n${seedProgram}${seedExamples}`);
    const id = await running();
    await opened.close();
    await waitUntil('it has ended', () => engine.docker('ps', '--quiet') === '', { limitMs: 20_000 });
    opened = await openCore();
    expect(await opened.tasks.waitForEnd('task-001')).toMatchObject({ state: 'succeeded' });
    const messages = opened.core.events
      .read({ after: 0, limit: 1_000 })
      .filter(({ type }) => type === 'container_task.callback')
      .map(({ data }) => data['message']);
    expect(messages).toEqual(seedMessages);
    expect(opened.core.containers.find(id)).toBeDefined();
  });
});
