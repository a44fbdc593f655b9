import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CgroupSource, createGroups, joinCommand, missingForCeilings, planGroups } from './cgroups.ts';

// Trees of plain files as the kernel lays them out; test/integration/ceilings.test.ts has the real ones of the machine.

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ow cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function folder(path: string, files: Readonly<Record<string, string>> = {}): string {
  const full = join(root, path);
  mkdirSync(full, { recursive: true });
  for (const [name, content] of Object.entries({ 'cgroup.procs': '', ...files })) {
    writeFileSync(join(full, name), content);
  }
  return full;
}

const mount = (path: string, type: string, options: string, part = '/'): string =>
  `31 24 0:27 ${part} ${join(root, path).replaceAll(' ', '\\040')} rw,nosuid shared:9 - ${type} cgroup ${options}\n`;

const read = (path: string): string => readFileSync(path, 'utf8');

describe('version 2', () => {
  const unified = (membership: string): CgroupSource => ({
    mounts: mount('', 'cgroup2', 'rw,nsdelegate'),
    membership: `0::${membership}\n`,
  });

  it('takes the nearest group around us that hands on what is needed, all in one group', () => {
    folder('', { 'cgroup.subtree_control': 'cpu memory pids\n' });
    folder('user', { 'cgroup.subtree_control': 'cpu memory pids\n', 'memory.max': 'max\n' });
    folder('user/app', { 'cgroup.subtree_control': 'memory pids\n', 'memory.max': 'max\n' });
    folder('user/app/code.scope', { 'cgroup.subtree_control': '\n', 'cpu.max': 'max 100000\n' });
    const source = unified('/user/app/code.scope');
    const ceilings = { memoryBytes: 64 * 1024 * 1024, processes: 20 };
    const [near] = planGroups(ceilings, 'orchestrator-1', source);
    expect(near?.path).toBe(join(root, 'user/app/orchestrator-1'));
    const all = planGroups({ ...ceilings, cpuPercent: 150 }, 'orchestrator-1', source);
    expect(all.map(({ path }) => path)).toEqual([join(root, 'user/orchestrator-1')]);
    createGroups(all, { ...ceilings, cpuPercent: 150 });
    const path = all[0]!.path;
    expect(read(`${path}/memory.max`)).toBe('67108864');
    expect(read(`${path}/cpu.max`)).toBe('150000 100000');
    expect(read(`${path}/pids.max`)).toBe('20');
  });

  it('does not leave a group that limits us', () => {
    folder('', { 'cgroup.subtree_control': 'cpu memory pids\n' });
    folder('limited', { 'cgroup.subtree_control': '\n', 'memory.max': '1000000000\n' });
    expect(() => planGroups({ processes: 5 }, 'x', unified('/limited'))).toThrow(
      'The terminal cannot be given ceilings: no control group around this process hands the number of processes on to groups below it',
    );
  });

  it('takes the part that a container sees for the whole', () => {
    folder('', { 'cgroup.subtree_control': 'memory\n' });
    const source = {
      mounts: mount('', 'cgroup2', 'rw', '/docker/0123'),
      membership: '0::/docker/0123\n',
    };
    expect(planGroups({ memoryBytes: 1 << 24 }, 'x', source)[0]?.path).toBe(join(root, 'x'));
    expect(missingForCeilings(source)).toMatchObject({
      memory: undefined,
      cpu: expect.stringContaining('hands processor time on'),
    });
  });
});

describe('version 1', () => {
  it('makes a group below our own in every hierarchy, one where they are joined', () => {
    folder('cpu,cpuacct/ours');
    folder('memory/ours/deep', { 'memory.memsw.limit_in_bytes': '' });
    folder('pids/ours');
    const source = {
      mounts:
        mount('cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct') +
        mount('memory', 'cgroup', 'rw,memory') +
        mount('pids', 'cgroup', 'rw,pids'),
      membership: '3:cpu,cpuacct:/ours\n4:memory:/ours/deep\n8:pids:/ours\n1:name=systemd:/\n0::/\n',
    };
    const ceilings = { memoryBytes: 1 << 25, cpuPercent: 50, processes: 9 };
    const groups = planGroups(ceilings, 'x', source);
    createGroups(groups, ceilings);
    expect(groups.map(({ path }) => path)).toEqual(
      ['memory/ours/deep/x', 'cpu,cpuacct/ours/x', 'pids/ours/x'].map((path) => join(root, path)),
    );
    expect(read(join(root, 'memory/ours/deep/x/memory.limit_in_bytes'))).toBe('33554432');
    expect(read(join(root, 'cpu,cpuacct/ours/x/cpu.cfs_quota_us'))).toBe('50000');
    expect(read(join(root, 'pids/ours/x/pids.max'))).toBe('9');
  });

  it('leaves a group alone that is there already, and takes back those it has made', () => {
    folder('memory');
    folder('pids/x', { kept: 'yes' });
    const source = {
      mounts: mount('memory', 'cgroup', 'rw,memory') + mount('pids', 'cgroup', 'rw,pids'),
      membership: '4:memory:/\n8:pids:/\n',
    };
    const ceilings = { memoryBytes: 1 << 25, processes: 9 };
    // The kernel's files vanish with their folder; here nothing is written before the second group fails.
    const groups = planGroups(ceilings, 'x', source).map((group) => ({ ...group, controllers: [] }));
    expect(() => createGroups(groups, ceilings)).toThrow(/could not be made .*EEXIST/);
    expect(existsSync(join(root, 'memory/x'))).toBe(false);
    expect(read(join(root, 'pids/x/kept'))).toBe('yes');
  });
});

it('says what is missing where there are no control groups', () => {
  const none = { mounts: '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n', membership: '' };
  expect(() => planGroups({ cpuPercent: 5 }, 'x', none)).toThrow(
    expect.objectContaining({
      code: 'FAILED_PRECONDITION',
      reason: 'ceilings_unavailable',
      message: expect.stringContaining('no control groups for processor time are mounted'),
    }),
  );
  const unmounted = { mounts: '', membership: '4:memory:/a\n' };
  expect(missingForCeilings(unmounted).memory).toContain('the control group of memory is not mounted');
});

it('joins every group before the program runs', () => {
  expect(joinCommand(['/c g/a', '/c/b'], '/bin/echo', ['$1', '-n'])).toEqual({
    file: '/bin/sh',
    args: [
      '-c',
      'echo 0 >"${1}" || exit 126; echo 0 >"${2}" || exit 126; shift 2; exec "$@"',
      'sh',
      '/c g/a/cgroup.procs',
      '/c/b/cgroup.procs',
      '/bin/echo',
      '$1',
      '-n',
    ],
  });
});
