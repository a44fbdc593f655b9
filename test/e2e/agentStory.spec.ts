import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signal } from '../harness/processes.ts';
import { type FakeAgent, makeFakeAgent } from '../integration/agentHarness.ts';
import { Studio } from './studio.ts';

let studio: Studio;
let agent: FakeAgent;
beforeAll(async () => {
  agent = makeFakeAgent();
  // Without the second, VS Code takes the PATH of a login shell.
  studio = await Studio.open({ name: 'agent-story', env: { ...agent.env, VSCODE_CLI: '1' } });
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
  agent[Symbol.dispose]();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await studio.workbench.screenshot(`failed-agent-story-${task.id}`);
});

type Panel = ReturnType<Studio['panel']>;

async function chooseEngine(panel: Panel, title: string): Promise<void> {
  await panel.locator('vscode-single-select.engine').click();
  await panel.locator('vscode-single-select.engine li', { hasText: title }).click({ timeout: 5_000 });
}

describe('a coding agent in the run panel of the real VS Code', () => {
  it('is chosen in the task box, wants a sentence, and is watched as it speaks', async () => {
    await studio.workbench.runCommand('Orchestrator: Open Run Panel');
    const panel = studio.panel();
    await panel.locator('vscode-textarea textarea').waitFor();
    await chooseEngine(panel, 'Claude Code');
    const box = panel.locator('vscode-textarea textarea');
    await box.fill('help');
    await box.press('Control+Enter');
    await panel.locator('.problem', { hasText: 'at least 5 characters' }).waitFor();
    await box.fill('slow');
    await box.fill('slow and steady');
    await box.press('Control+Enter');
    await panel.locator('.entry-text', { hasText: '0 1 2' }).waitFor();
    await studio.waitForStatus(panel, 'succeeded');
    await panel.locator('.entry-summary', { hasText: 'Succeeded' }).waitFor();
    expect(await panel.locator('.entry-summary').textContent()).toContain('tokens');
    await studio.workbench.screenshot('agent-story');
  });

  it('steps back to what it had said half way, and forward to the end', async () => {
    const panel = studio.panel();
    const whole = await panel.locator('.story').textContent();
    await panel.getByRole('button', { name: 'Step Through the Run' }).click();
    const slider = panel.getByRole('slider');
    const last = Number(await slider.getAttribute('max'));
    expect(last).toBeGreaterThan(20);
    await slider.fill(String(Math.floor(last / 2)));
    await panel.locator('.status-word', { hasText: 'running' }).waitFor();
    await panel.locator('.entry-summary').waitFor({ state: 'detached' });
    await studio.workbench.screenshot('agent-story-replayed');
    await slider.press('End');
    await panel.locator('.entry-summary').waitFor();
    await expect.poll(() => panel.locator('.story').textContent()).toBe(whole);
  });

  it('opens as a document and is copied as cURL', async () => {
    const panel = studio.panel();
    await panel.locator('.menu summary').click();
    await panel.getByRole('button', { name: 'Copy as cURL' }).click();
    await expect
      .poll(() => studio.page.evaluate(() => navigator.clipboard.readText()))
      .toContain('/orchestrate/stream');
    expect(await studio.page.evaluate(() => navigator.clipboard.readText())).toContain('$ORCHESTRATOR_TOKEN');
    await panel.locator('.menu summary').click();
    await panel.getByRole('button', { name: 'Open as Document' }).click();
    await studio.page.locator('.tab.active', { hasText: '.md' }).waitFor();
  });

  it('says within a second that the core has died, and shows the run again by itself', async () => {
    await studio.workbench.runCommand('Orchestrator: Open Run Panel');
    const panel = studio.panel();
    await panel.locator('.entry-summary').waitFor();
    const old = studio.server.extensionHostPids();
    const since = Date.now();
    for (const pid of old) signal(pid, 'SIGKILL');
    await panel.locator('.banner', { hasText: 'Disconnected' }).waitFor({ timeout: 5_000 });
    expect(Date.now() - since).toBeLessThan(1_800);
    await studio.workbench.screenshot('agent-story-disconnected');
    await studio.waitForNewExtensionHost(old);
    await studio.panel().locator('.entry-summary').waitFor({ timeout: 30_000 });
    await studio.panel().locator('.banner').waitFor({ state: 'detached', timeout: 30_000 });
  });
});
