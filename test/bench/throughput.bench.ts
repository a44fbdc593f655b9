import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from 'node-pty';
import { plainEnvironment, runInTerminal, startHostUnderTest } from './hostUnderTest.ts';
import { race } from './race.ts';

const megabytes = 60;

/** 60 MB of coloured UTF-8 from a child through the process host to a client, against tmux and plain node-pty. */
export async function benchThroughput(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-throughput-'));
  const file = join(folder, 'text');
  writeColouredText(file);
  const expected = await hashOf(file);
  const underTest = await startHostUnderTest();
  try {
    await race(
      {
        title: `throughput: ${megabytes} MB of coloured UTF-8`,
        unit: 'MB/s',
        better: 'higher',
        rounds: 5,
        target: { tmux: 1.6 },
      },
      [
        {
          name: 'process host to client',
          run: async () => {
            const hash = createHash('sha256');
            const startMs = performance.now();
            await runInTerminal(underTest.host, '/bin/sh', ['-c', rawCat(file)], (data) => hash.update(data));
            const seconds = (performance.now() - startMs) / 1000;
            if (hash.digest('hex') !== expected)
              throw new Error('The bytes that arrived are not those that were sent.');
            return megabytes / seconds;
          },
        },
        { name: 'tmux', run: () => Promise.resolve(tmuxRun(folder, file)) },
        { name: 'plain node-pty, in process', run: () => plainRun(file) },
      ],
    );
  } finally {
    await underTest.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The terminal driver must not turn line feeds into pairs, or the hash would not fit. */
const rawCat = (file: string): string => `stty -opost; cat '${file}'`;

function writeColouredText(file: string): void {
  const line = (index: number): string =>
    `\u001b[3${index % 8}m${String(index).padStart(8)} \u00fcml\u00e4ut \u4e2d\u6587 \u001b[1mbold\u001b[0m the quick brown fox\n`;
  const block = Array.from({ length: 10_000 }, (_, index) => line(index)).join('');
  const blocks = Math.ceil((megabytes * 1_000_000) / Buffer.byteLength(block));
  writeFileSync(file, block.repeat(blocks));
}

function hashOf(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    createReadStream(file)
      .on('data', (data) => hash.update(data))
      .on('end', () => {
        resolve(hash.digest('hex'));
      })
      .on('error', reject);
  });
}

/** The time from starting the command in a detached tmux session until `wait-for` says that it is through. */
function tmuxRun(folder: string, file: string): number {
  const socket = join(folder, 'tmux.sock');
  const tmux = (...args: string[]): void => {
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { env: { ...plainEnvironment } });
  };
  const startMs = performance.now();
  tmux(
    'new-session',
    '-d',
    '-x',
    '80',
    '-y',
    '24',
    `cat '${file}'; tmux -S '${socket}' wait-for -S done; sleep 5`,
  );
  tmux('wait-for', 'done');
  const seconds = (performance.now() - startMs) / 1000;
  tmux('kill-server');
  return megabytes / seconds;
}

function plainRun(file: string): Promise<number> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const hash = createHash('sha256');
    const pty = spawnPty('/bin/sh', ['-c', rawCat(file)], {
      cwd: '/',
      env: { ...plainEnvironment },
      encoding: null,
    });
    pty.onData((data) => hash.update(data));
    pty.onExit(() => {
      resolve(megabytes / ((performance.now() - startMs) / 1000));
    });
  });
}
