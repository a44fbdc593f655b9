// Code of a model in a container: a real engine, core, process host and worker.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createFileRecords } from '../../src/adapters/containerRecords/fileRecords.ts';
import { createModels } from '../../src/adapters/models/models.ts';
import { type Disposable, DisposableStore } from '../../src/base/disposable.ts';
import type { Run } from '../../src/core/runs/run.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { type ModelEndpoint, startModelEndpoint } from '../harness/modelEndpoint.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { buildProduct } from './cliHarness.ts';
import { HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let dist: string;
let engine: TestEngine;
let fixture: HostFixture;
let endpoint: ModelEndpoint;
let real: RealCore;
let parts: Disposable;

beforeAll(async () => {
  dist = buildProduct();
  engine = await TestEngine.start();
}, 180_000);
afterAll(async () => {
  rmSync(dist, { recursive: true, force: true });
  await engine[Symbol.asyncDispose]();
});
beforeEach(async () => {
  fixture = new HostFixture(dist);
  endpoint = await startModelEndpoint();
  await open();
});
afterEach(async () => {
  await close();
  await fixture.dispose();
  await endpoint[Symbol.asyncDispose]();
});

async function open(): Promise<void> {
  const client = engine.client();
  const records = createFileRecords(join(fixture.stateDir, 'containers'), 1024 * 1024);
  const store = new DisposableStore();
  store.add(client);
  store.add(records);
  parts = store;
  const provider = { id: 'test', baseUrl: `${endpoint.url}/v1`, keyEnv: null, defaultModel: 'fake' };
  real = await startRealCore(fixture, {
    models: createModels({ settings: () => ({ providers: [provider], default: 'test' }), environment: {} }),
    containers: {
      engine: client,
      records,
      installationId: 'b'.repeat(32),
      stateDirectory: fixture.stateDir,
    },
  });
}

/** As when its core ends: what runs goes on. */
async function close(): Promise<void> {
  await real[Symbol.asyncDispose]();
  parts.dispose();
}

async function start(): Promise<Run> {
  const { id: sessionId } = await real.core.sessions.create({ cwd: real.home, image: testImage });
  const model = { codeExecution: true };
  return real.core.runs.start({ task: 'compute', engine: 'model', sessionId, model });
}

const code = (text: string, id = 'c'): { id: string; name: string; input: object } => ({
  id,
  name: 'run_code',
  input: { language: 'bash', code: text },
});
const results = (id: string): Readonly<Record<string, unknown>>[] =>
  real.core.events
    .read({ after: 0, limit: 1_000, runId: id })
    .flatMap(({ type, data }) => (type === 'code_agent.step.execution' ? [data] : []));
const containers = (): string[] =>
  engine
    .docker('ps', '--all', '--quiet')
    .split('\n')
    .filter((line) => line !== '');

it('shares one without a network, and leaves none', async () => {
  endpoint.say(
    { calls: [code('echo one | tee /tmp/file; ls /sys/class/net', 'a'), code('cat /tmp/file; exit 4', 'b')] },
    { calls: [code('echo $ORCHESTRATOR_CODE; cat /tmp/file')] },
    { text: ['done'] },
  );
  const run = await start();
  const ended = await real.core.runs.waitForEnd(run.id);
  expect(ended.status).toBe('succeeded');
  expect(results(run.id)).toMatchObject([
    { status: 'ok', output: 'one\nlo\n', return_code: 0 },
    { status: 'error', output: 'one\n', return_code: 4 },
    { status: 'ok', output: '\none\n' },
  ]);
  await waitUntil('its container is gone', () => containers().length === 0);
}, 60_000);

it('is given a place by the next core, where none was there when it was asked for', async () => {
  endpoint.say({ text: ['wait '], paceMs: 1_500, calls: [code('echo late')] }, { text: ['done'] });
  const run = await start();
  await waitUntil('it was asked', () => endpoint.requests.length === 1);
  await close();
  await open();
  const ended = await real.core.runs.waitForEnd(run.id);
  expect(ended.status).toBe('succeeded');
  expect(results(run.id)).toMatchObject([{ output: 'late\n', return_code: 0 }]);
  await waitUntil('its container is gone', () => containers().length === 0);
}, 60_000);

it('commands of a tool run in a container of the session, by its name, and nowhere else', async () => {
  const { id: sessionId } = await real.core.sessions.create({ cwd: real.home, image: testImage });
  const elsewhere = await real.core.sessions.create({ cwd: real.home, image: testImage });
  const sleeps = { image: testImage, entrypoint: ['/bin/sh', '-c'], command: ['sleep 600'] };
  await real.core.containers.run({ ...sleeps, sessionId, name: 'db' });
  await real.core.containers.run({ ...sleeps, sessionId: elsewhere.id, name: 'other' });
  const call = (container: string, command: string, id: string, timeout_seconds = 20): object => ({
    id,
    name: 'container_run_command',
    input: { container, command, timeout_seconds },
  });
  const calls = [
    call('db', 'echo here; exit 3', 'a'),
    call('other', 'printf th-; echo ere', 'b'),
    call('db', 'sleep 60', 'c', 1),
  ] as { id: string; name: string; input: object }[];
  endpoint.say({ calls }, { text: ['done'] });
  const tools = { mode: 'custom', providers: ['container'], tools: null } as const;
  const { id } = await real.core.runs.start({ task: 'look', engine: 'model', sessionId, tools });
  expect((await real.core.runs.waitForEnd(id)).status).toBe('succeeded');
  const said = JSON.stringify(endpoint.requests.at(-1)?.body['messages']);
  expect(said).toContain('here');
  expect(said).toContain('There is no container');
  expect(said).not.toContain('th-ere');
  expect(said).toMatch(/time/);
  await real.core.sessions.close(sessionId);
  await real.core.sessions.close(elsewhere.id);
  await waitUntil('nothing is left', () => containers().length === 0, { limitMs: 20_000 });
}, 60_000);

it('an abort ends it within 1.5 s, and its container with it', async () => {
  endpoint.say({ calls: [code('echo begun; sleep 100')] });
  const run = await start();
  await waitUntil('its container runs', () => containers().length === 1, { limitMs: 20_000 });
  const asked = Date.now();
  await real.core.runs.abort(run.id);
  expect((await real.core.runs.waitForEnd(run.id)).status).toBe('cancelled');
  expect(Date.now() - asked).toBeLessThan(1_500);
  await waitUntil('its container is gone', () => containers().length === 0, { limitMs: 20_000 });
}, 60_000);
