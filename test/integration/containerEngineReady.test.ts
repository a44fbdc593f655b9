import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import {
  EngineClients,
  engineSpec,
  expectNoEngineAtUsualPlaces,
  type Variables,
} from '../harness/engineClients.ts';
import { podmanArguments, TestPodman } from '../harness/podmanService.ts';
import { endProcesses, isAlive, waitUntil } from '../harness/processes.ts';

let engine: TestEngine;
let clients: EngineClients;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
beforeEach(async () => {
  clients = await EngineClients.create();
});
afterEach(async () => {
  await clients[Symbol.asyncDispose]();
});

describe("Podman's socket", () => {
  it('is found, and does what needs no running container', async () => {
    await using podman = await TestPodman.start();
    const runtime = join(clients.home, 'run');
    mkdirSync(join(runtime, 'podman'), { recursive: true });
    symlinkSync(podman.socketPath, join(runtime, 'podman/podman.sock'));
    const docker = clients.client({}, podman.socketPath);
    expect(await docker.probe()).toMatchObject({ kind: 'podman', isLocal: true, os: 'linux' });
    expectNoEngineAtUsualPlaces();
    expect(await clients.client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({ kind: 'podman' });
    const root = join(clients.home, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    cpSync('/bin/busybox', join(root, 'bin/busybox'));
    const image = await docker.importImage({ path: root, tag: 'localhost/workbench-test:latest' });
    expect(await docker.inspectImage('localhost/workbench-test')).toMatchObject({ id: image });
    expect(await docker.inspectImage('localhost/none')).toBeUndefined();
    const labels = { mine: 'yes' };
    const made = await docker.createContainer(
      engineSpec(['/bin/busybox', 'true'], {
        image: 'localhost/workbench-test',
        labels,
        resources: {
          nanoCpus: 5e8,
          memoryBytes: 64 * 1024 * 1024,
          memorySwap: 64 * 1024 * 1024,
          pidsLimit: 33,
        },
        mounts: [{ type: 'tmpfs', source: '', target: '/tmp', readOnly: false }],
      }),
    );
    expect(await docker.listContainers(labels)).toMatchObject([{ id: made.id, state: 'created', labels }]);
    expect(await docker.inspectContainer(made.id)).toMatchObject({ state: 'created', labels });
    const raw = (await docker.inspectRaw(made.id)) as { HostConfig: Record<string, unknown> };
    expect(raw.HostConfig).toMatchObject({ Memory: 64 * 1024 * 1024, PidsLimit: 33, NanoCpus: 5e8 });
    await expect(docker.removeImage('localhost/none')).rejects.toMatchObject({ reason: 'image_not_found' });
    await docker.createVolume({ name: 'data', labels });
    expect(await docker.listVolumes(labels)).toEqual([{ name: 'data', labels }]);
    await docker.removeVolume('data');
    await docker.removeContainer(made.id);
    expect(await docker.inspectContainer(made.id)).toBeUndefined();
    await docker.removeContainer(made.id);
    await docker.removeImage('localhost/workbench-test');
    expect(await docker.listImages()).toEqual([]);
  });
});

describe('an engine is made ready', () => {
  /** Only these programs are on its PATH. */
  function programs(scripts: Readonly<Record<string, string>>): Variables {
    const folder = join(clients.home, 'bin');
    mkdirSync(folder);
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    // The socket of this machine's own engine, should it have one, is none of this test's.
    return { PATH: folder, DOCKER_HOST: `unix://${clients.home}/podman.sock` };
  }

  it('by nothing where it answers, and its connections stay', async () => {
    const docker = clients.client({ DOCKER_HOST: engine.address });
    await docker.probe();
    let isEnded = false;
    const watch = await docker.watch('test=yes', { onEvent: () => undefined, onEnd: () => (isEnded = true) });
    const told: string[] = [];
    expect(await docker.initialize({ onProgress: (message) => told.push(message) })).toMatchObject({
      kind: 'docker',
    });
    expect(told).toEqual(['Looking for a container engine']);
    await docker.listImages();
    expect(isEnded).toBe(false);
    watch.dispose();
  });

  it("by starting Podman's machine, after it was asked", async () => {
    TestPodman.install();
    const pidFile = join(clients.home, 'pid');
    // What stands in for the machine is no machine, but what it would bring: Podman's own service at the socket.
    const service = [
      '/usr/bin/podman',
      ...podmanArguments(clients.home),
      `unix://${clients.home}/podman.sock`,
    ].join(' ');
    const env = programs({
      podman: `PATH=/usr/bin:/bin
case "$1 $2" in
"machine list") if [ -e ${pidFile} ]; then running=true; else running=false; fi
  echo "[{\\"Name\\": \\"other\\"}, {\\"Name\\": \\"mine*\\", \\"Default\\": true, \\"Running\\": $running}]" ;;
"machine start") [ "$3 $4" = "-- mine" ] || exit 3
  ${service} >/dev/null 2>&1 & echo $! > ${pidFile} ;;
*) exit 1 ;;
esac`,
    });
    const docker = clients.client(env);
    const asked: string[] = [];
    const answer = (yes: boolean) => (question: string) => {
      asked.push(question);
      return Promise.resolve(yes);
    };
    await expect(docker.initialize()).rejects.toThrow(/podman machine start mine/);
    await expect(docker.initialize({ mayStart: answer(false) })).rejects.toMatchObject({
      reason: 'container_engine_missing',
    });
    expect(existsSync(pidFile)).toBe(false);
    const told: string[] = [];
    const info = await docker.initialize({
      mayStart: answer(true),
      onProgress: (message) => told.push(message),
    });
    expect(info.kind).toBe('podman');
    expect(asked).toEqual(Array(2).fill(`Podman's machine "mine" is not running. Start it?`));
    expect(told).toEqual([
      'Looking for a container engine',
      `Starting Podman's machine "mine"`,
      'Waiting for the container engine to answer',
    ]);
    await endProcesses([Number(readFileSync(pidFile, 'utf8'))].filter(isAlive));
    await expect(docker.initialize({ mayStart: answer(true) })).rejects.toThrow(
      /machine "mine" is running.*stop mine/,
    );
  });

  it('not where its machine does not start, or it is given up', async () => {
    const env = programs({
      podman: `case "$1 $2" in
"machine list") echo '[{"Name": "mine", "Running": false}]' ;;
"machine start") echo "Error: qemu is missing" >&2; exit 125 ;;
esac`,
    });
    const mayStart = (): Promise<boolean> => Promise.resolve(true);
    await expect(clients.client(env).initialize({ mayStart })).rejects.toMatchObject({
      reason: 'container_engine_missing',
      message: expect.stringContaining('qemu is missing'),
    });
    await expect(
      clients.client(env).initialize({ mayStart, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
      reason: 'aborted',
    });
  });

  it('not where the person has chosen another one, which is all that is told', async () => {
    const env = { ...programs({ podman: 'exit 1' }), DOCKER_HOST: 'unix:///no/such/docker.sock' };
    const error: unknown = await clients
      .client(env)
      .initialize()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      message:
        'No container engine answers. unix:///no/such/docker.sock (DOCKER_HOST): there is no such socket. Start ' +
        'it, or choose another one (setting orchestrator.containers.engine, or DOCKER_HOST).',
    });
  });

  it.each([
    [{}, /Neither Docker nor Podman is installed/],
    [{ docker: 'exit 0' }, /Docker is installed: sudo systemctl start docker$/],
    [{ podman: '[ "$1" = --version ]' }, /Podman is installed: systemctl --user start podman.socket$/],
  ])('or it is said what is missing: %j', async (scripts, message) => {
    expectNoEngineAtUsualPlaces();
    const { PATH } = programs(scripts);
    await expect(clients.client({ PATH: PATH ?? '' }).initialize()).rejects.toThrow(message);
  });
});

describe('an engine that ends and comes again', () => {
  it('is told of, reached again, and everything is compared', async () => {
    const told: string[] = [];
    await using fixture = new ContainerCore(engine.client());
    const { containers, sessions, onDidFail } = await fixture.start();
    onDidFail(({ reason }) => told.push(reason));
    const known: boolean[] = [];
    containers.onDidChangeEngine((info) => known.push(info !== undefined));
    const { id: sessionId } = await fixture.session();
    const lasting = await fixture.create(
      sessionId,
      'n=0; while :; do echo $n; n=$((n+1)); sleep 0.05; done',
      {
        restart: { name: 'always', maximumRetryCount: 0 },
      },
    );
    const ending = await fixture.create(sessionId, 'echo up; sleep 1000');
    await containers.start(lasting.id);
    await containers.start(ending.id);
    const exit = containers.waitForExit(ending.id);
    await engine.end('SIGTERM');
    await waitUntil('it is told', () => told.includes('container_engine_missing'));
    expect(containers.engine).toBeUndefined();
    expect(known).toContain(false);
    await expect(fixture.create(sessionId, 'true')).rejects.toMatchObject({
      reason: 'container_engine_missing',
    });
    const before = containers.output.end(lasting.id);
    await engine.begin();
    expect(await exit).toMatchObject({ exitCode: 137 });
    await waitUntil('it is recorded again', () => containers.output.end(lasting.id) > before + 20, {
      limitMs: 40_000,
    });
    expect(containers.get(lasting.id).state).toBe('running');
    expect(known.at(-1)).toBe(true);
    await containers.stop(lasting.id, { graceMs: 0 });
    // Two starts, each from 0 on without a gap.
    const lines = (await fixture.output(lasting.id)).trim().split('\n').map(Number);
    const second = lines.lastIndexOf(0);
    expect(lines).toEqual([...Array(second).keys(), ...Array(lines.length - second).keys()]);
    expect(told.filter((reason) => reason === 'container_engine_missing')).toHaveLength(1);
    await sessions.close(sessionId);
  });
});
