import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/lib/serverProcess.mjs';
import type { ContainerEngine, OutputStream } from '../../src/core/ports/containerEngine.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import {
  EngineClients,
  engineSpec,
  expectNoEngineAtUsualPlaces,
  type Variables,
} from '../harness/engineClients.ts';
import { TestSshServer } from '../harness/sshServer.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';

let certificates: TempDir;
let tlsHost: string;
let engine: TestEngine;
let clients: EngineClients;

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
  clients = await EngineClients.create();
});
afterEach(async () => {
  await clients[Symbol.asyncDispose]();
});

/** What is told to a person where none is found. */
async function failure(env: Variables, setting?: string): Promise<string> {
  const error = await clients
    .client(env, setting)
    .probe()
    .then(
      () => 'it was found',
      (reason: unknown) => reason,
    );
  expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'container_engine_missing' });
  return error instanceof Error ? error.message : '';
}

/** Everything that goes over a connection in a way of its own: attached, logs, commands with input, a big answer. */
async function useEngine(docker: ContainerEngine): Promise<void> {
  const { id } = await docker.createContainer(engineSpec(['sh', '-c', 'echo hello; sleep 60']));
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
  const meta = join(clients.home, '.docker/contexts/meta', id);
  mkdirSync(meta, { recursive: true });
  const Endpoints = { docker: { Host: host, SkipTLSVerify: false } };
  writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: name, Metadata: {}, Endpoints }));
  if (tls === undefined) return;
  const files = join(clients.home, '.docker/contexts/tls', id, 'docker');
  mkdirSync(files, { recursive: true });
  for (const file of ['ca.pem', 'cert.pem', 'key.pem']) cpSync(join(tls.from, file), join(files, file));
}

describe('an engine is found', () => {
  it('by the setting before DOCKER_HOST, and that before a context', async () => {
    writeContext('mine', 'unix:///no/such/context');
    writeFileSync(join(clients.home, '.docker/config.json'), JSON.stringify({ currentContext: 'mine' }));
    const other = 'unix:///no/such/host';
    expect(await clients.client({ DOCKER_HOST: other }, engine.socketPath).probe()).toMatchObject({
      kind: 'docker',
      foundBy: 'the setting',
      isLocal: true,
      socketPath: engine.socketPath,
    });
    expect(await clients.client({ DOCKER_HOST: engine.address }).probe()).toMatchObject({
      foundBy: 'DOCKER_HOST',
    });
    // What was chosen is the only candidate, although another engine would answer.
    expect(await failure({ DOCKER_HOST: other })).toMatch(/DOCKER_HOST.*no such socket/);
    expect(await failure({})).toMatch(/unix:\/\/\/no\/such\/context \(the Docker context "mine"\)/);
  });

  it('by a context: the current one, or that of DOCKER_CONTEXT', async () => {
    writeContext('mine', engine.address);
    writeContext('broken', 'unix:///no/such/context');
    writeFileSync(join(clients.home, '.docker/config.json'), JSON.stringify({ currentContext: 'broken' }));
    expect(await clients.client({ DOCKER_CONTEXT: 'mine' }).probe()).toMatchObject({
      foundBy: 'the Docker context "mine"',
    });
    await expect(clients.client({ DOCKER_CONTEXT: 'unknown' }).probe()).rejects.toMatchObject({
      reason: 'invalid_request',
      message: expect.stringContaining('docker context ls'),
    });
    cpSync(join(clients.home, '.docker'), join(clients.home, 'elsewhere'), { recursive: true });
    rmSync(join(clients.home, '.docker'), { recursive: true });
    const env = { DOCKER_CONFIG: join(clients.home, 'elsewhere'), DOCKER_CONTEXT: 'mine' };
    expect(await clients.client(env).probe()).toMatchObject({ address: engine.address });
  });

  it('by a socket in a usual place, such as that of an engine without root', async () => {
    expectNoEngineAtUsualPlaces();
    const runtime = join(clients.home, 'run');
    mkdirSync(runtime);
    symlinkSync(engine.socketPath, join(runtime, 'docker.sock'));
    expect(await clients.client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({
      foundBy: 'the default sockets',
      socketPath: join(runtime, 'docker.sock'),
    });
    // A dead one is passed over.
    rmSync(join(runtime, 'docker.sock'));
    writeFileSync(join(runtime, 'docker.sock'), '');
    mkdirSync(join(clients.home, '.docker/run'), { recursive: true });
    symlinkSync(engine.socketPath, join(clients.home, '.docker/run/docker.sock'));
    expect(await clients.client({ XDG_RUNTIME_DIR: runtime }).probe()).toMatchObject({
      socketPath: join(clients.home, '.docker/run/docker.sock'),
    });
  });

  it.each(['nonsense://x', 'unix://', 'ftp://host'])('never at %s', async (address) => {
    await expect(clients.client({}, address).probe()).rejects.toMatchObject({ reason: 'invalid_request' });
  });

  it('over TLS, and everything works there', async () => {
    const env = {
      DOCKER_HOST: `tcp://${tlsHost}`,
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: certificates.path,
    };
    const docker = clients.client(env);
    expect(await docker.probe()).toMatchObject({ isLocal: false, socketPath: undefined });
    await useEngine(docker);
    // As with `docker --host`: the setting names the engine, the environment the certificates.
    await clients.client({ ...env, DOCKER_HOST: '' }, `tcp://${tlsHost}`).probe();
    // Without a folder, those of docker's own.
    cpSync(certificates.path, join(clients.home, '.docker'), { recursive: true });
    await clients.client({ DOCKER_HOST: `tcp://${tlsHost}`, DOCKER_TLS_VERIFY: '1' }).probe();
    writeContext('far', `tcp://${tlsHost}`, { from: certificates.path });
    await clients.client({ DOCKER_CONTEXT: 'far' }).probe();
  });

  it('not over TLS where something is amiss, which is named', async () => {
    const DOCKER_HOST = `tcp://${tlsHost}`;
    const strangers = join(clients.home, 'strangers');
    mkdirSync(strangers);
    makeCertificates(strangers);
    const env = { DOCKER_HOST, DOCKER_TLS_VERIFY: '1' };
    expect(await failure({ DOCKER_HOST })).toMatch(/TLS only.*DOCKER_TLS_VERIFY/);
    expect(await failure({ ...env, DOCKER_CERT_PATH: strangers })).toMatch(/not trusted.*ca\.pem/);
    const bare = join(clients.home, 'bare');
    mkdirSync(bare);
    cpSync(join(certificates.path, 'ca.pem'), join(bare, 'ca.pem'));
    expect(await failure({ ...env, DOCKER_CERT_PATH: bare })).toMatch(/certificate of yours.*cert\.pem/);
    // A client of another authority.
    cpSync(join(strangers, 'cert.pem'), join(bare, 'cert.pem'));
    await expect(clients.client({ ...env, DOCKER_CERT_PATH: bare }).probe()).rejects.toThrow(/no key\.pem/);
    cpSync(join(strangers, 'key.pem'), join(bare, 'key.pem'));
    expect(await failure({ ...env, DOCKER_CERT_PATH: bare })).toMatch(/certificate of yours/);
    await expect(clients.client({ ...env, DOCKER_CERT_PATH: '/no/such/folder' }).probe()).rejects.toThrow(
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
    const docker = clients.client(variables(), url());
    expect(await docker.probe()).toMatchObject({
      kind: 'docker',
      isLocal: false,
      address: `ssh://127.0.0.1:${server.port}`,
    });
    await useEngine(docker);
    const { id } = await docker.createContainer(engineSpec(['sh', '-c', 'echo hello; sleep 60']));
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
    expect(await clients.client(variables(), url(engine.socketPath)).probe()).toMatchObject({
      kind: 'docker',
    });
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
    const docker = clients.client(variables(), url());
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
