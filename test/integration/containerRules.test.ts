import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Container, CreateContainerRequest } from '../../src/core/containers/container.ts';
import type { OutputStream } from '../../src/core/ports/containerEngine.ts';
import type { ResourceUsage } from '../../src/core/resources.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';

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

const mebibyte = 1024 * 1024;

/** Runs a script to its end. @returns what it printed. */
async function run(script: string, request: Partial<CreateContainerRequest> = {}): Promise<string> {
  const { id } = await fixture.create(sessionId, script, request);
  await fixture.core.containers.start(id);
  await fixture.core.containers.waitForExit(id);
  return fixture.output(id);
}

async function begin(script: string, request: Partial<CreateContainerRequest> = {}): Promise<Container> {
  const { id } = await fixture.create(sessionId, `echo up; ${script}`, request);
  const container = await fixture.core.containers.start(id);
  await waitUntil('it is up', async () => (await fixture.output(id)).includes('up'));
  return container;
}

describe('what a container finds within', () => {
  it('its limits, in its own cgroup', async () => {
    const isFirst = existsSync('/sys/fs/cgroup/memory');
    const read = isFirst
      ? 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us'
      : 'cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max | tr " " "\\n"';
    const resources = { memoryBytes: 48 * mebibyte, memorySwap: 80 * mebibyte, pidsLimit: 21, nanoCpus: 3e8 };
    const [memory, swap, pids, quota, period] = (await run(read, { resources })).split('\n').map(Number);
    expect({ memory, pids }).toEqual({ memory: 48 * mebibyte, pids: 21 });
    // The first version counts both together, the second one only what is swapped.
    expect(swap).toBe((isFirst ? 80 : 32) * mebibyte);
    expect((quota ?? 0) / (period ?? 1)).toBeCloseTo(0.3);
    const none = await run(read, { resources: { memoryBytes: 48 * mebibyte } });
    expect(Number(none.split('\n')[1])).toBe(isFirst ? 48 * mebibyte : 0);
  });

  it('no way to more processes than it may have', async () => {
    const output = await run('for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all', {
      resources: { pidsLimit: 6 },
    });
    expect(output).toMatch(/can't fork|Resource temporarily unavailable/);
  });

  it('no capability and no way to a privilege, unless one was allowed', async () => {
    const read =
      'grep -E "^(Cap|NoNewPrivs)" /proc/self/status | tr "\\t\\n" "= "; ls -A /dev | grep -c "^[sv]d"';
    const none = '0'.repeat(16);
    const sets = (caps: string): string =>
      `CapInh:=${caps} CapPrm:=${caps} CapEff:=${caps} CapBnd:=${caps} CapAmb:=${none} NoNewPrivs:=1 `;
    expect(await run(read)).toContain(
      `CapInh:=${none} CapPrm:=${none} CapEff:=${none} CapBnd:=${none} CapAmb:=${none} NoNewPrivs:=1 0\n`,
    );
    // Bit 10 is that of ports below 1024; whether it is inherited depends on the engine's age.
    const allowed = await run(read, { capabilities: ['NET_BIND_SERVICE'], allow: { capabilities: true } });
    expect(allowed.replace(/CapInh:=\S+/, '')).toBe(
      `${sets('0000000000000400').replace(/CapInh:=\S+/, '')}0\n`,
    );
  });

  it('a root that it cannot write to, and a tmpfs that it can', async () => {
    const output = await run(
      '(touch /new; touch /tmp/new && ls /tmp; mount | grep -c " /tmp type tmpfs") 2>&1',
      {
        readOnlyRoot: true,
        mounts: [{ type: 'tmpfs', source: '', target: '/tmp', readOnly: false }],
      },
    );
    expect(output).toMatch(/new: Read-only file system\nnew\n1\n$/);
    const { id } = await fixture.create(sessionId, 'true');
    expect(fixture.core.containers.get(id).config.readOnlyRoot).toBe(false);
  });

  it('the environment that was declared, which nobody is shown, and its user and folder', async () => {
    const output = await run('echo "$A|$B|$HOME"; id -u; pwd', {
      env: { A: 'a b"c\n$d', B: '' },
      user: '1234:5',
      workingDir: '/tmp',
    });
    expect(output).toBe('a b"c\n$d||/\n1234\n/tmp\n');
    const [container] = fixture.core.containers.list({ sessionId });
    expect(container?.config.envNames).toEqual(['A', 'B']);
    const told = JSON.stringify([
      container,
      await fixture.core.containers.inspect(container?.id ?? ''),
      fixture.core.events.read({ after: 0, limit: 1_000 }),
    ]);
    expect(told).toContain('A=…');
    expect(told).not.toContain('$d');
  });
});

describe('what is mounted', () => {
  const mount = (
    source: string,
    more: Partial<CreateContainerRequest> = {},
  ): Partial<CreateContainerRequest> => ({
    mounts: [{ type: 'bind', source, target: '/x', readOnly: false }],
    allow: { volumeMount: true },
    ...more,
  });

  it('leads where it did when it was allowed, at every start', async () => {
    const { containers } = fixture.core;
    const folder = join(fixture.folder, 'work');
    mkdirSync(folder);
    writeFileSync(join(folder, 'file'), 'mine');
    const { id } = await fixture.create(sessionId, 'cat /x/*', mount(folder));
    await containers.start(id);
    await containers.waitForExit(id);
    expect(await fixture.output(id)).toBe('mine');
    // As a container could do that may write to the folder above.
    renameSync(folder, `${folder}-old`);
    await expect(containers.start(id)).rejects.toMatchObject({ reason: 'invalid_request' });
    symlinkSync('/etc', folder);
    await expect(containers.start(id)).rejects.toMatchObject({ reason: 'policy_violation' });
    expect(await fixture.output(id)).toBe('mine');
  });

  it.each([
    ['a parent', (folder: string) => `${folder}/..`],
    ['a way out and in again', (folder: string) => `${folder}/../../../etc`],
    ['a link to a link', (folder: string) => join(folder, 'second')],
    ['a way through a link', (folder: string) => join(folder, 'first/ssl')],
    ['a folder that only begins with its name', (folder: string) => `${folder}-beside`],
  ])('is not %s', async (_, path) => {
    symlinkSync('/etc', join(fixture.folder, 'first'));
    symlinkSync('first', join(fixture.folder, 'second'));
    const beside = `${fixture.folder}-beside`;
    mkdirSync(beside);
    const creating = fixture.create(sessionId, 'true', mount(path(fixture.folder)));
    await expect(creating).rejects.toMatchObject({ reason: 'policy_violation' });
    renameSync(beside, join(fixture.folder, 'beside'));
  });

  it('is not the socket of the engine by any name, nor a folder with it', async () => {
    const link = join(fixture.folder, 'docker.sock');
    symlinkSync(engine.socketPath, link);
    for (const source of [
      engine.socketPath,
      link,
      engine.folder,
      '/tmp',
      '/',
      `${engine.folder}/./data/..`,
    ]) {
      const request = mount(source, { allow: { volumeMount: true, paths: ['/'] } });
      await expect(fixture.create(sessionId, 'true', request)).rejects.toMatchObject({
        reason: 'policy_violation',
        message: expect.stringContaining('socket'),
      });
    }
    const other = createServer().listen(join(fixture.folder, 'other.sock'));
    expect(await run('[ -S /x ] && echo socket', mount(join(fixture.folder, 'other.sock')))).toBe('socket\n');
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('the end of a container', () => {
  it('is out of memory only where that was its end', async () => {
    const { containers } = fixture.core;
    const resources = { memoryBytes: 16 * mebibyte };
    const survivor = await begin('sh -c "tail /dev/zero"; echo "child: $?"; exit 0', { resources });
    expect(await containers.waitForExit(survivor.id)).toMatchObject({ exitCode: 0, reason: 'exited' });
    expect(await fixture.output(survivor.id)).toContain('child: 137');
    const victim = await begin('sh -c "tail /dev/zero" || exit 3', { resources });
    expect(await containers.waitForExit(victim.id)).toMatchObject({ exitCode: 3, reason: 'out_of_memory' });
  });

  it('is its own where it has handled a signal, and ours where the signal ended it', async () => {
    const { containers } = fixture.core;
    const handling = await begin(
      'trap "echo heard" HUP; n=0; while [ $n -lt 100 ]; do sleep 0.02; n=$((n+1)); done',
    );
    expect(await containers.kill(handling.id, 'SIGHUP')).toMatchObject({ state: 'running' });
    await waitUntil('it has heard', async () => (await fixture.output(handling.id)).includes('heard'));
    expect(await containers.waitForExit(handling.id)).toMatchObject({ exitCode: 0, reason: 'exited' });
    const ended = await begin('trap - USR1; trap "exit 138" USR1; while :; do sleep 0.02; done');
    await containers.kill(ended.id, 'USR1');
    expect(await containers.waitForExit(ended.id)).toMatchObject({ exitCode: 138, reason: 'killed' });
    const paused = await begin('sleep 60');
    await containers.pause(paused.id);
    expect(await containers.kill(paused.id)).toMatchObject({ exit: { exitCode: 137, reason: 'killed' } });
    await expect(containers.kill(paused.id, 'rm -rf')).rejects.toMatchObject({ reason: 'invalid_request' });
  });

  it('is followed by another start as the restart policy says, until it is stopped', async () => {
    const { containers } = fixture.core;
    const always = await fixture.create(sessionId, 'echo run; exit 0', {
      restart: { name: 'always', maximumRetryCount: 0 },
    });
    await containers.start(always.id);
    await waitUntil(
      'it has run three times',
      async () => (await fixture.output(always.id)).split('run').length > 3,
    );
    const stopped = await containers.stop(always.id, { graceMs: 0 });
    expect(stopped.state).toBe('exited');
    const count = (await fixture.output(always.id)).length;
    const { State: state } = JSON.parse(engine.docker('inspect', always.id))[0];
    expect(state).toMatchObject({ Running: false, Restarting: false });
    expect((await fixture.output(always.id)).length).toBe(count);
    await expect(
      fixture.create(sessionId, 'true', { restart: { name: 'always', maximumRetryCount: 3 } }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('while a container runs', () => {
  it('its health is told as its check finds it', async () => {
    const { containers, events } = fixture.core;
    const { id } = await begin('sleep 0.5; touch /tmp/well; sleep 60', {
      health: {
        command: ['test', '-e', '/tmp/well'],
        intervalMs: 200,
        timeoutMs: 5_000,
        retries: 1_000,
        startPeriodMs: 0,
      },
    });
    expect(containers.get(id).health).toBe('starting');
    await waitUntil('it is healthy', () => containers.get(id).health === 'healthy');
    const sick = await begin('sleep 60', {
      health: { command: ['false'], intervalMs: 100, timeoutMs: 5_000, retries: 2, startPeriodMs: 0 },
    });
    await waitUntil('it is unhealthy', () => containers.get(sick.id).health === 'unhealthy');
    const told = events
      .read({ after: 0, limit: 1_000, sessionId })
      .filter(({ type }) => type === 'container.updated')
      .map(({ data }) => data['health']);
    expect(told).toEqual(expect.arrayContaining(['healthy', 'unhealthy']));
  });

  it('what it uses is told about once a second, and no more after that', async () => {
    const { containers } = fixture.core;
    const { id } = await begin('while :; do :; done', {
      resources: { nanoCpus: 5e8, memoryBytes: 64 * mebibyte },
    });
    const seen: ResourceUsage[] = [];
    const watch = await containers.watchUsage(id, (usage) => seen.push(usage));
    await waitUntil('it was told twice', () => seen.length >= 2);
    watch.dispose();
    const count = seen.length;
    const last = seen.at(-1);
    expect(last?.cpuPercent).toBeGreaterThan(10);
    expect(last?.cpuPercent).toBeLessThan(80);
    expect(last).toMatchObject({ memoryLimit: 64 * mebibyte, pidsCount: 1 });
    expect((await containers.usage(id)).memoryUsage).toBeGreaterThan(0);
    expect(seen).toHaveLength(count);
  });

  it('a command in it hears keys, sizes and signals, and answers with its exit code', async () => {
    const { containers } = fixture.core;
    const { id } = await begin('sleep 60');
    let screen = '';
    const sink = {
      onData: (_: OutputStream, data: Uint8Array) => void (screen += Buffer.from(data).toString()),
      onEnd: () => {},
    };
    const script =
      'stty raw -echo; echo ready; head -c 3 | od -An -tx1; stty size; echo $$ > /tmp/pid; exec sleep 60';
    const exec = await containers.exec(
      id,
      { command: ['sh', '-c', script], tty: true, cols: 70, rows: 20 },
      sink,
    );
    await waitUntil('it is ready', () => screen.includes('ready'));
    await exec.resize(71, 21);
    // Ctrl+P at once, though by the engine's own choice it would begin a way out.
    await exec.write(Buffer.from([0x10, 0x11, 0x10]));
    await waitUntil('it has all keys', () => screen.includes('10 11 10'));
    await waitUntil('it has the size', () => screen.includes('21 71'));
    await waitUntil(
      'it is known',
      () => engine.docker('exec', id, 'sh', '-c', 'cat /tmp/pid || true') !== '',
    );
    engine.docker('exec', id, 'sh', '-c', 'kill -9 $(cat /tmp/pid)');
    expect(await exec.exitCode).toBe(137);
    await exec.resize(72, 22);
    screen = '';
    const missing = await containers.exec(id, { command: ['no-such-program'] }, sink);
    expect([126, 127]).toContain(await missing.exitCode);
    expect(screen).toContain('no-such-program');
  });

  it('what is typed into it arrives, byte for byte', async () => {
    const { containers } = fixture.core;
    const plain = await begin('head -c 300000 | wc -c', { openInput: true });
    await expect(containers.write((await begin('sleep 60')).id, Buffer.from('x'))).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    const many = Buffer.alloc(300_000, 'x');
    await containers.write(plain.id, many);
    await containers.waitForExit(plain.id);
    expect(await fixture.output(plain.id)).toBe('up\n300000\n');
    const terminal = await begin('stty raw -echo; echo ready; head -c 2 | od -An -tx1', {
      openInput: true,
      tty: true,
    });
    await waitUntil('it is ready', async () => (await fixture.output(terminal.id)).includes('ready'));
    await containers.write(terminal.id, Buffer.from([0x10, 0x11]));
    await containers.waitForExit(terminal.id);
    expect(await fixture.output(terminal.id)).toContain('10 11');
  });
});
