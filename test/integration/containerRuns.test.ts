// Runs in containers, on a real engine: what becomes of the container becomes of the run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDockerEngine } from '../../src/adapters/docker/dockerEngine.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import type { Run, RunRequest } from '../../src/core/runs/run.ts';
import { runText } from '../../src/core/runs/runText.ts';
import { readStepOutput } from '../../src/core/runs/stepOutput.ts';
import { defaultSessionConfig, type SessionConfig } from '../../src/core/sessions/session.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { CoreHarness } from '../harness/core.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';

let engine: TestEngine;
let folder: string;
let opened: ContainerCore;
let core: Orchestrator;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 120_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ow-runs-'));
  await open();
});
afterEach(async () => {
  for (const { id } of core.sessions.list()) await core.sessions.close(id);
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
  await opened.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(): Promise<void> {
  opened = new ContainerCore(engine.client(), { folder });
  core = await opened.start();
}

async function session(config: Partial<SessionConfig> = {}): Promise<string> {
  return (await core.sessions.create({ type: 'container', image: testImage, cwd: folder, config })).id;
}

const start = async (task: string, more: Partial<RunRequest> = {}): Promise<Run> =>
  core.runs.start({ task, sessionId: await session(), ...more });

const run = async (task: string, more: Partial<RunRequest> = {}): Promise<Run> =>
  core.runs.waitForEnd((await start(task, more)).id);

async function textOf(id: string): Promise<string> {
  const parts: string[] = [];
  for await (const text of runText(core, id, 0)) parts.push(text);
  return parts.join('');
}

describe('a run in a container', () => {
  it('is carried out by a shell of the image, and tells what it prints and how it ends', async () => {
    const ended = await run('echo "hello $NAME"; echo two >&2', { env: { NAME: 'you' } });
    expect(ended).toMatchObject({
      status: 'succeeded',
      request: { engine: 'container' },
      steps: [{ status: 'succeeded', exitCode: 0, containerOutput: { from: 0, to: 14 } }],
      result: { outcome: 'succeeded', steps: [{ execution_result: { exit_code: 0, output_to: 14 } }] },
    });
    expect((await textOf(ended.id)).split('\n').sort()).toEqual(['', 'hello you', 'two']);
    const piece = await readStepOutput(core, ended, { step: 1, skip: 0, maxBytes: 100 });
    expect(piece).toMatchObject({ position: 0, total: 14 });
    const types = core.events.read({ after: 0, limit: 1_000, runId: ended.id }).map(({ type }) => type);
    expect(types.filter((type) => type !== 'runner.container.output')).toEqual([
      'response.created',
      'response.in_progress',
      'runner.started',
      'runner.steps.planned',
      'runner.step.started',
      'runner.step.execution.started',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.completed',
      'response',
      'response.completed',
    ]);
    expect((await run('exit 3')).steps).toMatchObject([{ status: 'failed', exitCode: 3 }]);
  });

  it('has what its session allows: no network and none of its files, unless it says so', async () => {
    writeFileSync(join(folder, 'given.txt'), 'from outside');
    expect((await run('ls /workspace')).status).toBe('failed');
    const policy = { ...defaultSessionConfig.policy, allowVolumeMount: true };
    const sessionId = await session({ policy });
    const ended = await run('cat given.txt; echo back >made.txt; ls /sys/class/net', { sessionId });
    expect(await textOf(ended.id)).toBe('from outsidelo\n');
    expect(readFileSync(join(folder, 'made.txt'), 'utf8')).toBe('back\n');
  });

  it('ends by an abort and by its time limit', async () => {
    const { id } = await start('echo begun; sleep 600');
    await waitUntil('it runs', () => core.runs.get(id).steps[0]?.containerOutput?.to === 6);
    await core.runs.abort(id);
    expect(await core.runs.waitForEnd(id)).toMatchObject({ status: 'cancelled' });
    expect((await run('sleep 600', { timeoutMs: 500 })).status).toBe('timed_out');
  });

  it('goes on while no core is there, and is told of once', async () => {
    const { id } = await start('echo one; sleep 2; echo two');
    await waitUntil('it runs', () => core.runs.get(id).status === 'running');
    await opened.close();
    await open();
    expect(await core.runs.waitForEnd(id)).toMatchObject({ status: 'succeeded' });
    expect(await textOf(id)).toBe('one\ntwo\n');
    expect(core.statistics()).toMatchObject({ totalRunsEnded: 1, totalRunsSucceeded: 1 });
  });

  it('waits for its turn as others do', async () => {
    core.setLimits({ maxConcurrentRuns: 1 });
    const first = await start('sleep 1');
    const second = await start('echo second');
    expect(core.runs.queuePosition(second.id)).toBe(1);
    expect(await core.runs.waitForEnd(second.id)).toMatchObject({ status: 'succeeded' });
    const [before, after] = [core.runs.get(first.id), core.runs.get(second.id)];
    expect(after.startedAt).toBeGreaterThanOrEqual(before.endedAt ?? Number.POSITIVE_INFINITY);
  });

  it('fails where its image is missing or its container is taken away', async () => {
    expect(await run('true', { metadata: { image: 'none-such:1' } })).toMatchObject({
      status: 'failed',
      error: { reason: 'image_not_found' },
    });
    const { id } = await start('sleep 600');
    await waitUntil('it runs', () => core.runs.get(id).status === 'running');
    engine.docker('rm', '--force', core.runs.get(id).steps[0]?.containerOutput?.containerId ?? '');
    expect((await core.runs.waitForEnd(id)).status).toBe('failed');
  });
});

it('without an image or an engine there is no run', async () => {
  const { id: sessionId } = await core.sessions.create({ type: 'container', cwd: folder });
  await expect(start('true', { sessionId })).rejects.toMatchObject({ reason: 'invalid_request' });
  const none = createDockerEngine({ logger: nullLogger, address: () => 'unix:///nowhere/docker.sock' });
  await using away = new ContainerCore(none);
  const other = await away.start();
  const made = await other.sessions.create({ type: 'container', image: testImage, cwd: folder });
  await expect(other.runs.start({ task: 'true', sessionId: made.id })).rejects.toMatchObject({
    reason: 'container_engine_missing',
  });
  const without = new CoreHarness();
  try {
    const bare = await without.start();
    const request = { task: 'true', engine: 'container', metadata: { image: testImage } };
    await expect(bare.runs.start(request)).rejects.toMatchObject({ reason: 'container_engine_missing' });
    expect(bare.runs.list()).toEqual([]);
    await bare.close();
  } finally {
    without.dispose();
  }
});
