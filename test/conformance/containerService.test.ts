// container.v1 over the real socket, with a real engine, through the client that the command line has.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RemoteContainers } from '../../src/clients/orchestrator/remoteContainers.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import type { Container } from '../../src/core/containers/container.ts';
import type { ExecRequest } from '../../src/core/containers/containerCommands.ts';
import type { EngineExec, OutputStream } from '../../src/core/ports/containerEngine.ts';
import type { SessionConfig } from '../../src/core/sessions/session.ts';
import {
  ContainerServiceDefinition,
  CreateContainerRequest,
} from '../../src/protocol/gen/container/v1/container.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { iterate, nextOf, ServedCore } from '../harness/servedCore.ts';

let engine: TestEngine;
let served: ServedCore;
let containers: RemoteContainers;
let service: RpcClient<typeof ContainerServiceDefinition>;
let sessionId: string;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(() => engine[Symbol.asyncDispose]());
beforeEach(async () => {
  served = await new ServedCore({ engine: engine.client() }).start();
  const client = await served.connect();
  containers = new RemoteContainers(client);
  service = client.service(ContainerServiceDefinition);
  sessionId = await openSession();
});
afterEach(async () => {
  for (const { id } of served.core.sessions.list()) await served.core.sessions.close(id);
  await served[Symbol.asyncDispose]();
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

async function openSession(config: Partial<SessionConfig> = {}, owner?: string): Promise<string> {
  return (await served.core.sessions.create({ cwd: '/srv/app', config, owner })).id;
}

const script = (text: string) => ({ sessionId, image: testImage, command: ['sh', '-c', text] });

async function outputOf(id: string, follows = true): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const { data } of containers.output.follow(id, { follows })) parts.push(data);
  return Buffer.concat(parts).toString();
}

/** Runs a command, types what `drive` does, and tells what came of it. */
async function exec(
  id: string,
  request: ExecRequest,
  drive: (exec: EngineExec) => Promise<void> | void = () => undefined,
): Promise<{ stdout: string; stderr: string; code: number | undefined }> {
  const parts: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  const running = await containers.exec(id, request, {
    onData: (stream, data) => void parts[stream].push(Buffer.from(data)),
    onEnd: () => undefined,
  });
  await drive(running);
  const code = await running.exitCode;
  const text = (stream: OutputStream): string => Buffer.concat(parts[stream]).toString();
  return { stdout: text('stdout'), stderr: text('stderr'), code };
}

/** What the core has of it, but for the engine: that there may be others is the core's business. */
function told(id: string): Container {
  const { engine: _, ...container } = served.core.containers.get(id);
  return container;
}

describe('a container over gRPC', () => {
  it('is what the core has of it, from its making to its end', async () => {
    expect(await containers.ready()).toMatchObject({ kind: 'docker', socketPath: undefined });
    const made = await containers.create({
      ...script('echo out; echo err >&2; exit 3'),
      name: 'my work',
      env: { SECRET: 'sesame' },
      labels: { team: 'a' },
      mounts: [{ type: 'tmpfs', source: '', target: '/cache', readOnly: false }],
      resources: { memoryBytes: 64 * 1024 * 1024, pidsLimit: 20 },
      restart: { name: 'no', maximumRetryCount: 0 },
      health: { command: ['true'], intervalMs: 60_000, timeoutMs: 1_000, retries: 2, startPeriodMs: 0 },
    });
    expect(made).toEqual(told(made.id));
    expect(made).toMatchObject({ name: 'my work', state: 'created', config: { envNames: ['SECRET'] } });
    await containers.start(made.id);
    expect(await containers.waitForExit(made.id)).toMatchObject({ exitCode: 3, reason: 'exited' });
    expect(await containers.get(made.id)).toEqual(told(made.id));
    expect(await containers.list({ sessionId, state: 'exited', labels: { team: 'a' } })).toHaveLength(1);
    expect(await containers.list({ state: 'running' })).toEqual([]);
    expect((await outputOf(made.id)).split('\n').sort()).toEqual(['', 'err', 'out']);
    const details = JSON.stringify(await containers.inspect(made.id));
    expect(details).toContain(made.id);
    expect(details).not.toContain('sesame');
    await containers.remove(made.id);
    await expect(containers.get(made.id)).rejects.toMatchObject({ reason: 'container_not_found' });
  });

  it('is stopped, restarted, paused, goes on, is killed and removed by force', async () => {
    const { id } = await containers.run(script('trap "exit 7" TERM; while :; do sleep 0.05; done'));
    expect((await containers.pause(id)).state).toBe('paused');
    expect((await containers.unpause(id)).state).toBe('running');
    expect(await containers.stop(id)).toMatchObject({ exit: { exitCode: 7, reason: 'stopped' } });
    expect((await containers.restart(id, { graceMs: 100 })).state).toBe('running');
    await expect(containers.remove(id)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await containers.kill(id)).toMatchObject({ exit: { exitCode: 137, reason: 'killed' } });
    await containers.start(id);
    await containers.remove(id, { force: true });
    expect(await containers.list()).toEqual([]);
  });

  it('tells its output from an offset, by lines, and while it comes', async () => {
    const { id } = await containers.run({
      ...script('echo one; echo two; read x; echo "got $x"'),
      openInput: true,
    });
    const pieces = iterate(containers.output.follow(id, { follows: true }));
    let seen = '';
    while (!seen.includes('two\n')) seen += Buffer.from((await nextOf(pieces)).data).toString();
    await containers.write(id, Buffer.from('it\n'));
    while (!seen.includes('got it\n')) seen += Buffer.from((await nextOf(pieces)).data).toString();
    expect((await pieces.next()).done).toBe(true);
    const read = async (options: { from?: number; lines?: number }): Promise<string> => {
      const parts: Uint8Array[] = [];
      for await (const { data } of containers.output.follow(id, options)) parts.push(data);
      return Buffer.concat(parts).toString();
    };
    expect(await read({ from: 4 })).toBe('two\ngot it\n');
    expect(await read({ lines: 1 })).toBe('got it\n');
    const stop = new AbortController();
    stop.abort();
    expect((await iterate(containers.output.follow(id, { signal: stop.signal })).next()).done).toBe(true);
  });

  it('shows a terminal of the size that it is told', async () => {
    const { id } = await containers.run({ ...script('read a; stty size'), tty: true, openInput: true });
    await containers.resize(id, 99, 33);
    await containers.write(id, Buffer.from('x\r'));
    await containers.waitForExit(id);
    expect(await outputOf(id)).toContain('33 99');
  });

  it('is watched', async () => {
    const stop = new AbortController();
    const request = { sessionId };
    const watch = iterate(service.watchContainers(request, { signal: stop.signal }));
    expect(await nextOf(watch)).toMatchObject({ payload: { $case: 'snapshot', value: { containers: [] } } });
    const { id } = await containers.create(script('true'));
    expect(await nextOf(watch)).toMatchObject({ payload: { $case: 'changed', value: { id } } });
    await containers.remove(id);
    let last = await nextOf(watch);
    // The engine may have told something of it in between.
    while (last.payload?.$case === 'changed') last = await nextOf(watch);
    expect(last).toMatchObject({ payload: { $case: 'removed', value: id } });
    stop.abort();
  });

  it('is measured', async () => {
    const { id } = await containers.run(script('sleep 60'));
    expect((await containers.usage(id)).memoryUsage).toBeGreaterThan(0);
    const measured = Promise.withResolvers<number>();
    const watch = await containers.watchUsage(id, ({ pidsCount }) => measured.resolve(pidsCount));
    expect(await measured.promise).toBeGreaterThan(0);
    watch.dispose();
  });
});

describe('a command in a container over gRPC', () => {
  it('runs with its environment and input, and tells its streams and code apart', async () => {
    const { id } = await containers.run(script('sleep 60'));
    const request = { command: ['sh', '-c', 'echo $A; pwd; cat; echo bad >&2; exit 5'], env: { A: 'b' } };
    const end = await exec(id, { ...request, workingDir: '/tmp', openInput: true }, async (running) => {
      await running.write(Buffer.from('in\n'));
      running.endInput();
    });
    expect(end).toEqual({ stdout: 'b\n/tmp\nin\n', stderr: 'bad\n', code: 5 });
    await expect(exec('0'.repeat(64), { command: ['true'] })).rejects.toMatchObject({
      reason: 'container_not_found',
    });
    await expect(exec(id, { command: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('has a terminal that is resized', async () => {
    const { id } = await containers.run(script('sleep 60'));
    const request = { command: ['sh'], tty: true, cols: 91, rows: 31 };
    const { stdout, code } = await exec(id, request, async (running) => {
      await running.write(Buffer.from('stty size\n'));
      await running.resize(70, 20);
      await running.write(Buffer.from('stty size; exit 4\n'));
    });
    expect(stdout).toMatch(/20 70/);
    expect(code).toBe(4);
  });

  it('gives a flood whole and in order, however slowly it is taken', async () => {
    const { id } = await containers.run(script('sleep 60'));
    let bytes = 0;
    let next = 0;
    let rest = '';
    const running = await containers.exec(
      id,
      { command: ['sh', '-c', 'i=0; while [ $i -lt 200000 ]; do echo $i; i=$((i+1)); done'] },
      {
        onData: async (_, data) => {
          bytes += data.length;
          const lines = (rest + Buffer.from(data).toString()).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) expect(Number(line)).toBe(next++);
          await new Promise(setImmediate);
        },
        onEnd: () => undefined,
      },
    );
    expect(await running.exitCode).toBe(0);
    expect([next, bytes]).toEqual([200_000, 1_288_890]);
  });

  it('ends when whoever asked for it leaves', async () => {
    const { id } = await containers.run(script('sleep 60'));
    const running = await containers.exec(
      id,
      { command: ['sh', '-c', 'echo up; cat'], openInput: true },
      { onData: () => undefined, onEnd: () => undefined },
    );
    const commands = (): string => engine.docker('top', id, '-o', 'pid,args');
    await waitUntil('it runs', () => commands().includes('cat'));
    running.dispose();
    await waitUntil('it has ended', () => !commands().includes('cat'));
    await expect(running.exitCode).rejects.toMatchObject({ reason: 'aborted' });
  });
});

describe('images, networks and volumes over gRPC', () => {
  it('are made, listed, used and removed', async () => {
    const { resources } = containers;
    await resources.createNetwork(sessionId, 'inner', { isInternal: true });
    await resources.createVolume(sessionId, 'data');
    expect(await resources.networks(sessionId)).toMatchObject([{ name: 'inner', sessionId }]);
    expect(await resources.volumes(sessionId)).toMatchObject([{ name: 'data', sessionId }]);
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    const { id } = await containers.run({ ...script('echo kept > /data/file'), mounts, network: 'inner' });
    await containers.waitForExit(id);
    const other = await containers.run({ ...script('cat /data/file'), mounts });
    await containers.waitForExit(other.id);
    expect(await outputOf(other.id)).toBe('kept\n');
    for (const each of [id, other.id]) await containers.remove(each);
    await resources.removeNetwork(sessionId, 'inner');
    await resources.removeVolume(sessionId, 'data');
    expect([await resources.networks(sessionId), await resources.volumes(sessionId)]).toEqual([[], []]);
  });

  it('an image is built, imported, listed and removed, and its progress told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ow-image-'));
    try {
      writeFileSync(
        join(folder, 'Dockerfile'),
        `FROM ${testImage}\nCOPY hello /hello\nCMD ["cat", "/hello"]\n`,
      );
      writeFileSync(join(folder, 'hello'), 'hello\n');
      mkdirSync(join(folder, 'root'));
      served.knowDirectory(folder);
      const session = await served.core.sessions.create({ cwd: folder });
      const told: string[] = [];
      const onProgress = ({ message }: { message: string }): void => void told.push(message);
      const id = await containers.images.build({ sessionId: session.id, tag: 'built:1', onProgress });
      expect(told.join('\n')).toMatch(/COPY hello/);
      const made = await containers.run({ sessionId: session.id, image: 'built:1' });
      await containers.waitForExit(made.id);
      expect(await outputOf(made.id)).toBe('hello\n');
      await containers.remove(made.id);
      const path = join(folder, 'root');
      await containers.images.import({ sessionId: session.id, tag: 'imported:1', path });
      const listed = await containers.images.list();
      expect(listed.find((image) => image.tags.includes('built:1'))?.id).toBe(id);
      for (const tag of ['built:1', 'imported:1']) await containers.images.remove(tag);
      const left = (await containers.images.list()).flatMap(({ tags }) => tags);
      expect(left).toEqual([testImage]);
      await expect(containers.images.pull('127.0.0.1:1/none:1')).rejects.toMatchObject({
        message: expect.stringMatching(/could not/),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('rights', () => {
  it('of the person reach beyond the policy for one container, those of an agent do not', async () => {
    const own = await openSession({}, 'orchestrator:a');
    const agent = (await served.connect({ principal: 'orchestrator:a' })).service(ContainerServiceDefinition);
    const request = CreateContainerRequest.fromPartial({
      sessionId: own,
      image: testImage,
      command: ['sleep', '60'],
      isStarted: true,
    });
    const beyond = { ...request, capabilities: ['NET_ADMIN'] };
    await expect(service.createContainer(beyond)).rejects.toMatchObject({ reason: 'policy_violation' });
    const allow = CreateContainerRequest.fromPartial({ allow: { capabilities: true } }).allow;
    await expect(agent.createContainer({ ...beyond, allow })).rejects.toMatchObject({
      reason: 'permission_denied',
    });
    const granted = await service.createContainer({ ...beyond, allow });
    const { container } = await agent.createContainer(request);
    const containerId = container!.id;
    expect((await agent.killContainer({ containerId, signal: '' })).container?.exit?.exitCode).toBe(137);
    await service.killContainer({ containerId: granted.container!.id, signal: '' });

    const foreign = (await containers.run(script('sleep 60'))).id;
    const denied = { code: 'PERMISSION_DENIED', reason: 'permission_denied' };
    await expect(agent.createContainer({ ...request, sessionId })).rejects.toMatchObject(denied);
    await expect(agent.stopContainer({ containerId: foreign, graceMs: 0 })).rejects.toMatchObject(denied);
    await expect(agent.removeImage({ image: testImage })).rejects.toMatchObject(denied);
    await expect(agent.createVolume({ sessionId, name: 'v' })).rejects.toMatchObject(denied);
    const open = { containerId: foreign, command: ['true'], env: {}, workingDir: '', user: '' };
    const frames = (async function* () {
      const value = { ...open, terminal: undefined, openInput: false };
      yield { payload: { $case: 'open' as const, value } };
    })();
    await expect(nextOf(iterate(agent.exec(frames)))).rejects.toMatchObject(denied);
    const pull = agent.pullImage({ image: testImage, sessionId: '' });
    await expect(nextOf(iterate(pull))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const bounded = await openSession({ allowedImages: ['other'] }, 'orchestrator:a');
    const refused = agent.pullImage({ image: testImage, sessionId: bounded });
    await expect(nextOf(iterate(refused))).rejects.toMatchObject(denied);
    // Everyone may look.
    expect((await agent.listContainers({ sessionId: '', state: 0, labels: {} })).containers).toHaveLength(3);
  });
});

it('what needs no engine is told without one', async () => {
  await using alone = await new ServedCore().start();
  const there = new RemoteContainers(await alone.connect());
  expect(await there.list()).toEqual([]);
  const missing = { code: 'FAILED_PRECONDITION', reason: 'container_engine_missing' };
  await expect(there.ready()).rejects.toMatchObject(missing);
  await expect(there.images.list()).rejects.toMatchObject(missing);
});
