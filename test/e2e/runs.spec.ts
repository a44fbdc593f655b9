import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, waitUntil } from '../harness/processes.ts';
import { Studio } from './studio.ts';

let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open({ name: 'runs' });
});
afterAll(async () => {
  await studio[Symbol.asyncDispose]();
});

describe('runs in the real VS Code', () => {
  it('streams a task of two steps into the panel and ends succeeded with both exit codes', async () => {
    await studio.showSessions();
    await studio.workbench.screenshot('sessions-empty');
    const panel = await studio.runTask('node --version\nls -la');
    await studio.waitForStatus(panel, 'succeeded');
    expect(await panel.locator('.step').count()).toBe(2);
    expect(await panel.locator('.step .exit').allTextContents()).toEqual(['exit 0', 'exit 0']);
    await panel.locator('#step-1').click();
    await panel.locator('#step-1-output', { hasText: /v\d+\.\d+\.\d+/ }).waitFor();
    await studio.workbench.screenshot('run-succeeded');
  });

  it('ends a failing command failed, opens the step and shows which', async () => {
    const panel = await studio.runTask('echo fine\nls /no/such/folder\necho never');
    await studio.waitForStatus(panel, 'failed');
    expect(await panel.locator('.step.status-of-failed').getAttribute('data-step')).toBe('2');
    await panel.locator('#step-2-output', { hasText: 'No such file or directory' }).waitFor();
    await panel.getByRole('button', { name: 'Retry From Here' }).waitFor();
    expect(await panel.locator('.step.status-of-skipped').count()).toBe(1);
    await studio.workbench.screenshot('run-failed');
  });

  it('aborts a sleep, and its process is gone within 2 s', async () => {
    const panel = await studio.runTask('sleep 61.5');
    const sleep = await studio.waitForProcess(/^sleep 61\.5$/);
    await panel.locator('.abort').click();
    await panel.locator('.confirm-abort').click();
    const askedMs = Date.now();
    await waitUntil('the sleep is gone', () => !isAlive(sleep.pid), { limitMs: 2_000 });
    expect(Date.now() - askedMs).toBeLessThan(2_000);
    await studio.waitForStatus(panel, 'cancelled');
  });

  it('refuses an empty task with a message at the box, and nothing else happens', async () => {
    const panel = await studio.runTask('   ');
    await panel.locator('.problem').waitFor();
    expect(await panel.locator('.problem').textContent()).toMatch(/first/);
  });

  it('retries from the failed step, as a new run that says so in the history', async () => {
    const panel = await studio.runTask('echo one\ntest -e flag');
    await studio.waitForStatus(panel, 'failed');
    await panel.getByRole('button', { name: 'Retry From Here' }).click();
    const retried = studio.panel();
    await waitUntil('the new run has one step', async () => (await retried.locator('.step').count()) === 1);
    await studio.waitForStatus(retried, 'failed');
  });

  it('looks right in every theme and has no serious accessibility findings', async () => {
    const panel = await studio.runTask('echo "\u001b[32mgreen\u001b[0m and plain"; ls -la /\nfalse');
    await studio.waitForStatus(panel, 'failed');
    await panel.locator('#step-1').click();
    for (const theme of [
      'Light Modern',
      'Dark High Contrast',
      'Light High Contrast',
      'Dark Modern',
    ] as const) {
      await studio.workbench.setTheme(theme);
      await studio.workbench.screenshot(`run-${theme.toLowerCase().replaceAll(' ', '-')}`);
      const results = await new AxeBuilder({ page: studio.page })
        .include(['iframe.webview.ready', '#active-frame', '.panel'])
        .analyze();
      const serious = results.violations.filter(
        ({ impact }) => impact === 'serious' || impact === 'critical',
      );
      expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual(
        [],
      );
    }
  });
});
