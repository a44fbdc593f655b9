import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OutputStream } from '../../src/core/ports/containerEngine.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';

let engine: TestEngine;
let fixture: ContainerCore;
let sessionId: string;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
beforeEach(async () => {
  fixture = new ContainerCore(engine.client());
  await fixture.start();
  sessionId = (await fixture.session()).id;
});
afterEach(async () => {
  await fixture.core.sessions.close(sessionId);
  await fixture[Symbol.asyncDispose]();
  expect(engine.docker('ps', '--all', '--quiet')).toBe('');
});

describe('a container', () => {
  it('is made, started, ends and is removed, with all it printed and every event', async () => {
    const { containers, events } = fixture.core;
    const made = await fixture.create(sessionId, 'echo out; echo err >&2; exit 3', { name: 'my work' });
    expect(made).toMatchObject({ sessionId, name: 'my work', image: testImage, state: 'created' });
    await containers.start(made.id);
    expect(await containers.waitForExit(made.id)).toMatchObject({ exitCode: 3, reason: 'exited' });
    const pieces: [OutputStream, string][] = [];
    for await (const { stream, data } of containers.output.follow(made.id)) {
      pieces.push([stream, Buffer.from(data).toString()]);
    }
    expect(pieces.sort()).toEqual([
      ['stderr', 'err\n'],
      ['stdout', 'out\n'],
    ]);
    await containers.remove(made.id);
    expect(containers.list()).toEqual([]);
    const types = events
      .read({ after: 0, limit: 100, sessionId })
      .filter(({ containerId }) => containerId === made.id)
      .map(({ type }) => type);
    expect(types).toEqual([
      'container.created',
      'container.started',
      'container.stopped',
      'container.removed',
    ]);
  });

  it('is stopped, restarted, paused, goes on, is killed', async () => {
    const { containers } = fixture.core;
    const { id } = await containers.run({
      sessionId,
      image: testImage,
      command: ['sh', '-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'],
    });
    expect(containers.get(id).state).toBe('running');
    expect((await containers.pause(id)).state).toBe('paused');
    expect((await containers.unpause(id)).state).toBe('running');
    await waitUntil('it prints', async () => (await fixture.output(id)).includes('up'));
    expect(await containers.stop(id)).toMatchObject({
      state: 'exited',
      exit: { exitCode: 7, reason: 'stopped' },
    });
    expect(await containers.restart(id)).toMatchObject({ state: 'running', exit: undefined });
    expect(await containers.kill(id)).toMatchObject({
      state: 'exited',
      exit: { exitCode: 137, reason: 'killed' },
    });
    expect(await fixture.output(id)).toMatch(/^up\nbye\n(up\n)?$/);
    await expect(containers.kill(id)).rejects.toMatchObject({ reason: 'invalid_request' });
  });

  it('says why it did not start', async () => {
    const { containers } = fixture.core;
    const { id } = await containers.create({ sessionId, image: testImage, command: ['/no/such/program'] });
    await expect(containers.start(id)).rejects.toMatchObject({ reason: 'container_engine_failed' });
    expect(containers.get(id).exit).toMatchObject({ reason: 'start_failed' });
    expect(containers.get(id).exit?.error).toMatch(/no such file/);
    await expect(
      containers.create({ sessionId, image: 'no-such-image', command: ['true'] }),
    ).rejects.toMatchObject({ reason: 'image_not_found' });
  });

  it('takes input, with and without a terminal', async () => {
    const { containers } = fixture.core;
    const plain = await containers.run({ sessionId, image: testImage, command: ['cat'], openInput: true });
    await containers.write(plain.id, Buffer.from('hello\n'));
    await waitUntil('it answers', async () => (await fixture.output(plain.id)) === 'hello\n');
    const terminal = await containers.run({
      sessionId,
      image: testImage,
      command: ['sh', '-c', 'read a; stty size; echo "got $a"'],
      openInput: true,
      tty: true,
    });
    await containers.resize(terminal.id, 99, 33);
    await containers.write(terminal.id, Buffer.from('x\r'));
    await containers.waitForExit(terminal.id);
    expect(await fixture.output(terminal.id)).toBe('x\r\n33 99\r\ngot x\r\n');
  });

  it('runs commands, with a terminal and without', async () => {
    const { containers } = fixture.core;
    const { id } = await fixture.create(sessionId, 'sleep 60');
    await containers.start(id);
    const collect = async (
      request: Parameters<typeof containers.exec>[1],
      input?: string,
    ): Promise<[string, number | undefined]> => {
      const parts: Buffer[] = [];
      const sink = {
        onData: (_: OutputStream, data: Uint8Array) => void parts.push(Buffer.from(data)),
        onEnd: () => {},
      };
      const exec = await containers.exec(id, request, sink);
      if (input !== undefined) {
        await exec.write(Buffer.from(input));
        if (request.tty !== true) exec.endInput();
      }
      const code = await exec.exitCode;
      return [Buffer.concat(parts).toString(), code];
    };
    expect(
      await collect({ command: ['sh', '-c', 'echo $A; pwd; exit 5'], env: { A: 'b' }, workingDir: '/tmp' }),
    ).toEqual(['b\n/tmp\n', 5]);
    expect(await collect({ command: ['cat'], openInput: true }, 'in')).toEqual(['in', 0]);
    const [screen, code] = await collect(
      { command: ['sh'], tty: true, cols: 91, rows: 31 },
      'stty size; exit 4\n',
    );
    expect(screen).toContain('31 91');
    expect(code).toBe(4);
    const usage = await containers.usage(id);
    expect(usage.memoryUsage).toBeGreaterThan(0);
    expect(usage.pidsCount).toBeGreaterThan(0);
    expect(JSON.stringify(await containers.inspect(id))).toContain(id);
  });

  it('has safe defaults and the limits that were asked for, in its cgroup', async () => {
    const { containers } = fixture.core;
    const { id } = await containers.run({
      sessionId,
      image: testImage,
      command: ['sleep', '60'],
      resources: { memoryBytes: 64 * 1024 * 1024, nanoCpus: 5e8, pidsLimit: 33 },
    });
    const { HostConfig: host, State: state } = JSON.parse(engine.docker('inspect', id))[0];
    expect(host).toMatchObject({ CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], NetworkMode: 'none' });
    expect(cgroupLimits(state.Pid)).toEqual({ memory: 64 * 1024 * 1024, pids: 33, cpu: 0.5 });
    await containers.stop(id, { graceMs: 0 });
    const other = await containers.run({ sessionId, image: testImage, command: ['sleep', '60'] });
    const pid = JSON.parse(engine.docker('inspect', other.id))[0].State.Pid as number;
    expect(cgroupLimits(pid)).toMatchObject({ memory: 2 * 1024 ** 3, pids: 512 });
  });

  it('that runs out of memory is said to have, within 2 s', async () => {
    const { containers } = fixture.core;
    const { id } = await containers.create({
      sessionId,
      image: testImage,
      command: ['sh', '-c', 'echo begin; tail /dev/zero'],
      resources: { memoryBytes: 16 * 1024 * 1024 },
    });
    await containers.start(id);
    const exit = await containers.waitForExit(id);
    const told = Date.now();
    expect(exit).toMatchObject({ exitCode: 137, reason: 'out_of_memory' });
    expect(told - exit.exitedAt).toBeLessThan(2_000);
    expect(await fixture.output(id)).toContain('begin\n');
  });

  it('is removed when it stops, if that was asked for', async () => {
    const { containers } = fixture.core;
    const { id } = await fixture.create(sessionId, 'exit 2', { removeOnStop: true });
    const exit = containers.waitForExit(id);
    await containers.start(id);
    expect(await exit).toMatchObject({ exitCode: 2 });
    await waitUntil('it is gone', () => containers.find(id) === undefined);
  });

  it('that the engine starts again keeps one record of all it printed', async () => {
    const { containers } = fixture.core;
    const { id } = await fixture.create(sessionId, 'echo begin; sleep 0.1; echo end; exit 1', {
      restart: { name: 'on-failure', maximumRetryCount: 2 },
    });
    await containers.start(id);
    expect(await containers.waitForExit(id)).toMatchObject({ exitCode: 1 });
    expect(await fixture.output(id)).toBe('begin\nend\n'.repeat(3));
  });
});

describe('what a session does not allow', () => {
  it.each([
    [{ network: 'bridge' }, /allows no network/],
    [{ network: 'host' }, /never allowed/],
    [{ network: 'host', allow: { network: true, networks: ['host'] } }, /never allowed/],
    [{ capabilities: ['SYS_ADMIN'] }, /Capabilities/],
    [{ mounts: [{ type: 'bind', source: '/etc', target: '/x', readOnly: true }] }, /allows no mounts/],
    [
      {
        mounts: [{ type: 'bind', source: '/etc', target: '/x', readOnly: true }],
        allow: { volumeMount: true },
      },
      /outside of the session's directory/,
    ],
  ] as const)('%j', async (request, message) => {
    await expect(fixture.create(sessionId, 'true', request)).rejects.toThrow(
      expect.objectContaining({ reason: 'policy_violation', message: expect.stringMatching(message) }),
    );
    const told = fixture.core.events
      .read({ after: 0, limit: 100, sessionId })
      .filter(({ type }) => type === 'policy.violation');
    expect(told).toHaveLength(1);
  });

  it('a link out of its directory, and the socket of the engine', async () => {
    const inside = join(fixture.folder, 'inside');
    mkdirSync(inside);
    writeFileSync(join(inside, 'file'), 'hello');
    symlinkSync('/etc', join(fixture.folder, 'out'));
    const mount = (source: string) => ({
      mounts: [{ type: 'bind' as const, source, target: '/x', readOnly: true }],
      allow: { volumeMount: true },
    });
    await expect(fixture.create(sessionId, 'true', mount(join(fixture.folder, 'out')))).rejects.toMatchObject(
      {
        reason: 'policy_violation',
      },
    );
    const withSocket = { ...mount(engine.folder), allow: { volumeMount: true, paths: ['/'] } };
    await expect(fixture.create(sessionId, 'true', withSocket)).rejects.toThrow(/socket/);
    const { id } = await fixture.create(sessionId, 'cat /x/file; touch /x/new', mount(inside));
    await fixture.core.containers.start(id);
    expect((await fixture.core.containers.waitForExit(id)).exitCode).toBe(1);
    const output = await fixture.output(id);
    expect(output).toContain('hello');
    expect(output).toContain('Read-only file system');
  });

  it('other images, too many containers, more than its limits', async () => {
    const strict = await fixture.session({
      maxContainers: 1,
      allowedImages: ['workbench-test'],
      resourceLimits: { nanoCpus: 2e8, memoryBytes: 32 * 1024 * 1024, memorySwap: 0, pidsLimit: 20 },
    });
    await expect(
      fixture.core.containers.create({ sessionId: strict.id, image: 'other', command: ['true'] }),
    ).rejects.toMatchObject({ reason: 'image_not_allowed' });
    const asked = { resources: { memoryBytes: 1024 ** 3, pidsLimit: 1_000 } };
    const results = await Promise.allSettled([
      fixture.create(strict.id, 'true', asked),
      fixture.create(strict.id, 'true', asked),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(fixture.core.containers.list({ sessionId: strict.id })[0]?.config.resources).toEqual({
      nanoCpus: 2e8,
      memoryBytes: 32 * 1024 * 1024,
      memorySwap: 32 * 1024 * 1024,
      pidsLimit: 20,
    });
    await fixture.core.sessions.close(strict.id);
    expect(engine.docker('ps', '--all', '--quiet')).toBe('');
  });
});

/** What the kernel holds the process to, under either version of cgroups. */
function cgroupLimits(pid: number): { memory: number; pids: number; cpu: number } {
  const groups = new Map(
    readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [, names = '', path = ''] = line.split(':');
        return names.split(',').map((name): [string, string] => [name, path]);
      }),
  );
  const unified = groups.get('') ?? '';
  const isFirst = groups.has('memory');
  const read = (controller: string, first: string, second: string): string => {
    const path = isFirst ? `${controller}${groups.get(controller)}/${first}` : `${unified}/${second}`;
    return readFileSync(join('/sys/fs/cgroup', path), 'utf8').trim();
  };
  const quota = isFirst
    ? [read('cpu', 'cpu.cfs_quota_us', ''), read('cpu', 'cpu.cfs_period_us', '')]
    : read('cpu', '', 'cpu.max').split(' ');
  return {
    memory: Number(read('memory', 'memory.limit_in_bytes', 'memory.max')),
    pids: Number(read('pids', 'pids.max', 'pids.max')),
    cpu: Number(quota[0]) / Number(quota[1]),
  };
}
