// Ceilings by the control groups of this machine; the tests run as root, so they can be made.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessHost, TerminalCeilings } from '../../src/core/ports/processHost.ts';
import { planGroups } from '../../src/processHost/cgroups.ts';
import { buildHost, collect, HostFixture, isAlive, processesWith, sh, until } from './processHostHarness.ts';
import { startRealCore } from './realCore.ts';

let distDir: string;
let fixture: HostFixture;
let host: ProcessHost;

beforeAll(async () => {
  distDir = await buildHost();
});
afterAll(() => rmSync(distDir, { recursive: true, force: true }));
beforeEach(() => {
  fixture = new HostFixture(distDir);
  host = fixture.client();
});
afterEach(() => fixture.dispose());

const mebibyte = 1024 * 1024;
const all: TerminalCeilings = { memoryBytes: 64 * mebibyte, cpuPercent: 20, processes: 12 };
const foldersOf = (id: string, ceilings: TerminalCeilings): string[] =>
  planGroups(ceilings, `orchestrator-${id}`).map(({ path }) => path);
const areGone = (folders: readonly string[]): boolean => !folders.some((path) => existsSync(path));

describe('ceilings', () => {
  it('hold from the first instruction on, for all below the program, and go with the terminal', async () => {
    const options = sh('cat /proc/self/cgroup; sleep 60 & echo up; wait', { ceilings: all });
    const folders = foldersOf(options.id, all);
    const { ceilings } = await host.spawnTerminal(options);
    expect(ceilings).toEqual(all);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('up'), 'the program runs');
    expect(output.text().split(`/orchestrator-${options.id}`).length - 1).toBe(folders.length);
    for (const folder of folders) {
      expect(readFileSync(`${folder}/cgroup.procs`, 'utf8').trim().split('\n')).toHaveLength(2);
    }
    await host.killTerminal(options.id, { graceMs: 0 });
    await until(() => areGone(folders), 'the groups are removed');
  });

  it('end what takes more memory, and the exit says so', async () => {
    const ceilings = { memoryBytes: 32 * mebibyte };
    const hungry = `perl -e '$x = "x" x (200 * 1024 * 1024); sleep 60'`;
    const alone = sh(`exec ${hungry}`, { ceilings });
    await host.spawnTerminal(alone);
    expect(await (await collect(host, alone.id)).ended).toMatchObject({
      reason: 'out_of_memory',
      signal: 9,
      oomKills: 1,
    });
    const last = sh(`${hungry}; exit $?`, { ceilings });
    await host.spawnTerminal(last);
    expect(await (await collect(host, last.id)).ended).toMatchObject({
      reason: 'out_of_memory',
      exitCode: 137,
    });
    const survivor = sh(`${hungry}; echo on; exit 0`, { ceilings });
    await host.spawnTerminal(survivor);
    const output = await collect(host, survivor.id);
    expect(await output.ended).toMatchObject({ reason: 'exited', exitCode: 0, oomKills: 1 });
    expect(output.text()).toContain('on');
  });

  it('refuse more processes, and slow down who takes more of the processor', async () => {
    const forks = sh('for i in 1 2 3 4 5 6; do sleep 5 & done; echo never; wait', {
      ceilings: { processes: 3 },
    });
    await host.spawnTerminal(forks);
    const output = await collect(host, forks.id);
    await output.ended;
    expect(output.text()).toMatch(/fork/i);
    expect(output.text()).not.toContain('never');

    const busy = sh("perl -e '1 while time - $^T < 3; print join(q( ), times), qq(\\n)'", {
      ceilings: { cpuPercent: 20 },
    });
    await host.spawnTerminal(busy);
    const measured = await collect(host, busy.id);
    await measured.ended;
    const [user = 0, system = 0] = measured.text().split(' ').map(Number);
    // Two to three seconds of wall-clock time, a fifth of them.
    expect(user + system).toBeGreaterThan(0.1);
    expect(user + system).toBeLessThan(1);
  });

  it('find who has left the session and wiped its environment', async () => {
    const name = `ow${randomUUID().replaceAll('-', '')}`;
    const options = sh(
      `(env -i setsid sh -c 'trap "" HUP TERM; while :; do sleep 0.1; done; : ${name}' </dev/null >/dev/null 2>&1 &)
       while [ "$(grep -lsa ${name} /proc/[0-9]*/cmdline | wc -l)" -lt 2 ]; do sleep 0.05; done; exit 4`,
      { ceilings: { processes: 50 } },
    );
    const folders = foldersOf(options.id, { processes: 50 });
    await host.spawnTerminal(options);
    expect(await (await collect(host, options.id)).ended).toMatchObject({ exitCode: 4 });
    await until(() => processesWith(name).length === 0, 'nothing is left');
    await until(() => areGone(folders), 'the groups are removed');
  });

  it('of a host that was killed are taken down by the next one, with who is in them, and no others', async () => {
    const name = `ow${randomUUID().replaceAll('-', '')}`;
    const options = sh(
      `env -i setsid sh -c 'trap "" HUP TERM; while :; do sleep 0.1; done; : ${name}' </dev/null >/dev/null 2>&1 &
       echo up; wait; : ${name}`,
      { ceilings: all },
    );
    const folders = foldersOf(options.id, all);
    const stranger = `${dirname(folders[0] ?? '')}/orchestrator-${randomUUID()}`;
    mkdirSync(stranger);
    try {
      const { pid } = await host.spawnTerminal(options);
      await until(() => processesWith(name).length >= 2, 'the tree is up');
      process.kill(fixture.hostPid() ?? 0, 'SIGKILL');
      await until(() => !isAlive(pid), 'the hang-up ends the leader');
      expect(areGone(folders)).toBe(false);
      await until(() => host.connection.state === 'lost', 'the loss is told');
      await host.ensureConnected();
      expect(processesWith(name)).toEqual([]);
      expect(areGone(folders)).toBe(true);
      expect(existsSync(stranger)).toBe(true);
    } finally {
      rmdirSync(stranger);
    }
  });

  it('are refused where they cannot be set, and nothing is started without them', async () => {
    // A host in a mount namespace of its own, whose control groups cannot be written.
    const unmount = 'for m in $(grep -o "/sys/fs/cgroup/[a-z]*" /proc/mounts); do umount "$m"; done';
    const program = `${unmount}; exec "$@"`;
    const child = fixture.spawnHost(
      ['--idle-exit-ms', '60000'],
      ['unshare', '-m', 'sh', '-c', program, 'sh'],
    );
    await until(() => fixture.hostPid() !== undefined, 'the host is there');
    await using real = await startRealCore(fixture);
    const { terminals, terminalSessions } = real.core;
    await expect(
      terminals.spawn({ shell: 'sh', args: ['-c', 'touch ran'], cwd: real.home, ceilings: all }),
    ).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'ceilings_unavailable',
      message: expect.stringContaining('not mounted') as unknown,
    });
    expect(terminals.list()).toEqual([]);
    expect(existsSync(`${real.home}/ran`)).toBe(false);
    expect(execFileSync('ls', ['-A', fixture.paths.terminals], { encoding: 'utf8' })).toBe('');
    await terminalSessions.spawnTerminal(80, 24);
    expect(child.exitCode).toBeNull();
  });
});
