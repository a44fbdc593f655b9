import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import { runInTerminal } from '../bench/hostUnderTest.ts';
import {
  countIncomplete,
  prepareShortCommands,
  type RunInTerminal,
  type ShortCommand,
  shortCommandsAtOnce,
} from '../harness/shortCommands.ts';
import { isAlive } from '../harness/processes.ts';
import { buildHost, HostFixture } from '../integration/processHostHarness.ts';

const isFull = process.env['ORCHESTRATOR_TEST_FULL'] === '1';
/** The benchmark `shortCommands` runs the same ones beside plain node-pty. */
const count = isFull ? 100_000 : 5_000;
const part = 250;
/** So many of them compete with programs that leave no processor free. */
const besideHogs = 500;

let distDir: string;
let folder: string;
let fixture: HostFixture;
let host: ProcessHost;
let commands: ShortCommand[];

beforeAll(async () => {
  distDir = await buildHost();
  folder = mkdtempSync(join(tmpdir(), 'ow-short-commands-'));
  fixture = new HostFixture(distDir);
  host = fixture.client();
  commands = prepareShortCommands(join(folder, 'text'), count);
});

afterAll(async () => {
  await fixture.dispose();
  for (const dir of [distDir, folder]) rmSync(dir, { recursive: true, force: true });
});

const run: RunInTerminal = async (file, args, onData) => {
  let received = 0;
  const { id, exitCode, end } = await runInTerminal(host, file, args, (data) => {
    received += data.byteLength;
    onData(data);
  });
  expect({ exitCode, end }).toEqual({ exitCode: 0, end: received });
  await host.removeTerminal(id);
};

function startHogs(): void {
  const hogs = Array.from({ length: availableParallelism() }, (): ChildProcess => {
    return spawn('/bin/sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
  });
  onTestFinished(() => {
    for (const hog of hogs) hog.kill('SIGKILL');
  });
}

it(`loses no byte of ${count} outputs of 1 B to 5 MB, 1 to 32 at once, hogs beside the last ones`, {
  timeout: isFull ? 3_600_000 : 240_000,
}, async () => {
  let incomplete = 0;
  for (let index = 0; index * part < count; index++) {
    if (index * part === count - besideHogs) startHogs();
    const atOnce = shortCommandsAtOnce[index % shortCommandsAtOnce.length] ?? 1;
    incomplete += await countIncomplete(commands.slice(index * part, (index + 1) * part), atOnce, run);
  }
  expect(incomplete).toBe(0);
  expect(isAlive(fixture.hostPid() ?? 0)).toBe(true);
});

it('loses no byte of large outputs of a host that the system stops again and again', {
  timeout: 120_000,
}, async () => {
  const largest = commands.filter(({ bytes }) => bytes > 1_000_000).slice(0, 32);
  expect(largest.length).toBeGreaterThan(10);
  const pid = fixture.hostPid();
  if (pid === undefined) throw new Error('The process host is gone.');
  onTestFinished(() => {
    process.kill(pid, 'SIGCONT');
  });
  let isDone = false;
  const counted = countIncomplete(largest, 32, run).finally(() => {
    isDone = true;
  });
  // Stopped for longer than any time after which a terminal counts as stuck, awake for some reads in between.
  for (let round = 0; !isDone && round < 8; round++) {
    process.kill(pid, 'SIGSTOP');
    await delay(600);
    process.kill(pid, 'SIGCONT');
    await Promise.race([counted, delay(150 + 50 * round)]);
  }
  expect(await counted).toBe(0);
});
