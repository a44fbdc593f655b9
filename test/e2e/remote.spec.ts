// A window that is connected to another orchestrator, and commands that go to a window's own.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, node, type RunningCli } from '../integration/cliHarness.ts';
import { Studio } from './studio.ts';

let dist: string;
let studio: Studio;
let cli: CliFixture;
let serving: RunningCli;
beforeAll(async () => {
  dist = buildProduct();
  studio = await Studio.open({ name: 'remote' });
  cli = new CliFixture(dist);
  serving = await serve();
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  await cli[Symbol.asyncDispose]();
  rmSync(dist, { recursive: true, force: true });
});

/** Of the same user as the editor, with the same runtime folder. */
const env = (): Record<string, string> => ({ XDG_RUNTIME_DIR: join(studio.server.home, 'r') });

async function serve(): Promise<RunningCli> {
  const started = cli.start(['serve'], { env: env() });
  await started.shows('gRPC: unix:');
  return started;
}

const remoteRow = (state: string) => studio.row(new RegExp(`^Orchestrator state, ${state}`));

describe('another orchestrator', () => {
  it('is offered, connected, and shows what runs there', async () => {
    const running = cli.start(['run', '--name', 'nightly', '--', 'sh', '-c', 'echo begun; sleep 600'], {
      env: env(),
    });
    await running.shows('begun');
    await studio.showSessions();
    await studio.workbench.runCommand('Orchestrator: Connect to Orchestrator…');
    await studio.page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'orchestrator serve' })
      .waitFor();
    await studio.workbench.screenshot('remote-choice');
    await studio.workbench.runCommandAndPick('Orchestrator: Connect to Orchestrator…', 'state');
    await remoteRow('connected').waitFor();
    await studio.row(/^Session nightly/).waitFor();
    await studio.row(/^Run sh -c/).waitFor();
    await studio.workbench.screenshot('remote-connected');
  });

  it('is watched in the run panel, and its run aborted there', async () => {
    await studio.row(/^Run sh -c/).click();
    const panel = studio.panel();
    await studio.waitForStatus(panel, 'running');
    await panel.locator('#step-1-output', { hasText: 'begun' }).waitFor();
    await studio.workbench.screenshot('remote-run');
    await panel.locator('.abort').click();
    await panel.locator('.confirm-abort').click();
    await studio.waitForStatus(panel, 'cancelled');
    await studio.row(/^Run sh -c.*cancelled/).waitFor();
  });

  it('runs a task that is typed here', async () => {
    await studio.row(/^Session nightly/).hover();
    await studio
      .row(/^Session nightly/)
      .getByRole('button', { name: 'Run Task' })
      .click();
    const panel = studio.panel();
    // The panel of the last run has a box too.
    await panel.getByText('Run a task', { exact: true }).waitFor();
    const box = panel.locator('vscode-textarea textarea');
    await box.fill('echo it runs in $PPID\nexit 3');
    await box.press('Control+Enter');
    await studio.waitForStatus(panel, 'failed');
    const { stdout } = await cli.run(['ps', '--all', '--json']);
    const { runs } = JSON.parse(stdout.toString()) as {
      runs: { request: { task: string }; status: string }[];
    };
    expect(runs.at(-1)).toMatchObject({
      request: { task: 'echo it runs in $PPID\nexit 3' },
      status: 'failed',
    });
  });

  it('starts a terminal, which takes keys and its size, and outlives a kill -9 of the orchestrator', async () => {
    await studio.markTerminals();
    await studio.row(/^Session nightly/).hover();
    await studio
      .row(/^Session nightly/)
      .getByRole('button', { name: 'New Terminal' })
      .click();
    await studio.waitForNewTerminal();
    await studio.waitForTerminal(/[$#%>] ?$/m);
    await studio.typeInTerminal('stty size; echo pid $$\n');
    const [, pid] = /^pid (\d+)$/m.exec(await studio.waitForTerminal(/^pid \d+$/m)) ?? [];
    const { stdout } = await cli.run(['ps', '--json']);
    expect(stdout.toString()).toContain(`"pid":${pid}`);

    serving.child.kill('SIGKILL');
    await serving.result;
    await remoteRow('disconnected').waitFor();
    await studio.workbench.screenshot('remote-disconnected');
    serving = await serve();
    await remoteRow('connected').waitFor();
    await studio.typeInTerminal('echo still pid $$\n');
    await studio.waitForTerminal(new RegExp(`^still pid ${pid}$`, 'm'));
    await studio.workbench.screenshot('remote-terminal');
  });

  it('closes a session there, after it has said what ends with it', async () => {
    const second = cli.start(['run', '--name', 'doomed', '--', 'sleep', '601'], { env: env() });
    const session = studio.row(/^Session doomed/);
    await session.hover();
    await session.getByRole('button', { name: 'Close Session' }).click();
    const dialog = studio.page.locator('.monaco-dialog-box');
    await dialog.getByText('This aborts 1 run').waitFor();
    await dialog.getByRole('button', { name: 'Close', exact: true }).click();
    expect((await second.result).code).toBe(130);
    await waitUntil('its row is gone', async () => (await session.count()) === 0);
  });

  it('is remembered over a reload, and forgotten when it is disconnected', async () => {
    await studio.workbench.reloadWindow();
    await studio.showSessions();
    await remoteRow('connected').waitFor({ timeout: 60_000 });
    await studio
      .row(/^Terminal .*idle|^Terminal bash/)
      .first()
      .waitFor();
    await remoteRow('connected').hover();
    await remoteRow('connected').getByRole('button', { name: 'Disconnect From Orchestrator' }).click();
    await waitUntil('the row is gone', async () => (await remoteRow('').count()) === 0);
    expect((await cli.run(['ps'])).stdout.toString()).toMatch(/^terminal +\w+/m);
  });

  it('says what to do where nobody answers', async () => {
    await studio.workbench.runCommandAndPick('Orchestrator: Connect to Orchestrator…', 'Enter an address…');
    await studio.workbench.answer(join(cli.root, 'nobody.sock'));
    await studio.page
      .locator('.notification-toast', { hasText: 'The orchestrator was not connected' })
      .waitFor({ timeout: 20_000 });
    await studio.workbench.screenshot('remote-nobody');
  });
});

it('the window’s own core takes commands, eight at a time, and loses no byte', async () => {
  // Else the task might be typed into the box of a panel that is about to be covered.
  await studio.workbench.runCommand('View: Close All Editors');
  await studio.waitForStatus(await studio.runTask('echo served'), 'succeeded');
  const stateDir = await waitUntil('the window says where it answers', () => windowStateDir());
  const one = async (lane: number): Promise<void> => {
    const [first, count] = [lane * 1_000_000, lane % 2 === 0 ? 655_360 : 2_560];
    const args = ['run', '--state-dir', stateDir, '--', 'seq', `${first}`, `${first + count - 1}`];
    const { code, stdout, stderr } = await cli.run(args, { env: env() });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const expected = Array.from({ length: count }, (_, index) => `${first + index}\n`).join('');
    expect(hashOf(stdout)).toBe(hashOf(expected));
  };
  await Promise.all(Array.from({ length: 8 }, (_, lane) => one(lane + 1)));
  const failed = await cli.run(['run', '--state-dir', stateDir, '--', node, '-e', 'process.exit(7)']);
  expect(failed.code).toBe(7);
});

const hashOf = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/** That of the editor's window, once its gRPC door is open. */
function windowStateDir(): string | undefined {
  const folder = join(studio.server.home, 'r', `orchestration-workbench-${userInfo().uid}`, 'cores');
  for (const name of readdirSync(folder)) {
    const { stateDir } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { stateDir: string };
    const core = JSON.parse(readFileSync(join(stateDir, 'core.json'), 'utf8')) as {
      kind: string;
      grpc?: { state: string };
    };
    if (core.kind === 'vscode' && core.grpc?.state === 'open') return stateDir;
  }
  return undefined;
}
