import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { percentile, report } from './race.ts';

const runs = 500;
const atOnce = 8;
const bytesEach = 20_480;
const cli = resolve(import.meta.dirname, '../../dist/cli.js');
const expected = createHash('sha256').update('x'.repeat(bytesEach)).digest('hex');

/** `orchestrator run` from outside: each on its own state directory, so each with its own core and process host. */
export async function benchRuns(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-runs-'));
  const times: number[] = [];
  let wrong = 0;
  let next = 0;
  const startMs = performance.now();
  try {
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (next < runs) {
          const stateDir = join(folder, String(next++));
          const runStartMs = performance.now();
          const output = await runOnce(stateDir);
          times.push(performance.now() - runStartMs);
          if (createHash('sha256').update(output).digest('hex') !== expected) wrong++;
        }
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  times.sort((a, b) => a - b);
  report(
    `orchestrator run: ${runs} × ${bytesEach / 1024} KB, ${atOnce} at once, each on its own state directory`,
    {
      'runs/s': runs / ((performance.now() - startMs) / 1000),
      'p50 (ms)': percentile(times, 0.5),
      'p99 (ms)': percentile(times, 0.99),
      'with wrong output': wrong,
    },
  );
}

async function runOnce(stateDir: string): Promise<string> {
  const command = `head -c ${bytesEach} /dev/zero | tr '\\0' x`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [cli, 'run', '--state-dir', stateDir, '--', 'sh', '-c', command],
    { maxBuffer: 4 * bytesEach },
  );
  return stdout;
}
