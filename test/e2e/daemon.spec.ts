// The daemon of a window, from its view; and another daemon, whose sessions show in this window.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type RunningCli } from '../integration/cliHarness.ts';
import { Studio } from './studio.ts';

let dist: string;
let studio: Studio;
/** Of the same user as the editor, with the same runtime folder: its daemon is found. */
let near: CliFixture;
/** As on another machine: its daemon is known by its address and its token alone. */
let far: CliFixture;
let serving: RunningCli;
let farUrl: string;
let farToken: string;
beforeAll(async () => {
  dist = buildProduct();
  studio = await Studio.open({
    name: 'daemon',
    userSettings: { 'orchestrator.daemon.port': 0 },
  });
  near = new CliFixture(dist);
  far = new CliFixture(dist);
  const flags = ['serve', '--json', '--http', '127.0.0.1:0'];
  const found = near.start(flags, { env: nearEnv() });
  serving = far.start(flags, { env: farEnv() });
  await Promise.all([found.shows('"ready":true'), serving.shows('"ready":true')]);
  const { http } = JSON.parse(serving.stdout.toString()) as { http: { url: string; tokenFile: string } };
  farUrl = http.url;
  farToken = readFileSync(http.tokenFile, 'utf8').trim();
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  rmSync(dist, { recursive: true, force: true });
});

const nearEnv = (): Record<string, string> => ({ XDG_RUNTIME_DIR: join(studio.server.home, 'r') });
const farEnv = (): Record<string, string> => ({ XDG_RUNTIME_DIR: far.root });

/** The view's own document; that of the run panel would be another. */
const view = (): FrameLocator =>
  studio.page.locator('iframe.webview.ready:visible').first().contentFrame().frameLocator('#active-frame');
const stateWord = (word: string) => view().locator('.state-word', { hasText: word });
const button = (name: string) => view().locator('vscode-button', { hasText: name });
const figure = async (label: string): Promise<string> =>
  view().locator('.figures > div', { hasText: label }).locator('dd').first().innerText();
const statusItem = () => studio.page.locator('.statusbar-item[id*="orchestrator.daemon"]');

describe('the Daemon view', () => {
  it('starts the daemon, which answers', async () => {
    await studio.showSessions();
    await studio.workbench.runCommand('Orchestrator: Show Daemon');
    await stateWord('Stopped').waitFor();
    await studio.workbench.screenshot('daemon-stopped');
    expect(await statusItem().count()).toBe(0);
    await button('Start').click();
    await stateWord('Running').waitFor({ timeout: 30_000 });
    const url = await view().locator('.address code').innerText();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await statusItem().getByText(new URL(url).port).waitFor();
    const { stdout } = await near.run(['status', '--all', '--json'], { env: nearEnv() });
    expect(stdout.toString()).toContain(url);
  });

  it('shows how it is, as it changes', async () => {
    const panel = await studio.runTask('echo begun; sleep 600');
    await studio.waitForStatus(panel, 'running');
    await waitUntil('the session counts', async () => (await figure('Active sessions')).startsWith('1'));
    await view()
      .getByRole('img', { name: /^Active sessions: 1 now/ })
      .waitFor();
    expect(await view().locator('.subsystems li').count()).toBeGreaterThan(2);
    const up = await figure('Up');
    await waitUntil('time passes', async () => (await figure('Up')) !== up);
    await panel.locator('.abort').click();
    await panel.locator('.confirm-abort').click();
    await studio.waitForStatus(panel, 'cancelled');
    await waitUntil('it counts no more', async () => (await figure('Active sessions')).startsWith('0'));
  });

  it('copies the address, and the token with a warning', async () => {
    const url = await view().locator('.address code').innerText();
    await view().getByRole('button', { name: 'Copy address' }).click();
    const clipboard = (): Promise<string> => studio.page.evaluate(() => navigator.clipboard.readText());
    await waitUntil('it is copied', async () => (await clipboard()) === url);
    await button('Copy Token').click();
    await studio.page.locator('.notification-toast', { hasText: 'paste it only where you trust' }).waitFor();
    expect(await clipboard()).toMatch(/^[\w-]{40,}$/);
    await studio.workbench.runCommand('Notifications: Clear All Notifications');
  });

  it('looks right in every theme, wide and narrow', async () => {
    // Its neighbour folded, there is room for all of it.
    await studio.page.locator('.pane-header', { hasText: 'Sessions' }).click();
    for (const theme of [
      'Light Modern',
      'Dark Modern',
      'Dark High Contrast',
      'Light High Contrast',
    ] as const) {
      await studio.workbench.setTheme(theme);
      await stateWord('Running').waitFor();
      await studio.workbench.screenshot(`daemon-${theme.toLowerCase().replaceAll(' ', '-')}`);
    }
    await studio.workbench.setTheme('Dark Modern');
    await studio.page.setViewportSize({ width: 700, height: 900 });
    await studio.workbench.screenshot('daemon-narrow');
    await studio.page.setViewportSize({ width: 1440, height: 900 });
  });

  it('stops it, and nothing listens any more', async () => {
    const url = await view().locator('.address code').innerText();
    await button('Stop').click();
    await stateWord('Stopped').waitFor();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    await waitUntil('the status bar is free', async () => (await statusItem().count()) === 0);
    await studio.page.locator('.pane-header', { hasText: 'Sessions' }).click();
  });
});

/** The letters of a token are not shown, which makes its box another one. */
async function giveToken(text: string): Promise<void> {
  const input = studio.workbench.quickInput().locator('input[type="password"]');
  await input.fill(text);
  await input.press('Enter');
}

describe('another daemon', () => {
  const root = (state: string) => studio.row(new RegExp(`^Orchestrator 127\\.0\\.0\\.1:\\d+, ${state}`));

  it('is offered where it runs on this machine', async () => {
    await studio.workbench.runCommand('Orchestrator: Connect to Daemon…');
    await studio.page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'orchestrator serve' })
      .waitFor();
    await studio.workbench.screenshot('daemon-choice');
    await studio.page.keyboard.press('Escape');
  });

  it('says what to do about a wrong token', async () => {
    await studio.workbench.runCommandAndPick('Orchestrator: Connect to Daemon…', 'Enter address…');
    await studio.workbench.answer(farUrl);
    await giveToken('a-wrong-one');
    await studio.page
      .locator('.notification-toast', { hasText: 'does not know this token' })
      .waitFor({ timeout: 20_000 });
    await studio.workbench.screenshot('daemon-wrong-token');
    await studio.workbench.runCommand('Notifications: Clear All Notifications');
  });

  it('shows its sessions as a root of their own, over a reload', async () => {
    const running = far.start(['run', '--name', 'nightly', '--', 'sh', '-c', 'echo begun; sleep 600'], {
      env: farEnv(),
    });
    await running.shows('begun');
    await studio.workbench.runCommandAndPick('Orchestrator: Connect to Daemon…', 'Enter address…');
    await studio.workbench.answer(farUrl);
    await giveToken(farToken);
    await root('connected').waitFor({ timeout: 20_000 });
    await studio.row(/^Session nightly/).waitFor();
    await studio.row(/^Run sh -c/).waitFor();
    await studio.workbench.screenshot('daemon-connected');
    await studio.workbench.reloadWindow();
    await studio.showSessions();
    // This editor has no keyring, so its secrets are gone with the window; where it has one, nothing is asked.
    const lost = studio.page.locator('.notification-toast', { hasText: 'no longer in the secret storage' });
    await lost.getByRole('button', { name: 'Enter Token…' }).click({ timeout: 60_000 });
    await giveToken(farToken);
    await root('connected').waitFor({ timeout: 20_000 });
    await studio.row(/^Session nightly/).waitFor();
    await studio.chooseForRow(/^Orchestrator 127/, 'Disconnect From Orchestrator');
    await waitUntil('the row is gone', async () => (await root('').count()) === 0);
    expect(serving.child.exitCode).toBeNull();
  });
});
