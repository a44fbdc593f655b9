import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { parseStat, processTable } from './processTable.ts';
import { findTrees, killTrees, type TreeRoot } from './processTree.ts';

const started: ChildProcess[] = [];

function start(script: string, token?: string): ChildProcess {
  const env = { PATH: process.env['PATH'], ...(token === undefined ? {} : { ORCHESTRATOR_TOKEN: token }) };
  const child = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore', env });
  started.push(child);
  return child;
}

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

const rootOf = (child: ChildProcess, token = 'ffff'): TreeRoot => {
  const pid = child.pid ?? 0;
  return { pid, startTime: processTable.startTime(pid), token, isSessionOurs: true };
};

async function until(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('in vain');
    await delay(10);
  }
}

describe.skipIf(process.platform !== 'linux')('a process tree', () => {
  it('is found by descent, session and token, and ends as a whole', async () => {
    const token = 'a1b2c3';
    const child = start(
      '(setsid sh -c "trap \\"\\" HUP TERM; while :; do sleep 0.1; done" &); env -i sh -c "sleep 100" & sleep 100',
      token,
    );
    const root = rootOf(child, token);
    await until(async () => (await findTrees([root])).length >= 4);
    expect(await killTrees([root], 100)).toBe(true);
    expect(await findTrees([root])).toEqual([]);
  });

  it('does not include who only has the same pid, nor who has no token of ours', async () => {
    const child = start('sleep 100', 'bbbb');
    const other = { ...rootOf(child, 'cccc'), startTime: 'another:1' };
    expect(await findTrees([other])).toEqual([]);
    expect(await killTrees([other], 0)).toBe(true);
    expect(processTable.startTime(child.pid ?? 0)).toBeDefined();
    expect(await findTrees([{ token: 'bbb', isSessionOurs: false }])).toEqual([]);
    expect((await findTrees([{ token: 'bbbb', isSessionOurs: false }])).map(({ pid }) => pid)).toContain(
      child.pid,
    );
  });

  it('never contains ourselves', async () => {
    const own = {
      pid: process.pid,
      startTime: processTable.startTime(process.pid),
      token: 'dddd',
      isSessionOurs: true,
    };
    expect((await findTrees([own])).map(({ pid }) => pid)).not.toContain(process.pid);
  });

  it('reads names with spaces and parentheses', () => {
    const stat = readFileSync('/proc/self/stat', 'latin1').replace(/\(.*\)/, '(a) R 1 (b)');
    expect(parseStat(stat)).toMatchObject({ pid: process.pid, ppid: process.ppid });
  });
});
