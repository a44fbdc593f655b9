import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/lib/serverProcess.mjs';
import { createDockerEngine } from '../../src/adapters/docker/dockerEngine.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type {
  ContainerEngine,
  EngineContainerSpec,
  OutputStream,
} from '../../src/core/ports/containerEngine.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { podmanArguments, TestPodman } from '../harness/podmanService.ts';
import { endProcesses, isAlive, waitUntil } from '../harness/processes.ts';
import { TestSshServer } from '../harness/sshServer.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';
import { testImage } from '../harness/testImage.ts';

let certificates: TempDir;
let tlsHost: string;
let engine: TestEngine;
let home: TempDir;
const open: ContainerEngine[] = [];

beforeAll(async () => {
  certificates = await tempDir('ow-tls');
  makeCertificates(certificates.path);
  tlsHost = `127.0.0.1:${await freePort(0)}`;
  const at = (name: string): string => join(certificates.path, name);
  const tls = ['--tlsverify', '--tlscacert', at('ca.pem'), '--tlscert', at('server.pem')];
  engine = await TestEngine.start('none', [
    ...tls,
    '--tlskey',
    at('server-key.pem'),
    '--host',
    `tcp://${tlsHost}`,
  ]);
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});
beforeEach(async () => {
  home = await tempDir('ow-home');
});
afterEach(async () => {
  for (const client of open.splice(0)) client.dispose();
  await home[Symbol.asyncDispose]();
});

type Variables = Readonly<Record<string, string>>;

/** A client with a home of its own; nothing of who runs the tests is seen by it. */
function client(env: Variables, setting?: string): ContainerEngine {
  const made = createDockerEngine({
    address: () => setting,
    env: { PATH: process.env['PATH'], ...env },
    home: home.path,
    logger: nullLogger,
  });
  open.push(made);
  return made;
}

/** What is told to a person where none is found. */
async function failure(env: Variables, setting?: string): Promise<string> {
  const error = await client(env, setting)
    .probe()
    .then(
      () => 'it was found',
      (reason: unknown) => reason,
    );
  expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'container_engine_missing' });
  return error instanceof Error ? error.message : '';
}

const spec = (command: readonly string[], more: Partial<EngineContainerSpec> = {}): EngineContainerSpec => ({
  name: `test-${Math.random().toString(36).slice(2)}`,
  image: testImage,
  entrypoint: [],
  command,
  env: {},
  workingDir: undefined,
  user: undefined,
  labels: { test: 'yes' },
  mounts: [],
  ports: [],
  network: 'none',
  networks: [],
  extraHosts: [],
  resources: { nanoCpus: 0, memoryBytes: 0, memorySwap: 0 },
  restart: { name: 'no', maximumRetryCount: 0 },
  readOnlyRoot: false,
  tty: false,
  openInput: false,
  health: undefined,
  capabilities: [],
  ...more,
});

/** Everything that goes over a connection in a way of its own: attached, logs, commands with input, a big answer. */
async function useEngine(docker: ContainerEngine): Promise<void> {
  const { id } = await docker.createContainer(spec(['sh', '-c', 'echo hello; sleep 60']));
  let output = '';
  const collect = (onEnd: () => void = () => undefined) => ({
    onData: (_: OutputStream, data: Uint8Array) => void (output += Buffer.from(data).toString()),
    onEnd,
  });
  const attached = await docker.attach(id, { tty: false }, collect());
  await docker.startContainer(id);
  await waitUntil('its output arrives', () => output === 'hello\n');
  const exec = await docker.exec(
    id,
    {
      command: ['cat'],
      env: {},
      workingDir: undefined,
      user: undefined,
      tty: false,
      cols: 80,
      rows: 24,
      openInput: true,
    },
    collect(),
  );
  await exec.write(Buffer.alloc(200_000, 'x'));
  exec.endInput();
  expect(await exec.exitCode).toBe(0);
  expect(output).toBe(`hello\n${'x'.repeat(200_000)}`);
  attached.dispose();
  await docker.removeContainer(id);
}

function writeContext(name: string, host: string, tls?: { readonly from: string }): void {
  const id = createHash('sha256').update(name).digest('hex');
  const meta = join(home.path, '.docker/contexts/meta', id);
  mkdirSync(meta, { recursive: true });
  const Endpoints = { docker: { Host: host, SkipTLSVerify: false } };
  writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: name, Metadata: {}, Endpoints }));
  if (tls === undefined) return;
  const files = join(home.path, '.docker/contexts/tls', id, 'docker');
  mkdirSync(files, { recursive: true });
  for (const file of ['ca.pem', 'cert.pem', 'key.pem']) cpSync(join(tls.from, file), join(files, file));
}

describe('an engine is found', () => {
  it('by the setting before DOCKER_HOST, and that before a context', async () => {
    writeContext('mine', 'unix:///no/such/context');
    writeFileSync(join(home.path, '.docker/config.json'), JSON.stringify({ currentContext: 'mine' }));
    const other = 'unix:///no/such/host';
    expect(await client({ DOCKER_HOST: other }, engine.socketPath).probe()).toMatchObject({
      kind: 'docker',
      foundBy: 'the setting',
      isLocal: true,
      socketPath: engine.socketPath,
    });
    expect(await client({ DOCKER_HOST: engine.address }).probe()).toMatchObject({ foundBy: 'DOCKER_HOST' });
    // What was chosen is the only candidate, although another engine would answer.
    expect(await failure({ DOCKER_HOST: other })).toMatch(/DOCKER_HOST.*no such socket/);
    expect(await failure({})).toMatch(/unix:\/\/\/no\/such\/context \(the Docker context "mine"\)/);
  });

  it('by a context: the current one, or that of DOCKER_CONTEXT', async () => {
    writeContext('mine', engine.address);
    writeContext('broken', 'unix:///no/such/context');
    writeFileSync(join(home.path, '.docker/config.json'), JSON.stringify({ currentContext: 'broken' }));
    expect(await client({ DOCKER_CONTEXT: 'mine' }).probe()).toMatchObject({
      foundBy: 'the Docker context "mine"',
    });
    await expect(client({ DOCKER_CONTEXT: 'unknown' }).probe()).rejects.toMatchObject({
      reason: 'invalid_request',
      message: expect.stringContaining('docker context ls'),
    });
    cpSync(join(home.path, '.docker'), join(home.path, 'elsewhere'), { recursive: true });
    rmSync(join(home.path, '.docker'), { recursive: true });
    const env = { DOCKER_CONFIG: join(home.path, 'elsewhere'), DOCKER_CONTEXT: 'mine' };
    expect(await client(env).probe()).toMatchObject({ address: engine.address });
  });

  it('by a socket in a usual place, such as that of an engine without root', async () => {
    const runtime = join(home.path, 'run');
    mkdirSync(runtime);
    symlinkSync(engine.socketPath, join(runtime, 'docker.sock'));
    expect(await client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({
      foundBy: 'the default sockets',
      socketPath: join(runtime, 'docker.sock'),
    });
    // A dead one is passed over.
    rmSync(join(runtime, 'docker.sock'));
    writeFileSync(join(runtime, 'docker.sock'), '');
    mkdirSync(join(home.path, '.docker/run'), { recursive: true });
    symlinkSync(engine.socketPath, join(home.path, '.docker/run/docker.sock'));
    if (existsSync('/var/run/docker.sock')) return;
    expect(await client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({
      socketPath: join(home.path, '.docker/run/docker.sock'),
    });
  });

  it.each(['nonsense://x', 'unix://', 'ftp://host'])('never at %s', async (address) => {
    await expect(client({}, address).probe()).rejects.toMatchObject({ reason: 'invalid_request' });
  });

  it('over TLS, and everything works there', async () => {
    const env = {
      DOCKER_HOST: `tcp://${tlsHost}`,
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: certificates.path,
    };
    const docker = client(env);
    expect(await docker.probe()).toMatchObject({ isLocal: false, socketPath: undefined });
    await useEngine(docker);
    // As with `docker --host`: the setting names the engine, the environment the certificates.
    await client({ ...env, DOCKER_HOST: '' }, `tcp://${tlsHost}`).probe();
    // Without a folder, those of docker's own.
    cpSync(certificates.path, join(home.path, '.docker'), { recursive: true });
    await client({ DOCKER_HOST: `tcp://${tlsHost}`, DOCKER_TLS_VERIFY: '1' }).probe();
    writeContext('far', `tcp://${tlsHost}`, { from: certificates.path });
    await client({ DOCKER_CONTEXT: 'far' }).probe();
  });

  it('not over TLS where something is amiss, which is named', async () => {
    const DOCKER_HOST = `tcp://${tlsHost}`;
    const strangers = join(home.path, 'strangers');
    mkdirSync(strangers);
    makeCertificates(strangers);
    const env = { DOCKER_HOST, DOCKER_TLS_VERIFY: '1' };
    expect(await failure({ DOCKER_HOST })).toMatch(/TLS only.*DOCKER_TLS_VERIFY/);
    expect(await failure({ ...env, DOCKER_CERT_PATH: strangers })).toMatch(/not trusted.*ca\.pem/);
    const bare = join(home.path, 'bare');
    mkdirSync(bare);
    cpSync(join(certificates.path, 'ca.pem'), join(bare, 'ca.pem'));
    expect(await failure({ ...env, DOCKER_CERT_PATH: bare })).toMatch(/certificate of yours.*cert\.pem/);
    // A client of another authority.
    cpSync(join(strangers, 'cert.pem'), join(bare, 'cert.pem'));
    await expect(client({ ...env, DOCKER_CERT_PATH: bare }).probe()).rejects.toThrow(/no key\.pem/);
    cpSync(join(strangers, 'key.pem'), join(bare, 'key.pem'));
    expect(await failure({ ...env, DOCKER_CERT_PATH: bare })).toMatch(/certificate of yours/);
    await expect(client({ ...env, DOCKER_CERT_PATH: '/no/such/folder' }).probe()).rejects.toThrow(
      /DOCKER_CERT_PATH.*not there/,
    );
    expect(await failure({ ...env, DOCKER_HOST: `tcp://127.0.0.1:${await freePort(0)}` })).toMatch(
      /nobody listens/,
    );
    expect(await failure({ DOCKER_HOST: 'tcp://no-such-host.invalid:2375' })).toMatch(/no such host/);
  });
});

describe('over ssh', () => {
  let server: TestSshServer;
  beforeAll(async () => {
    server = await TestSshServer.start({ DOCKER_HOST: engine.address });
  }, 300_000);
  afterAll(() => server[Symbol.asyncDispose]());
  const variables = (): Variables => ({ PATH: `${server.binFolder}:${process.env['PATH']}` });
  const url = (path = ''): string => `ssh://root@127.0.0.1:${server.port}${path}`;

  it('everything works, and many containers are listened to at once', async () => {
    const docker = client(variables(), url());
    expect(await docker.probe()).toMatchObject({
      kind: 'docker',
      isLocal: false,
      address: `ssh://127.0.0.1:${server.port}`,
    });
    await useEngine(docker);
    const { id } = await docker.createContainer(spec(['sh', '-c', 'echo hello; sleep 60']));
    await docker.startContainer(id);
    let heard = 0;
    const follow = () =>
      docker.followLogs(id, { tty: false }, { onData: () => void (heard += 1), onEnd: () => undefined });
    const streams = await Promise.all(Array.from({ length: 14 }, follow));
    await waitUntil('all have heard', () => heard === 14);
    expect(await docker.inspectContainer(id)).toMatchObject({ state: 'running' });
    for (const stream of streams) stream.dispose();
    await docker.removeContainer(id);
  });

  it('the socket there may be named', async () => {
    expect(await client(variables(), url(engine.socketPath)).probe()).toMatchObject({ kind: 'docker' });
    expect(await failure(variables(), url("/no/such'; touch /tmp/ow-injected; '"))).toMatch(
      /no such file|daemon/i,
    );
    expect(existsSync('/tmp/ow-injected')).toBe(false);
  });

  it('what ssh says is told, with what to do', async () => {
    const ask = (): Promise<string> => failure(variables(), url());
    expect(await server.without('user', ask)).toMatch(/Permission denied.*ssh-add/s);
    expect(await server.without('known_hosts', ask)).toMatch(
      /Host key verification failed.*Connect once by hand/s,
    );
    expect(await failure({ PATH: '/nowhere' }, url())).toMatch(/ssh is not installed here/);
    expect(await failure(variables(), `ssh://root@127.0.0.1:${await freePort(0)}`)).toMatch(
      /Connection refused/,
    );
    expect(await failure(variables(), 'ssh://root@no-such-host.invalid')).toMatch(/resolve hostname/);
  });

  it('a broken connection is made again', async () => {
    const docker = client(variables(), url());
    const ended = Promise.withResolvers<void>();
    await docker.watch('test=yes', { onEvent: () => undefined, onEnd: () => ended.resolve() });
    server.breakConnections();
    await ended.promise;
    await docker.listImages().catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    });
    expect(await docker.listImages()).toHaveLength(1);
  });
});

describe("Podman's socket", () => {
  it('is found, and does what needs no running container', async () => {
    await using podman = await TestPodman.start();
    const runtime = join(home.path, 'run');
    mkdirSync(join(runtime, 'podman'), { recursive: true });
    symlinkSync(podman.socketPath, join(runtime, 'podman/podman.sock'));
    const docker = client({}, podman.socketPath);
    expect(await docker.probe()).toMatchObject({ kind: 'podman', isLocal: true, os: 'linux' });
    if (!existsSync('/var/run/docker.sock')) {
      expect(await client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({ kind: 'podman' });
    }
    const root = join(home.path, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    cpSync('/bin/busybox', join(root, 'bin/busybox'));
    const image = await docker.importImage({ path: root, tag: 'localhost/workbench-test:latest' });
    expect(await docker.inspectImage('localhost/workbench-test')).toMatchObject({ id: image });
    expect(await docker.inspectImage('localhost/none')).toBeUndefined();
    const labels = { mine: 'yes' };
    const made = await docker.createContainer(
      spec(['/bin/busybox', 'true'], {
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
    const folder = join(home.path, 'bin');
    mkdirSync(folder);
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    // The socket of this machine's own engine, should it have one, is none of this test's.
    return { PATH: folder, DOCKER_HOST: `unix://${home.path}/podman.sock` };
  }

  it('by nothing where it answers, and its connections stay', async () => {
    const docker = client({ DOCKER_HOST: engine.address });
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
    const pidFile = join(home.path, 'pid');
    // What stands in for the machine is no machine, but what it would bring: Podman's own service at the socket.
    const service = [
      '/usr/bin/podman',
      ...podmanArguments(home.path),
      `unix://${home.path}/podman.sock`,
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
    const docker = client(env);
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
    await expect(client(env).initialize({ mayStart })).rejects.toMatchObject({
      reason: 'container_engine_missing',
      message: expect.stringContaining('qemu is missing'),
    });
    await expect(client(env).initialize({ mayStart, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
      reason: 'aborted',
    });
  });

  it('not where the person has chosen another one, which is all that is told', async () => {
    const env = { ...programs({ podman: 'exit 1' }), DOCKER_HOST: 'unix:///no/such/docker.sock' };
    const error: unknown = await client(env)
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
    if (existsSync('/var/run/docker.sock') || existsSync('/run/podman/podman.sock')) {
      throw new Error(
        "This test needs a machine without an engine at the default sockets; the tests' own is elsewhere.",
      );
    }
    const { PATH } = programs(scripts);
    await expect(client({ PATH: PATH ?? '' }).initialize()).rejects.toThrow(message);
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
