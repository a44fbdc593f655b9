import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { TestBridge } from '../harness/pythonImage.ts';
import { testImage } from '../harness/testImage.ts';

let bridge: TestBridge;
let engine: TestEngine;
let fixture: ContainerCore;
let sessionId: string;

beforeAll(async () => {
  bridge = new TestBridge();
  engine = await TestEngine.start(bridge.name);
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  bridge[Symbol.dispose]();
});
beforeEach(async () => {
  fixture = new ContainerCore(engine.client());
  await fixture.start();
  sessionId = (await fixture.session()).id;
});
afterEach(async () => {
  if (fixture.core.sessions.get(sessionId).state !== 'closed') await fixture.core.sessions.close(sessionId);
  await fixture[Symbol.asyncDispose]();
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

const bridged = { network: 'bridge', allow: { network: true } } as const;

/** What a server says on its own before it is asked; undefined where nobody listens. */
function greeting(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 });
    const give = (text?: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (data) => give(data.toString().trim()));
    socket.on('error', () => give());
    socket.on('end', () => give());
    socket.on('timeout', () => give());
  });
}

const listenOn = (port: number, text: string): string => `nc -ll -p ${port} -e /bin/echo ${text}`;

describe('a port of a container', () => {
  it('is published on loopback, where the engine chooses, and nowhere else', async () => {
    const { containers } = fixture.core;
    const made = await fixture.create(sessionId, listenOn(7000, 'hello'), {
      ...bridged,
      ports: [
        { containerPort: 7000, hostPort: 0, protocol: 'tcp', hostIp: '' },
        { containerPort: 7001, hostPort: 0, protocol: 'udp', hostIp: 'localhost' },
      ],
    });
    expect(made.ports).toEqual([]);
    const { ports, addresses } = await containers.start(made.id);
    expect(ports).toHaveLength(2);
    const port = ports.find(({ protocol }) => protocol === 'tcp');
    expect(port).toMatchObject({ containerPort: 7000, hostIp: '127.0.0.1' });
    const hostPort = port?.hostPort ?? 0;
    expect(hostPort).toBeGreaterThan(0);
    await waitUntil('it answers', async () => (await greeting('127.0.0.1', hostPort)) === 'hello');
    const others = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address);
    expect(others).toContain(bridge.gateway);
    for (const address of others) expect(await greeting(address, hostPort)).toBeUndefined();
    // Within its network it is where it says that it is.
    expect(await greeting(addresses['bridge'] ?? '', 7000)).toBe('hello');
    expect(await containers.stop(made.id, { graceMs: 0 })).toMatchObject({ ports: [] });
  });

  it('is the one that was asked for, and a port that is taken is said to be', async () => {
    const { containers } = fixture.core;
    const [first] = (
      await containers.run({
        sessionId,
        image: testImage,
        command: ['sleep', '60'],
        ...bridged,
        ports: [{ containerPort: 80, hostPort: 0, protocol: 'tcp', hostIp: '127.0.0.1' }],
      })
    ).ports;
    const again = { containerPort: 80, hostPort: first?.hostPort ?? 0, protocol: 'tcp', hostIp: '' } as const;
    await expect(
      containers.run({ sessionId, image: testImage, command: ['true'], ...bridged, ports: [again] }),
    ).rejects.toMatchObject({
      reason: 'container_engine_failed',
      message: expect.stringContaining(String(again.hostPort)),
    });
    expect(containers.list({ sessionId })).toHaveLength(1);
  });

  it.each(['0.0.0.0', '::', '10.0.0.1'])('is not published on %s', async (hostIp) => {
    const port = { containerPort: 80, hostPort: 0, protocol: 'tcp', hostIp } as const;
    await expect(fixture.create(sessionId, 'true', { ...bridged, ports: [port] })).rejects.toMatchObject({
      reason: 'policy_violation',
    });
  });

  it('needs a network', async () => {
    const port = { containerPort: 80, hostPort: 0, protocol: 'tcp', hostIp: '' } as const;
    await expect(fixture.create(sessionId, 'true', { ports: [port] })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
  });
});

describe("a session's own network", () => {
  it('lets its containers find each other, and has no way out; others have none in', async () => {
    const { containers } = fixture.core;
    const { gateway } = await containers.resources.createNetwork(sessionId, 'inner', { isInternal: true });
    expect(gateway).toMatch(/^10\./);
    const server = await fixture.create(sessionId, listenOn(7000, 'inside'), { network: 'inner' });
    const { addresses } = await containers.start(server.id);
    const address = Object.values(addresses)[0] ?? '';
    const stranger = await fixture.create(sessionId, listenOn(7000, 'outside'), bridged);
    const outside = (await containers.start(stranger.id)).addresses['bridge'] ?? '';
    await waitUntil('the other one listens', async () => (await greeting(outside, 7000)) === 'outside');
    const client = await fixture.create(
      sessionId,
      `nc ${address} 7000; nc -w 1 ${outside} 7000 2>&1; echo $?`,
      // It joins it later than it is made, which an engine refuses to one that has none.
      { networks: ['inner'] },
    );
    await waitUntil('it listens', async () => (await greeting(address, 7000)) === 'inside');
    await containers.start(client.id);
    await containers.waitForExit(client.id);
    expect(await fixture.output(client.id)).toMatch(/^inside\nnc: .*(unreachable|timed out)\n1\n/);

    const other = await fixture.session();
    await expect(fixture.create(other.id, 'true', { network: 'inner' })).rejects.toMatchObject({
      reason: 'policy_violation',
    });
    const engineName = (await containers.resources.networks(sessionId))[0]?.engineName ?? '';
    await expect(fixture.create(other.id, 'true', { network: engineName })).rejects.toMatchObject({
      reason: 'policy_violation',
    });
    expect(await containers.resources.networks(other.id)).toEqual([]);
    await fixture.core.sessions.close(other.id);
  });

  it('is one of several that a container joins, and must not be taken twice', async () => {
    const { containers } = fixture.core;
    const open = await fixture.session({
      policy: { ...fixture.core.sessions.get(sessionId).config.policy, allowNetwork: true },
    });
    await containers.resources.createNetwork(open.id, 'a', { isInternal: false });
    await containers.resources.createNetwork(open.id, 'b', { isInternal: true });
    await expect(
      containers.resources.createNetwork(open.id, 'b', { isInternal: true }),
    ).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    const { id } = await fixture.create(open.id, 'ip -4 -o addr | grep -vc " lo "', {
      network: 'bridge',
      networks: ['a', 'b', 'a'],
    });
    const { addresses } = await containers.start(id);
    await containers.waitForExit(id);
    expect(await fixture.output(id)).toBe('3\n');
    expect(Object.keys(addresses).length === 0 || Object.keys(addresses).length === 3).toBe(true);
    await expect(
      containers.resources.createNetwork(sessionId, 'c', { isInternal: false }),
    ).rejects.toMatchObject({
      reason: 'policy_violation',
    });
    await fixture.core.sessions.close(open.id);
  });
});

describe('what a session leaves at the engine when it is closed', () => {
  it('is nothing of its own, and everything of others', async () => {
    const { containers } = fixture.core;
    engine.docker('network', 'create', '--label', 'dev.orchestration-workbench.session=x', 'foreign');
    engine.docker('volume', 'create', '--label', 'dev.orchestration-workbench.installation=b', 'foreign');
    const other = await fixture.session();
    await containers.resources.createNetwork(other.id, 'inner', { isInternal: true });
    await containers.resources.createNetwork(sessionId, 'inner', { isInternal: true });
    await containers.resources.createVolume(sessionId, 'data');
    const mounts = [{ type: 'volume' as const, source: 'data', target: '/data', readOnly: false }];
    const writer = await fixture.create(sessionId, 'echo kept > /data/file', { mounts, network: 'inner' });
    await containers.start(writer.id);
    await containers.waitForExit(writer.id);
    await expect(containers.resources.removeVolume(sessionId, 'data')).rejects.toMatchObject({
      reason: 'container_engine_failed',
    });
    await containers.remove(writer.id);
    const reader = await fixture.create(sessionId, 'cat /data/file; sleep 60', { mounts, network: 'inner' });
    await containers.start(reader.id);
    await waitUntil('it reads', async () => (await fixture.output(reader.id)) === 'kept\n');
    await expect(containers.resources.removeNetwork(sessionId, 'inner')).rejects.toMatchObject({
      reason: 'container_engine_failed',
    });
    await expect(fixture.create(other.id, 'true', { mounts })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    await fixture.core.sessions.close(sessionId);
    expect(engine.docker('volume', 'ls', '--quiet')).toBe('foreign');
    const networks = engine.docker('network', 'ls', '--format', '{{.Name}}', '--filter', 'type=custom');
    expect(networks.split('\n').map((name) => name.replace(/-[0-9a-f]{12}$/, ''))).toEqual([
      'foreign',
      'inner',
    ]);
    await fixture.core.sessions.close(other.id);
    engine.docker('network', 'rm', 'foreign');
    engine.docker('volume', 'rm', 'foreign');
  });

  it('is what a foreign container uses, until that is gone: nothing else waits for it', async () => {
    const { containers } = fixture.core;
    const network = await containers.resources.createNetwork(sessionId, 'inner', { isInternal: true });
    await containers.resources.createVolume(sessionId, 'data');
    const args = ['--network', network.engineName, '--detach', '--name', 'stranger'];
    engine.docker('run', ...args, testImage, 'sleep', '1000');
    await fixture.core.sessions.close(sessionId);
    expect(fixture.core.sessions.get(sessionId).state).toBe('closed');
    expect(engine.docker('volume', 'ls', '--quiet')).toBe('');
    expect(engine.docker('ps', '--format', '{{.Names}}')).toBe('stranger');
    await fixture.close();
    // The next core can work all the same, and removes it as soon as it is free.
    fixture = new ContainerCore(engine.client(), { folder: fixture.folder });
    await fixture.start();
    await fixture.core.containers.ready();
    expect(engine.docker('network', 'ls', '--quiet', '--filter', 'type=custom')).not.toBe('');
    engine.docker('rm', '--force', 'stranger');
    await fixture.close();
    fixture = new ContainerCore(engine.client(), { folder: fixture.folder });
    await fixture.start();
    await fixture.core.containers.ready();
    expect(engine.docker('network', 'ls', '--quiet', '--filter', 'type=custom')).toBe('');
    sessionId = (await fixture.session()).id;
  });
});
