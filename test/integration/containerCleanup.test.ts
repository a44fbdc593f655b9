import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { tempDir, type TempDir } from '../harness/tempDir.ts';
import { testImage } from '../harness/testImage.ts';

const installationId = 'ef'.repeat(16);
const prefix = 'dev.orchestration-workbench.';

let engine: TestEngine;
let dir: TempDir;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
beforeEach(async () => {
  dir = await tempDir('ow-cleanup');
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});

function cleanups(core: Orchestrator): unknown[] {
  return core.events
    .read({ after: 0, limit: 1_000 })
    .filter(({ type }) => type === 'container.cleanup')
    .map(({ data }) => data);
}

function labels(sessionId: string): string[] {
  return ['--label', `${prefix}installation=${installationId}`, '--label', `${prefix}session=${sessionId}`];
}

it('removes what came late for a closed session, keeps what may be precious of an unknown one, and says so', async () => {
  const options = { folder: dir.path, installationId };
  await using first = new ContainerCore(engine.client(), options);
  const core = await first.start();
  const session = await first.session();
  await core.sessions.close(session.id);
  await first.close();

  const unknown = 'd'.repeat(32);
  const closed = engine.docker('create', ...labels(session.id), '--volume', '/data', testImage, 'true');
  engine.docker('network', 'create', '--internal', ...labels(session.id), 'late-network');
  engine.docker('volume', 'create', ...labels(session.id), 'late-volume');
  engine.docker('network', 'create', '--internal', ...labels(unknown), 'lost-network');
  engine.docker('volume', 'create', ...labels(unknown), 'lost-volume');
  engine.docker('volume', 'create', 'foreign-volume');
  const used = engine.docker('network', 'create', '--internal', ...labels('e'.repeat(32)), 'used-network');
  const orphan = engine.docker('create', '--network', used, ...labels('e'.repeat(32)), testImage, 'true');

  await using second = new ContainerCore(engine.client(), options);
  const next = await second.start();
  await next.containers.ready();
  const volumes = engine.docker('volume', 'ls', '--quiet').split('\n').sort();
  // Nor is the volume without a name left that came with the container.
  expect(volumes).toEqual(['foreign-volume', 'lost-volume']);
  const networks = engine.docker('network', 'ls', '--format', '{{.Name}}').split('\n');
  expect(networks.sort()).toEqual(['host', 'none', 'used-network']);
  expect(engine.docker('ps', '--all', '--quiet', '--no-trunc')).toBe(orphan);
  expect(next.containers.get(orphan).state).toBe('created');
  const name = expect.any(String) as string;
  expect(cleanups(next)).toEqual(
    expect.arrayContaining([
      { kind: 'container', name, reason: 'session_closed', removed: true },
      { kind: 'network', name: 'late-network', reason: 'session_closed', removed: true },
      { kind: 'network', name: 'lost-network', reason: 'session_unknown', removed: true },
      { kind: 'volume', name: 'late-volume', reason: 'session_closed', removed: true },
      { kind: 'volume', name: 'lost-volume', reason: 'session_unknown', removed: false },
    ]),
  );
  expect(cleanups(next)).toHaveLength(5);
  expect(closed).not.toBe('');
  await next.containers.remove(orphan);
  engine.docker('volume', 'rm', 'foreign-volume', 'lost-volume');
  engine.docker('network', 'rm', 'used-network');
});

it('names containers of a state directory that is no more, and leaves them', async () => {
  const gone = await tempDir('ow-gone');
  await using other = new ContainerCore(engine.client(), {
    folder: gone.path,
    installationId: 'c'.repeat(32),
  });
  const session = await (await other.start()).sessions.create({ cwd: dir.path });
  const { id } = await other.create(session.id, 'sleep 600', { name: 'left' });
  await other.core.containers.start(id);
  await using beside = new ContainerCore(engine.client());
  await (await beside.start()).containers.ready();
  expect(cleanups(beside.core)).toEqual([]);
  await other.close();
  await gone[Symbol.asyncDispose]();

  await using next = new ContainerCore(engine.client(), { folder: dir.path, installationId });
  const core = await next.start();
  await core.containers.ready();
  const name = expect.stringMatching(/^left-/) as string;
  expect(cleanups(core)).toEqual([
    { kind: 'container', name, reason: 'state_directory_missing', removed: false },
  ]);
  expect(core.containers.list()).toEqual([]);
  expect(engine.docker('ps', '--quiet', '--no-trunc')).toBe(id);
  engine.docker('rm', '--force', id);
});

it('goes on where one thing cannot be cleaned up', async () => {
  const options = { folder: dir.path, installationId };
  await using first = new ContainerCore(engine.client(), options);
  const session = await (await first.start()).sessions.create({ cwd: dir.path });
  await first.core.sessions.close(session.id);
  await first.close();
  // A container that is none of ours is in a network of ours: the engine does not let go of it.
  engine.docker('network', 'create', '--internal', ...labels(session.id), 'held-network');
  const holder = engine.docker('run', '--detach', '--network', 'held-network', testImage, 'sleep', '600');
  engine.docker('volume', 'create', ...labels(session.id), 'late-volume');

  await using second = new ContainerCore(engine.client(), options);
  const next = await second.start();
  await next.containers.ready();
  expect(engine.docker('volume', 'ls', '--quiet')).toBe('');
  expect(engine.docker('ps', '--quiet', '--no-trunc')).toBe(holder);
  engine.docker('rm', '--force', holder);
  engine.docker('network', 'rm', 'held-network');
});

it('removes containers that ended long ago, and the oldest output where it is too much', async () => {
  const limits = { keepEndedContainersMs: 60_000, endedContainerRecordBytes: 250_000 };
  await using fixture = new ContainerCore(engine.client(), { limits });
  const core = await fixture.start();
  const { containers } = core;
  const session = await fixture.session();
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const { id } = await fixture.create(session.id, 'yes | head -c 100000', { name: `work-${count}` });
    await containers.start(id);
    await containers.waitForExit(id);
    ids.push(id);
  }
  const [oldest = '', middle = '', newest = ''] = ids;
  const idle = await fixture.create(session.id, 'sleep 600', { name: 'alive' });
  await containers.start(idle.id);
  await containers.tidy();
  expect([await fixture.output(oldest), (await fixture.output(middle)).length]).toEqual(['', 100_000]);
  expect(containers.output.end(oldest)).toBe(100_000);
  const before = [{ kind: 'output', name: 'work-0', reason: 'too_much', removed: true }];
  expect(cleanups(core)).toEqual(before);
  // It prints on where it was.
  await containers.start(oldest);
  await containers.waitForExit(oldest);
  expect([containers.output.end(oldest), (await fixture.output(oldest)).length]).toEqual([200_000, 100_000]);
  await fixture.close();

  await using next = new ContainerCore(engine.client(), {
    folder: fixture.folder,
    limits: { keepEndedContainersMs: 1 },
  });
  const later = await next.start();
  await later.containers.ready();
  await later.containers.tidy();
  expect(later.containers.list().map(({ id }) => id)).toEqual([idle.id]);
  expect(
    cleanups(later)
      .slice(1)
      .map((data) => (data as { name: string }).name)
      .sort(),
  ).toEqual(['work-0', 'work-1', 'work-2']);
  expect(engine.docker('ps', '--all', '--quiet', '--no-trunc')).toBe(idle.id);
  expect(newest).not.toBe('');
  for (const { id } of later.sessions.list()) await later.sessions.close(id);
  rmSync(join(next.folder, 'containers'), { recursive: true, force: true });
});
