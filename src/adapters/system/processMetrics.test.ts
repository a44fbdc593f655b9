import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createProcessMetrics, parsePs, parseStat } from './processMetrics.ts';

describe('process metrics', () => {
  it('read a stat line whose name has parentheses and spaces', () => {
    const after = 'S 10 42 42 34816 42 4194304 1 1 0 0 7 3 20 10 20 0 1 0 5000 1000000 250 1 2 3';
    expect(parseStat(`42 (a) S (b c) ${after}`, 4_096)).toEqual({
      pid: 42,
      ppid: 10,
      sid: 42,
      cpuMs: 400,
      memoryBytes: 250 * 4_096,
    });
    expect(parseStat('42 (gone) Z 10 42 42 0', 4_096)).toBeUndefined();
  });

  it.each([
    ['  12    1  2048   0:01.50', { pid: 12, ppid: 1, sid: 0, cpuMs: 1_500, memoryBytes: 2_097_152 }],
    ['12 1 1 01:02:03', { pid: 12, ppid: 1, sid: 0, cpuMs: 3_723_000, memoryBytes: 1_024 }],
    ['12 1 1 2-00:00:01', { pid: 12, ppid: 1, sid: 0, cpuMs: 172_801_000, memoryBytes: 1_024 }],
    ['PID PPID RSS TIME', undefined],
  ])('read a line of ps: %s', (line, expected) => {
    expect(parsePs(line)).toEqual(expected);
  });

  it.skipIf(process.platform === 'win32')('count a whole tree, and leave out what is gone', async () => {
    const child = spawn('sh', ['-c', 'sleep 30 & sleep 30 & echo ready; wait'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = child.pid ?? 0;
    try {
      await once(child.stdout, 'data');
      const metrics = createProcessMetrics();
      const found = await metrics.sample([pid, 2 ** 30]);
      expect([...found.keys()]).toEqual([pid]);
      expect(found.get(pid)?.processes).toBe(3);
      expect(found.get(pid)?.memoryBytes).toBeGreaterThan(100_000);
      if (process.platform !== 'linux') return;
      expect(found.get(pid)?.writtenBytes).toBeGreaterThanOrEqual(6);
    } finally {
      process.kill(-pid, 'SIGKILL');
    }
  });
});
