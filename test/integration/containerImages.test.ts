import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ImageProgress } from '../../src/core/ports/containerEngine.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { registryLogin, StallingProxy, TestRegistry } from '../harness/imageRegistry.ts';
import { waitUntil } from '../harness/processes.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';
import { testImage } from '../harness/testImage.ts';

let engine: TestEngine;
let open: TestRegistry;
let locked: TestRegistry;
let home: TempDir;
let fixture: ContainerCore;
let sessionId: string;

beforeAll(async () => {
  [engine, open, locked, home] = await Promise.all([
    TestEngine.start(),
    TestRegistry.start(false),
    TestRegistry.start(true),
    tempDir('ow-home'),
  ]);
  makeBigImage();
  push(open);
  engine.docker('login', '-u', registryLogin.username, '-p', registryLogin.password, locked.address);
  push(locked);
  engine.docker('rmi', bigImage);
}, 400_000);
afterAll(async () => {
  await Promise.all([engine, open, locked, home].map((each) => each[Symbol.asyncDispose]()));
});
beforeEach(async () => {
  fixture = new ContainerCore(engine.client(home.path));
  await fixture.start();
  sessionId = (await fixture.session()).id;
});
afterEach(async () => {
  await fixture.core.sessions.close(sessionId);
  await fixture[Symbol.asyncDispose]();
});

const bigImage = 'workbench-big:latest';
const bigBytes = 8_000_000;

/** A layer that cannot be compressed: it takes some while to be pulled, and tells how it goes. */
function makeBigImage(): void {
  const folder = join(home.path, 'big');
  mkdirSync(folder);
  writeFileSync(join(folder, 'Dockerfile'), `FROM ${testImage}\nCOPY noise /noise\n`);
  writeFileSync(join(folder, 'noise'), randomBytes(bigBytes));
  engine.docker('build', '--quiet', '--tag', bigImage, folder);
}

function push({ address }: TestRegistry): void {
  const name = `${address}/${bigImage}`;
  engine.docker('tag', bigImage, name);
  engine.docker('push', '--quiet', name);
  engine.docker('rmi', name);
}

function has(reference: string): boolean {
  return engine.docker('images', '--quiet', reference) !== '';
}

describe('an image is pulled', () => {
  it('with its progress, and a container runs of it', async () => {
    const { images } = fixture.core.containers;
    const reference = `${open.address}/workbench-big`;
    const told: ImageProgress[] = [];
    await images.pull(reference, { onProgress: (progress) => told.push(progress) });
    expect(told.map(({ message }) => message).join('\n')).toMatch(
      /Pulling from workbench-big[^]*Downloading[^]*Pull complete/,
    );
    const amounts = told.flatMap(({ current, total }) => (current === undefined ? [] : [[current, total]]));
    expect(amounts.length).toBeGreaterThan(2);
    expect(amounts.every(([current = 0, total = 0]) => current <= total)).toBe(true);
    expect(Math.max(...amounts.map(([, total = 0]) => total))).toBeGreaterThanOrEqual(bigBytes);
    expect(await images.find(reference)).toMatchObject({ tags: [`${reference}:latest`] });
    const { id } = await fixture.create(sessionId, 'wc -c < /noise', { image: reference });
    await fixture.core.containers.start(id);
    await fixture.core.containers.waitForExit(id);
    expect(await fixture.output(id)).toBe(`${bigBytes}\n`);
    await fixture.core.containers.remove(id);
    await images.remove(reference);
  });

  it('until it is cancelled halfway: the engine then stops, too', async () => {
    await using proxy = await StallingProxy.start(open.address, 2_000_000);
    const abort = new AbortController();
    const reference = `${proxy.address}/${bigImage}`;
    const begun = Promise.withResolvers<void>();
    const pulling = fixture.core.containers.images.pull(reference, {
      signal: abort.signal,
      onProgress: ({ current = 0 }) => current > 0 && begun.resolve(),
    });
    await Promise.race([begun.promise, pulling]);
    expect(proxy.connections).toBeGreaterThan(0);
    abort.abort();
    await expect(pulling).rejects.toMatchObject({ code: 'CANCELLED', reason: 'aborted' });
    // When it does is the engine's own affair, and a busy machine's.
    await waitUntil('the engine has hung up', () => proxy.connections === 0, { limitMs: 40_000 });
    expect(has(reference)).toBe(false);
    expect(await fixture.core.containers.images.list()).toHaveLength(1);
  }, 60_000);

  it('not after it was cancelled before it began', async () => {
    const pulling = fixture.core.containers.images.pull(`${open.address}/${bigImage}`, {
      signal: AbortSignal.abort(),
    });
    await expect(pulling).rejects.toMatchObject({ reason: 'aborted' });
  });

  it.each([
    ['a name that nobody knows', () => `${open.address}/no-such-image`],
    ['a tag that nobody knows', () => `${open.address}/workbench-big:other`],
  ])('never by %s, and it is said so', async (_, reference) => {
    await expect(fixture.core.containers.images.pull(reference())).rejects.toMatchObject({
      code: 'NOT_FOUND',
      reason: 'image_not_found',
    });
  });

  it('only by who is logged in, in either way that docker keeps a login', async () => {
    const { images } = fixture.core.containers;
    const reference = `${locked.address}/workbench-big`;
    await expect(images.pull(reference)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('docker login'),
    });
    const configFile = join(home.path, '.docker/config.json');
    mkdirSync(join(home.path, '.docker'));
    const { username, password } = registryLogin;
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeFileSync(configFile, JSON.stringify({ auths: { [`http://${locked.address}/v2/`]: { auth } } }));
    await images.pull(reference);
    await images.remove(reference);
    // A credential helper, as systems with a key ring have it.
    writeFileSync(configFile, JSON.stringify({ credHelpers: { [locked.address]: 'workbench-test' } }));
    const helper = join(home.path, 'docker-credential-workbench-test');
    const answer = JSON.stringify({ Username: username, Secret: password });
    writeFileSync(helper, `#!/bin/sh\n[ "$(cat)" = ${locked.address} ] && echo '${answer}'\n`);
    chmodSync(helper, 0o755);
    const path = process.env['PATH'];
    const client = engine.client(home.path, `${home.path}:${path}`);
    try {
      await client.pullImage(reference);
      const folder = join(fixture.folder, 'from-locked');
      mkdirSync(folder);
      writeFileSync(join(folder, 'Dockerfile'), `FROM ${reference}\nENV A=b\n`);
      engine.docker('rmi', reference);
      await client.buildImage({ folder, tag: 'from-locked:latest' });
      engine.docker('rmi', 'from-locked:latest', reference);
    } finally {
      client.dispose();
      writeFileSync(configFile, '{}');
    }
  });
});

describe('an image is built', () => {
  const files = (all: Readonly<Record<string, string>>): string => {
    const folder = join(fixture.folder, 'context');
    for (const [name, text] of Object.entries(all)) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return folder;
  };
  const build = (
    folder: string,
    more: { signal?: AbortSignal; onProgress?: (each: ImageProgress) => void } = {},
  ) => fixture.core.containers.images.build({ sessionId, folder, tag: 'built:latest', ...more });

  it('of a folder, without what .dockerignore names, and labelled as ours', async () => {
    const folder = files({
      Dockerfile: `FROM ${testImage}\nARG WHO\nCOPY . /context\nRUN echo hello $WHO > /hello\n`,
      '.dockerignore': '# everything but\n*\n!src\nsrc/**/*.log\n!deep/er/kept\n',
      'src/main': 'main',
      'src/sub/noise.log': 'noise',
      'secret/key': 'secret',
      'deep/dropped': 'dropped',
      'deep/er/kept': 'kept',
      'deep/er/dropped': 'dropped',
    });
    symlinkSync('/etc/passwd', join(folder, 'src/link'));
    // What no tar file can hold is left out.
    const socket = createServer().listen(join(folder, 'src/socket'));
    execFileSync('mkfifo', [join(folder, 'src/pipe')]);
    const told: string[] = [];
    const id = await fixture.core.containers.images.build({
      sessionId,
      folder,
      tag: 'built:latest',
      buildArgs: { WHO: 'world' },
      onProgress: ({ message }) => told.push(message),
    });
    await new Promise((resolve) => socket.close(resolve));
    expect(told.join('\n')).toMatch(/Step 1\/6[^]*Step 6\/6[^]*Successfully tagged built:latest/);
    const image = await fixture.core.containers.images.find('built:latest');
    expect(image).toMatchObject({
      id,
      labels: { 'dev.orchestration-workbench.session': sessionId },
    });
    const container = await fixture.create(
      sessionId,
      'cd /context; find . -type f | sort; readlink src/link; cat /hello',
      { image: 'built' },
    );
    await fixture.core.containers.start(container.id);
    await fixture.core.containers.waitForExit(container.id);
    expect((await fixture.output(container.id)).split('\n')).toEqual([
      './deep/er/kept',
      './src/main',
      '/etc/passwd',
      'hello world',
      '',
    ]);
    await expect(fixture.core.containers.images.remove('built')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/in use|being used|using/),
    });
    await fixture.core.containers.remove(container.id);
    await fixture.core.containers.images.remove('built');
    expect(await fixture.core.containers.images.find('built')).toBeUndefined();
  });

  it('not where a step fails: it says which, and leaves nothing', async () => {
    const told: string[] = [];
    const building = build(files({ Dockerfile: `FROM ${testImage}\nRUN echo before; exit 7\n` }), {
      onProgress: ({ message }) => told.push(message),
    });
    await expect(building).rejects.toMatchObject({
      reason: 'container_engine_failed',
      message: expect.stringContaining('exit 7'),
    });
    expect(told).toContain('before');
    expect(engine.docker('ps', '--all', '--quiet')).toBe('');
    expect(await fixture.core.containers.images.find('built')).toBeUndefined();
  });

  it('not of a broken Dockerfile, an unknown image or a folder elsewhere', async () => {
    await expect(build(files({ Dockerfile: 'NONSENSE\n' }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/unknown instruction: NONSENSE/i),
    });
    await expect(build(files({ Dockerfile: `FROM ${open.address}/none\n` }))).rejects.toMatchObject({
      reason: 'image_not_found',
    });
    symlinkSync('/etc', join(fixture.folder, 'elsewhere'));
    await expect(build(join(fixture.folder, 'elsewhere'))).rejects.toMatchObject({
      reason: 'policy_violation',
    });
  });

  it('until it is cancelled: the step that runs is ended', async () => {
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const building = build(files({ Dockerfile: `FROM ${testImage}\nRUN echo begun; sleep 1000\n` }), {
      signal: abort.signal,
      onProgress: ({ message }) => message.includes('begun') && !message.includes('RUN') && begun.resolve(),
    });
    await Promise.race([begun.promise, building]);
    abort.abort();
    await expect(building).rejects.toMatchObject({ reason: 'aborted' });
    await waitUntil('the step is gone', () => engine.docker('ps', '--all', '--quiet') === '');
    expect(await fixture.core.containers.images.find('built')).toBeUndefined();
  });
});

describe('an image is imported', () => {
  it('of a folder and of a tar file, plain and compressed', async () => {
    const { images } = fixture.core.containers;
    const root = join(fixture.folder, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    execFileSync('cp', ['/bin/busybox', join(root, 'bin/busybox')]);
    execFileSync('tar', ['-C', root, '-cf', `${root}.tar`, '.']);
    execFileSync('tar', ['-C', root, '-czf', `${root}.tar.gz`, '.']);
    for (const path of [root, `${root}.tar`, `${root}.tar.gz`]) {
      const id = await images.import({ sessionId, path, tag: 'imported:mine' });
      expect(await images.find('imported:mine')).toMatchObject({ id });
      const { id: container } = await fixture.core.containers.run({
        sessionId,
        image: 'imported:mine',
        command: ['/bin/busybox', 'echo', 'it runs'],
      });
      await fixture.core.containers.waitForExit(container);
      expect(await fixture.output(container)).toBe('it runs\n');
      await fixture.core.containers.remove(container);
      await images.remove('imported:mine');
    }
  });

  it('not of what cannot be read, and the engine is not taken for gone', async () => {
    const { images } = fixture.core.containers;
    const path = join(fixture.folder, 'missing.tar');
    await expect(
      images.import({ sessionId, path, tag: 'imported:mine', isChosen: true }),
    ).rejects.toMatchObject({ reason: 'invalid_request', message: expect.stringContaining(path) });
    writeFileSync(path, 'this is no tar file');
    await expect(images.import({ sessionId, path, tag: 'imported:mine' })).rejects.toMatchObject({
      reason: 'container_engine_failed',
    });
    // The engine answers before it has read it all, and hangs up.
    writeFileSync(path, randomBytes(30_000_000));
    await expect(images.import({ sessionId, path, tag: 'imported:mine' })).rejects.toMatchObject({
      reason: 'container_engine_failed',
    });
    expect(fixture.core.containers.engine).toBeDefined();
  });
});
