import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineContainerSpec } from '../../src/core/ports/containerEngine.ts';
import { noResourceLimits } from '../../src/core/resources.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { node } from './cliHarness.ts';

const calls = [
  'createNetwork',
  'createContainer',
  'attach',
  'startContainer',
  'inspectContainer',
  'exec',
  'pauseContainer',
  'stopContainer',
  'removeContainer',
] as const;
const warmCalls = [
  'createContainer',
  'startContainer',
  'pauseContainer',
  'unpauseContainer',
  'attach',
] as const;
const moments = ['before', 'during', 'after'] as const;
/** 54, over 500 where everything is tested to the full, or as many as CONTAINER_CRASHES says. */
const deaths = Number(
  process.env['CONTAINER_CRASHES'] ?? (process.env['ORCHESTRATOR_TEST_FULL'] === '1' ? 500 : 54),
);
/** Each call at each moment, once a round. */
const rounds = Math.ceil(deaths / (calls.length * moments.length));
const decoyCount = 200;
const installationId = 'ab'.repeat(16);
const label = 'dev.orchestration-workbench.installation';

let engine: TestEngine;
let foreign: string;

beforeAll(async () => {
  engine = await TestEngine.start();
  await makeDecoys();
  foreign = listing();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe('a core that is killed', () => {
  it.each(Array.from({ length: rounds }, (_, index) => index + 1))(
    'at each call to the engine leaves nothing behind and loses no line (round %i)',
    async (round) => {
      for (const call of calls) {
        for (const moment of moments) await dieAndRecover(call, moment);
      }
      await engine.end(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      await engine.begin();
      expect(listing()).toBe(foreign);
    },
    600_000,
  );

  it('while it makes and uses a warm container does neither', async () => {
    for (const call of warmCalls) {
      for (const moment of ['during', 'after']) await dieAndRecover(call, moment, 'warm');
    }
    expect(listing()).toBe(foreign);
  }, 600_000);
});

async function dieAndRecover(call: string, moment: string, mode = ''): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ow-crash-'));
  const program = join(import.meta.dirname, 'fixtures/crashingCore.ts');
  const args = [
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    program,
    engine.socketPath,
    folder,
    installationId,
    call,
    moment,
    mode,
  ];
  const child = spawn(node, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('exit', (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
  });
  expect([call, moment, code, signal]).toEqual([call, moment, null, 'SIGKILL']);
  const next = new ContainerCore(engine.client(), { folder, installationId });
  try {
    const core = await next.start();
    const since = Date.now();
    await core.containers.ready();
    // What the engine was still carrying out is there by now, or comes and goes.
    await waitUntil(`what is ours is what the store knows (${mode} ${moment} ${call})`, () => {
      const known = core.containers.list().map(({ id }) => id);
      return JSON.stringify(ours().sort()) === JSON.stringify(known.sort());
    });
    for (const { id, startedAt } of core.containers.list()) {
      if (startedAt === undefined) continue;
      if (core.containers.get(id).state === 'paused') await core.containers.unpause(id);
      await waitUntil(
        'it has printed everything, or ended before',
        async () =>
          core.containers.get(id).state !== 'running' || (await next.output(id)).includes('line 399\n'),
      );
      await core.containers.stop(id, { graceMs: 0 });
      await core.containers.waitForExit(id);
      const output = await next.output(id);
      expect(output).toBe(`${engine.docker('logs', id)}\n`);
      const lines = output.trimEnd().split('\n');
      expect(lines).toEqual(lines.map((_, index) => `line ${index}`));
    }
    for (const { id } of core.sessions.list()) await core.sessions.close(id);
    // What the dead core had asked for may only now be there: the next comparison takes it away.
    await waitUntil('nothing of ours is left', () => ours().length === 0, { limitMs: 10_000 });
    const networks = ['network', 'ls', '--quiet', '--filter', `label=${label}=${installationId}`];
    await waitUntil('no network of ours is left', () => engine.docker(...networks) === '');
    expect(Date.now() - since).toBeLessThan(10_000);
  } finally {
    await next[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

function ours(): string[] {
  const ids = engine.docker('ps', '-aq', '--no-trunc', '--filter', `label=${label}=${installationId}`);
  return ids === '' ? [] : ids.split('\n');
}

/** Everything that is not ours, as it stands. */
function listing(): string {
  return engine.docker('ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}');
}

/** Containers that look like ours but for one thing. */
async function makeDecoys(): Promise<void> {
  const labels: readonly Readonly<Record<string, string>>[] = [
    { [label]: `${installationId.slice(0, -1)}c` },
    { [label]: 'cd'.repeat(16) },
    { [label]: installationId.toUpperCase() },
    { [label]: `${installationId}0` },
    { [`${label}s`]: installationId },
    { 'dev.orchestration-workbench.session': installationId },
    {},
  ];
  const client = engine.client();
  try {
    for (let index = 0; index < decoyCount; index += 1) {
      const spec: EngineContainerSpec = {
        name: `workbench-test-${index.toString(16).padStart(12, '0')}`,
        image: testImage,
        entrypoint: [],
        command: ['true'],
        env: {},
        workingDir: undefined,
        user: undefined,
        labels: labels[index % labels.length] ?? {},
        mounts: [],
        ports: [],
        network: 'none',
        networks: [],
        extraHosts: [],
        resources: noResourceLimits,
        restart: { name: 'no', maximumRetryCount: 0 },
        readOnlyRoot: false,
        tty: false,
        openInput: false,
        health: undefined,
        capabilities: [],
      };
      await client.createContainer(spec);
    }
  } finally {
    client.dispose();
  }
}
