// What goes wrong around the product, with the real thing: a disk that is full, a process host that is gone.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, signal, waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type RunningCli } from '../integration/cliHarness.ts';

let dist: string;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

interface ListedRun {
  readonly id: string;
  readonly status: string;
}

/** Starts a run and kills the `orchestrator run` behind it, so that no core is there when it ends. */
async function startWithoutCore(cli: CliFixture, script: string): Promise<void> {
  const running = cli.start(['run', '--', 'sh', '-c', script]);
  await running.shows('begun');
  running.child.kill('SIGKILL');
  await running.result;
}

async function serveAndListRuns(cli: CliFixture): Promise<ListedRun[]> {
  const serving = cli.start(['serve']);
  await serving.shows('Ready');
  const { runs } = await cli.json(['ps', '--all']);
  serving.child.kill('SIGTERM');
  await serving.result;
  return runs as ListedRun[];
}

const workersOf = (cli: CliFixture): string[] => cli.leftovers().filter((line) => line.includes('worker.js'));

describe('a process host that was killed', () => {
  it('takes nothing with it of a run that had ended while no core was there', async () => {
    await using cli = new CliFixture(dist);
    await startWithoutCore(cli, 'echo begun; sleep 0.3; echo the end; exit 7');
    await waitUntil('the run has ended', () => workersOf(cli).length === 0);
    signal(cli.hostPid() ?? 0, 'SIGKILL');
    await waitUntil('the host is gone', () => cli.hostPid() === undefined);

    const [run] = await serveAndListRuns(cli);
    expect(run?.status).toBe('failed');
    const { stdout } = await cli.run(['logs', run?.id ?? '']);
    expect(stdout.toString()).toBe('begun\nthe end\n');
    const { stdout: events } = await cli.run(['events', '--json', '--run', run?.id ?? '']);
    expect(events.toString()).toContain('"exit_code":7');
    expect(events.toString()).not.toContain('process_host_lost');
  });

  it('ends a run that was going on, with its output up to then, and leaves no process', async () => {
    await using cli = new CliFixture(dist);
    await startWithoutCore(cli, 'echo begun; trap "" HUP TERM; sleep 63.25');
    const host = cli.hostPid() ?? 0;
    signal(host, 'SIGKILL');
    await waitUntil('the host is gone', () => !isAlive(host));

    const [run] = await serveAndListRuns(cli);
    expect(run?.status).toBe('failed');
    const { stdout: events } = await cli.run(['events', '--json', '--run', run?.id ?? '']);
    expect(events.toString()).toContain('process_host_lost');
    const { stdout } = await cli.run(['logs', run?.id ?? '']);
    expect(stdout.toString()).toBe('begun\n');
    await waitUntil(
      'nothing of the run lives',
      () => !cli.leftovers().some((line) => line.includes('63.25')),
    );
  });
});

describe('a full disk', () => {
  it('is named, loses no byte of what is followed, and is got over once there is space', async () => {
    await using cli = new CliFixture(dist);
    await using disk = smallDisk(cli.stateDir);
    const bytes = 12_000_000;
    const running = cli.start(['run', '--', 'sh', '-c', `head -c ${bytes} /dev/zero | tr '\\0' x`]);
    await waitForError(running, /disk .* is full\. Free some space/);
    disk.grow();
    const { code, stdout } = await running.result;
    expect(code).toBe(0);
    expect(stdout.length).toBe(bytes);
    expect(stdout.every((byte) => byte === 0x78)).toBe(true);
    expect((await cli.run(['run', '--', 'echo', 'again'])).stdout.toString()).toBe('again\n');
    await waitUntil('the host has ended', () => cli.leftovers().length === 0);
  });
});

async function waitForError(running: RunningCli, pattern: RegExp): Promise<void> {
  await waitUntil(`standard error says ${String(pattern)}`, () => pattern.test(running.stderr), {
    limitMs: 30_000,
  });
}

/** A file system of 4 MB at `path`; needs root, as the test machines have it. */
function smallDisk(path: string): AsyncDisposable & { grow(): void } {
  mkdirSync(path, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', path]);
  return {
    grow() {
      execFileSync('mount', ['-o', 'remount,size=64m', path]);
    },
    // Lazily: the process host may still be closing its files.
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', path]);
    },
  };
}
