import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, signal, waitUntil } from '../harness/processes.ts';
import { Studio } from './studio.ts';

let studio: Studio;
beforeEach(async () => {
  studio = await Studio.open({ name: 'reload' });
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await studio.workbench.screenshot(`failed-reload-${task.id}`);
  await studio[Symbol.asyncDispose]();
});

const lines = 2_000;
const lastLine = `line ${lines} of ${lines}`;

/** A terminal with 2,000 lines, a vim in a second one, and a run that takes longer than the test. */
async function fill(): Promise<{ vimPid: number; shellPids: number[]; before: string; vimScreen: string }> {
  await studio.newTerminal();
  await studio.typeInTerminal(`for i in $(seq ${lines}); do echo "line $i of ${lines}"; done\n`);
  await studio.waitForTerminal(new RegExp(lastLine));
  const before = await studio.terminalText();

  await studio.runTask(`for i in $(seq 1 600); do echo "tick $i"; sleep 0.1; done`);
  await studio.waitForProcess(/^sleep 0\.1$/);

  await studio.newTerminal();
  await studio.typeInTerminal('vim -u NONE -N notes.txt\n');
  await studio.waitForTerminal(/~\n~\n~/);
  await studio.page.keyboard.type('ihello from vim');
  await studio.waitForTerminal(/hello from vim/);
  const vimPid = (await studio.waitForProcess(/^vim /)).pid;
  const vimScreen = sameButForHeight(await studio.terminalScreen());
  return { vimPid, shellPids: studio.processes(/bash/).map(({ pid }) => pid), before, vimScreen };
}

/** The editor itself gives a terminal one row more or less when it is made anew; vim fills the rest with tildes. */
const sameButForHeight = (screen: string): string => screen.replace(/(~\n)+/, '~\n');

/** Same children, same screens, no line lost or doubled, and the run still streams to its end. */
async function check(filled: Awaited<ReturnType<typeof fill>>): Promise<void> {
  const old = studio.page.locator('.terminal-wrapper[data-old]');
  await waitUntil('what was there before is gone', async () => (await old.count()) === 0, {
    limitMs: 30_000,
  });
  await waitUntil('both terminals are back', async () => (await studio.terminalTabs()).length === 2, {
    limitMs: 30_000,
  });
  expect(isAlive(filled.vimPid)).toBe(true);
  for (const pid of filled.shellPids) expect(isAlive(pid)).toBe(true);

  await waitUntil(
    'the same screen',
    async () => sameButForHeight(await studio.terminalScreen()) === filled.vimScreen,
    {
      limitMs: 20_000,
    },
  );
  await studio.focusTerminal();
  await studio.page.keyboard.type(' again');
  await studio.waitForTerminal(/hello from vim again/);

  await studio.workbench.runCommand('Terminal: Focus Previous Terminal Group');
  await studio.waitForTerminal(new RegExp(lastLine));
  const after = await studio.terminalText();
  const numbered = (text: string): string[] =>
    text
      .split('\n')
      .filter((line) => /^line \d+ of/.test(line))
      .map((line) => line.trimEnd());
  expect(numbered(after)).toEqual(
    Array.from({ length: lines }, (_, index) => `line ${index + 1} of ${lines}`),
  );
  expect(numbered(after)).toEqual(numbered(filled.before));

  const panel = studio.panel();
  await panel.locator('.status-word', { hasText: 'running' }).waitFor({ timeout: 30_000 });
  const seen = async (): Promise<number> => {
    const text = await panel.locator('#step-1-output').innerText();
    return Number(/tick (\d+)\s*$/.exec(text.trimEnd())?.[1] ?? 0);
  };
  const first = await waitUntil('ticks are shown', seen, { limitMs: 20_000 });
  await waitUntil('it goes on', async () => (await seen()) > first + 3, { limitMs: 20_000 });
}

describe('what was open comes back', () => {
  it('after a reload of the window', async () => {
    const filled = await fill();
    const hosts = studio.server.extensionHostPids();
    await studio.workbench.reloadWindow();
    await studio.waitForNewExtensionHost(hosts);
    await check(filled);
    await studio.workbench.screenshot('after-reload');
  });

  it('after kill -9 of the extension host', async () => {
    const filled = await fill();
    const hosts = studio.server.extensionHostPids();
    await studio.markTerminals();
    for (const pid of hosts) signal(pid, 'SIGKILL');
    await studio.waitForNewExtensionHost(hosts);
    await check(filled);
  });

  it('after the browser was closed and opened again', async () => {
    const filled = await fill();
    const oldPage = studio.page;
    const isClosed = oldPage.waitForEvent('close');
    // Settles at once: the page still says goodbye to its server.
    await oldPage.close({ runBeforeUnload: true });
    await isClosed;
    const run = await studio.waitForProcess(/^sleep 0\.1$/);
    await waitUntil('the run goes on without a window', () => !isAlive(run.pid));
    studio.workbench = await studio.browser.open(studio.server.url(studio.folder));
    await check(filled);
  });
});
