import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plainEnvironment, startHostUnderTest } from './hostUnderTest.ts';
import { percentile, report } from './race.ts';

const terminals = 200;
const lines = 10_000;
/** Each line differs, is coloured, and is as long as a line of a log. */
const program = `awk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "\\033[32m%06d\\033[0m the quick brown fox jumps over the lazy dog, twice a day\\n", i }'; exec sleep 600`;

/** Memory of all our processes with many full terminals, against tmux with the same; and how fast one comes back. */
export async function benchMemory(): Promise<void> {
  const underTest = await startHostUnderTest();
  try {
    const { host } = underTest;
    const ids: string[] = [];
    for (let index = 0; index < terminals; index++) {
      const id = crypto.randomUUID();
      await host.spawnTerminal({
        id,
        file: '/bin/sh',
        args: ['-c', program],
        cwd: '/',
        env: plainEnvironment,
        cols: 120,
        rows: 30,
      });
      ids.push(id);
    }
    await until(async () => {
      const all = await host.listTerminals();
      return all.length === terminals && all.every((one) => one.end > lines * 70);
    });
    const stats = await host.stats();
    if (stats === undefined) throw new Error('The process host is gone.');
    const idleMiB = residentMiB(stats.pid);
    const times: number[] = [];
    for (const id of ids) {
      const startMs = performance.now();
      await host.snapshotTerminal(id, { scrollback: lines });
      times.push(performance.now() - startMs);
    }
    times.sort((a, b) => a - b);
    const tmux = tmuxMiB();
    report(`memory: ${terminals} terminals × ${lines} lines (resident, MiB; target at most tmux's)`, {
      'process host': idleMiB,
      'process host, all snapshots taken': residentMiB(stats.pid),
      tmux,
      'ratio to tmux': (idleMiB / tmux).toFixed(2),
    });
    report(`re-attach with all ${lines} lines (ms; target p99 at most 100)`, {
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: times.at(-1) ?? Number.NaN,
    });
  } finally {
    await underTest.dispose();
  }
}

function tmuxMiB(): number {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-tmux-'));
  const tmux = (...args: string[]): string =>
    execFileSync('tmux', ['-S', join(folder, 'tmux.sock'), '-f', '/dev/null', ...args], {
      env: { ...plainEnvironment },
      encoding: 'utf8',
    });
  try {
    tmux('new-session', '-d', '-x', '120', '-y', '30', 'exec sleep 600');
    tmux('set-option', '-g', 'history-limit', String(lines));
    for (let index = 0; index < terminals; index++) tmux('new-window', '-d', program);
    const pid = Number(tmux('display-message', '-p', '#{pid}'));
    const deadlineMs = Date.now() + 120_000;
    for (;;) {
      const filled = tmux('list-windows', '-F', '#{history_size}').trim().split('\n').map(Number);
      if (filled.filter((size) => size >= lines - 40).length >= terminals) break;
      if (Date.now() > deadlineMs) throw new Error('tmux did not fill its windows in time.');
      execFileSync('sleep', ['0.2']);
    }
    return residentMiB(pid);
  } finally {
    tmux('kill-server');
    rmSync(folder, { recursive: true, force: true });
  }
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 120_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('The terminals were not filled in time.');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
