import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import { ownMiB, plainEnvironment, startHostUnderTest } from './hostUnderTest.ts';
import { percentile, report } from './race.ts';

const terminals = 200;
const lines = 10_000;
const cols = 120;
const rows = 30;
const bytesPerLine = 70;
/** What a window asks for by default. */
const windowScrollback = 5_000;
const fillTimeoutMs = 180_000;

const run = promisify(execFile);

/** Each line differs, is coloured, and is as long as a line of a log. */
const program = (terminal: number): string =>
  `awk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "\\033[32m%03d:%06d\\033[0m the quick brown fox jumps over the lazy dog, twice a day\\n", ${terminal}, i }'; exec sleep 600`;

/** Memory with many full terminals, and how fast each comes back with the right screen, against tmux with the same. */
export async function benchMemory(): Promise<void> {
  const tmux = await fillTmux();
  const underTest = await startHostUnderTest();
  try {
    const { host } = underTest;
    const ids = await fill(host);
    const pid = (await host.stats())?.pid;
    if (pid === undefined) throw new Error('The process host is gone.');
    const filledMiB = ownMiB(pid);
    const client = await underTest.connectAnother();
    const screens = await reattach(client, ids);
    const attachedMiB = ownMiB(pid);
    const scrollbacks = await timesMs(ids, (id) => client.snapshotTerminal(id, { scrollback: lines }));
    client.dispose();
    report(`memory: ${terminals} terminals × ${lines} lines (proportional set, MiB; target at most tmux's)`, {
      'process host': filledMiB,
      'process host, all re-attached': attachedMiB,
      'process host, all lines of all drawn': ownMiB(pid),
      tmux: tmux.memoryMiB,
      'ratio to tmux, all re-attached': (attachedMiB / tmux.memoryMiB).toFixed(2),
    });
    report(
      `re-attach: screen, ${windowScrollback} lines, live output (ms; target p99 at most 100)`,
      figures(screens.timesMs),
    );
    report(`all ${lines} lines drawn (ms)`, figures(scrollbacks));
    const wrong = screens.texts.filter((text, index) => text !== tmux.screens[index]).length;
    report(`of ${terminals} screens, other than tmux's (target 0)`, { 'process host': wrong });
  } finally {
    await underTest.dispose();
  }
}

async function fill(host: ProcessHost): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < terminals; index++) {
    const id = crypto.randomUUID();
    const args = ['-c', program(index)];
    await host.spawnTerminal({ id, file: '/bin/sh', args, cwd: '/', env: plainEnvironment, cols, rows });
    ids.push(id);
  }
  await until(async () => {
    const all = await host.listTerminals();
    return all.length === terminals && all.every((one) => one.end > lines * bytesPerLine);
  });
  return ids;
}

/** As a window does that opens: the screen, then what comes after it. */
async function reattach(
  host: ProcessHost,
  ids: readonly string[],
): Promise<{ timesMs: number[]; texts: string[] }> {
  const texts: string[] = [];
  const times = await timesMs(ids, async (id) => {
    const { offset, text } = await host.snapshotTerminal(id, { scrollback: windowScrollback });
    const follower = await host.followTerminal(id, { from: offset }, { onData: () => undefined });
    follower.dispose();
    texts.push(withoutTrailingSpace(text));
  });
  return { timesMs: times, texts };
}

async function timesMs(ids: readonly string[], call: (id: string) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (const id of ids) {
    const startMs = performance.now();
    await call(id);
    times.push(performance.now() - startMs);
  }
  return times;
}

function figures(times: readonly number[]): Record<string, number> {
  const sorted = [...times].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), max: sorted.at(-1) ?? Number.NaN };
}

/** Memory of a tmux server with the same terminals, and its screens of them. */
async function fillTmux(): Promise<{ memoryMiB: number; screens: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-tmux-'));
  const config = join(folder, 'tmux.conf');
  // The status line would take a row of each screen.
  writeFileSync(config, `set -g history-limit ${lines}\nset -g status off\n`);
  const tmux = async (...args: string[]): Promise<string> => {
    const all = ['-S', join(folder, 'tmux.sock'), '-f', config, ...args];
    const { stdout } = await run('tmux', all, { env: { ...plainEnvironment } });
    return stdout;
  };
  try {
    await tmux('new-session', '-d', '-s', 'bench', '-x', String(cols), '-y', String(rows), 'exec sleep 600');
    for (let index = 0; index < terminals; index++)
      await tmux('new-window', '-d', '-t', `bench:${index + 1}`, program(index));
    await until(async () => {
      const sizes = (await tmux('list-windows', '-F', '#{history_size}')).trim().split('\n').map(Number);
      return sizes.filter((size) => size >= lines - rows).length >= terminals;
    });
    const screens: string[] = [];
    for (let index = 0; index < terminals; index++)
      screens.push(withoutTrailingSpace(await tmux('capture-pane', '-p', '-t', `bench:${index + 1}`)));
    return { memoryMiB: ownMiB(Number(await tmux('display-message', '-p', '#{pid}'))), screens };
  } finally {
    await tmux('kill-server').catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Empty ends of lines and of the screen are not told alike. */
function withoutTrailingSpace(screen: string): string {
  return screen.replace(/[ ]+$/gm, '').trimEnd();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + fillTimeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('The terminals were not filled in time.');
    await delay(200);
  }
}
