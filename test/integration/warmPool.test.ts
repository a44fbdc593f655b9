import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Container, CreateContainerRequest } from '../../src/core/containers/container.ts';
import type { OrchestratorLimits } from '../../src/core/limits.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { startCore } from './coreProcess.ts';

let engine: TestEngine;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
afterEach(() => {
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

/** A core with a pool for one of each kind. */
class PooledCore extends ContainerCore {
  constructor(limits: Partial<OrchestratorLimits> = {}) {
    super(engine.client(), { limits: { warmContainers: 1, ...limits } });
  }

  run(sessionId: string, script: string, more: Partial<CreateContainerRequest> = {}): Promise<Container> {
    const command = ['sh', '-c', script];
    return this.core.containers.run({ sessionId, image: testImage, command, isWarmable: true, ...more });
  }

  /** What it printed when it has ended. */
  async outputOf({ id }: Container): Promise<string> {
    await this.core.containers.waitForExit(id);
    return this.output(id);
  }

  async fill(count = 1): Promise<void> {
    await waitUntil('one waits', () => this.core.containers.warm.size === count);
  }
}

it('runs the next of a kind in one that waits, just as it would in a new one', async () => {
  await using fixture = new PooledCore();
  const { containers, sessions } = await fixture.start();
  const session = await fixture.session();
  const script = 'env | grep -v HOSTNAME | sort; pwd; id; cat /proc/1/cmdline | tr "\\0" " "; cat; exit 3';
  const more = { env: { GREETING: `it's "so"\n$HOME \\ ok`, EMPTY: '' }, workingDir: '/tmp' };
  const cold = await fixture.run(session.id, script, more);
  expect(cold.config.isWarm).toBeUndefined();
  await fixture.fill();
  const [waiting] = engine.docker('ps', '--quiet', '--no-trunc', '--filter', 'status=paused').split('\n');
  const warm = await fixture.run(session.id, script, more);
  expect(warm.id).toBe(waiting);
  expect(warm.config.isWarm).toBe(true);
  expect(await fixture.outputOf(warm)).toBe(await fixture.outputOf(cold));
  expect(containers.get(warm.id).exit).toMatchObject({ exitCode: 3, reason: 'exited' });
  // A value may be a secret: no inspection shows it.
  expect(engine.docker('inspect', warm.id)).not.toContain('GREETING');
  await expect(containers.start(warm.id)).rejects.toMatchObject({ reason: 'invalid_request' });
  await sessions.close(session.id);
});

it('uses each once, and none for another session or another kind', async () => {
  await using fixture = new PooledCore();
  const { sessions } = await fixture.start();
  const [one, two] = [await fixture.session({ maxContainers: 3 }), await fixture.session()];
  await fixture.run(one.id, 'true');
  await fixture.fill();
  const others = [
    await fixture.run(two.id, 'true'),
    await fixture.run(one.id, 'true', { resources: { memoryBytes: 32 * 1024 * 1024 } }),
    await fixture.run(one.id, 'cat', { openInput: true }),
  ];
  expect(others.map(({ config }) => config.isWarm)).toEqual([undefined, undefined, undefined]);
  // It has the containers that it may have: what waits is none of them, and is not used over them.
  await expect(fixture.run(one.id, 'true')).rejects.toMatchObject({ reason: 'container_limit' });
  await fixture.fill(3);
  const at = await Promise.all([fixture.run(two.id, 'echo a > /a; ls /a'), fixture.run(two.id, 'ls /a')]);
  expect(at.filter(({ config }) => config.isWarm === true)).toHaveLength(1);
  expect(new Set(at.map(({ id }) => id)).size).toBe(2);
  await fixture.fill(3);
  const next = await fixture.run(two.id, 'ls /a');
  expect(next.config.isWarm).toBe(true);
  expect(await fixture.outputOf(next)).toContain('No such file');
  for (const { id } of sessions.list()) await sessions.close(id);
});

it('removes what waited for too long, and what waits when its core is closed', async () => {
  await using fixture = new PooledCore({ warmIdleMs: 3_000 });
  const { sessions, containers } = await fixture.start();
  const session = await fixture.session();
  await fixture.run(session.id, 'true');
  await fixture.fill();
  await waitUntil('it is gone', () => engine.docker('ps', '--quiet', '--filter', 'status=paused') === '');
  expect(containers.warm.size).toBe(0);
  await sessions.close(session.id);

  await using other = new PooledCore();
  const core = await other.start();
  const { id } = await other.session();
  const used = await other.run(id, 'true');
  await other.fill();
  await core.containers.remove(used.id, { force: true });
  await core.close();
});

it('makes a new one where what waited was taken away', async () => {
  await using fixture = new PooledCore();
  const { sessions } = await fixture.start();
  const session = await fixture.session();
  await fixture.run(session.id, 'true');
  await fixture.fill();
  engine.docker('rm', '--force', engine.docker('ps', '--quiet', '--filter', 'status=paused'));
  const made = await fixture.run(session.id, 'echo there');
  expect(made.config.isWarm).toBeUndefined();
  expect(await fixture.outputOf(made)).toBe('there\n');
  await sessions.close(session.id);
});

it('goes without where the image has no shell', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ow-root-'));
  mkdirSync(join(root, 'bin'));
  cpSync('/bin/busybox', join(root, 'bin/true'));
  await using fixture = new PooledCore();
  const { sessions, containers } = await fixture.start();
  await fixture.engine.importImage({ path: root, tag: 'without-shell' });
  rmSync(root, { recursive: true });
  const session = await fixture.session();
  for (let count = 0; count < 2; count += 1) {
    const made = await fixture.run(session.id, '', { image: 'without-shell', command: ['/bin/true'] });
    expect(await containers.waitForExit(made.id)).toMatchObject({ exitCode: 0 });
  }
  expect(containers.warm.size).toBe(0);
  await sessions.close(session.id);
});

it('leaves to the next core what a killed one had waiting, which removes it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ow-warm-'));
  const killed = startCore(engine.socketPath, folder, 'warm');
  try {
    await killed.said;
  } finally {
    await killed.kill();
  }
  expect(engine.docker('ps', '--quiet', '--filter', 'status=paused')).not.toBe('');
  await using next = new ContainerCore(engine.client(), { folder });
  const core = await next.start();
  await core.containers.ready();
  expect(engine.docker('ps', '--quiet', '--filter', 'status=paused')).toBe('');
  expect(core.containers.list()).toHaveLength(1);
  for (const { id } of core.sessions.list()) await core.sessions.close(id);
  await next.close();
  rmSync(folder, { recursive: true });
});
