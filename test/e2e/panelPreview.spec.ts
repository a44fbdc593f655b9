import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifact } from '../harness/paths.ts';
import { closePreview, openPreview, Panel, seriousFindings } from './panelPreview/panel.ts';
import { output, run, scenarios, snapshot, taskLog, taskRun, testOutput } from './panelPreview/scenarios.ts';
import type { themes } from './panelPreview/themes.ts';

/**
 * The built panel in a browser, without an editor: under the content security policy of the real page, with the
 * variables of VS Code's four default themes and a host that only remembers what it is told.
 */

beforeAll(openPreview);
afterAll(closePreview);

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i} of a flood\r\n`).join('');

describe('how the run panel looks', () => {
  const sizes: [
    scenario: string,
    themes: (keyof typeof themes)[],
    width: number,
    height: number,
    scale: number,
  ][] = [
    ['empty', ['dark'], 900, 640, 1],
    ['history', ['dark', 'light'], 900, 640, 1],
    ['history', ['light'], 280, 640, 1],
    ['running', ['dark', 'light', 'hc-dark', 'hc-light'], 900, 640, 1],
    ['running', ['dark'], 450, 320, 2],
    ['failed', ['dark', 'light', 'hc-dark', 'hc-light'], 900, 640, 1],
    ['failed', ['dark'], 280, 640, 1],
    ['succeeded', ['light'], 900, 640, 1],
    ['long', ['dark'], 900, 640, 1],
    ['long', ['light'], 280, 700, 1],
    ['rtl', ['dark'], 900, 520, 1],
    ['disconnected', ['light'], 900, 640, 1],
    ['task', ['dark', 'light', 'hc-dark', 'hc-light'], 900, 640, 1],
    ['task', ['dark'], 280, 640, 1],
    ['taskDone', ['dark', 'hc-light'], 900, 640, 1],
    ['taskFailed', ['light', 'hc-dark'], 900, 640, 1],
    ['taskProgram', ['dark', 'light'], 900, 640, 1],
  ];
  for (const [name, themeNames, width, height, scale] of sizes) {
    for (const theme of themeNames) {
      it(`${name}, ${theme}, ${width} px wide at ${scale * 100} %`, async () => {
        await using panel = await Panel.open(theme, width, height, scale);
        await panel.send(...(scenarios[name]?.(Date.now()) ?? []));
        await panel.page.screenshot({ path: artifact(`screenshots/panel-${name}-${theme}-${width}.png`) });
        expect(await seriousFindings(panel.page)).toEqual([]);
        // Nothing sticks out to the side.
        expect(await panel.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
      });
    }
  }
});

describe('how the run panel behaves', () => {
  it('asks once before it aborts, by mouse and by Alt+A, and can be told to keep running', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())));
    await page.getByRole('button', { name: 'Abort' }).click();
    await page.getByRole('button', { name: 'Keep Running' }).click();
    await page.keyboard.press('Alt+a');
    await page.getByRole('button', { name: 'Abort Run' }).waitFor();
    expect((await panel.posted()).some(({ type }) => type === 'abort')).toBe(false);
    await page.screenshot({ path: artifact('screenshots/panel-abort.png') });
    await page.keyboard.press('Alt+a');
    expect(await panel.posted()).toContainEqual({ type: 'abort', runId: 'run-1' });
  });

  it('tells the host which steps are open, and moves between them by keyboard', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())), output(3, testOutput));
    expect(await panel.posted()).toContainEqual({ type: 'showStep', step: 3, isOpen: true });
    await page.locator('body').press('j');
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    await panel.until((posted) => posted.some((m) => m.type === 'showStep' && m.step === 2 && m.isOpen));
    await page.keyboard.press('ArrowLeft');
    await panel.until((posted) => posted.some((m) => m.type === 'showStep' && m.step === 2 && !m.isOpen));
    await page.keyboard.press('End');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('step-4');
  });

  it('runs a task with Ctrl+Enter, says what is wrong with an empty one, and recalls earlier ones', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), null));
    const box = page.getByRole('textbox', { name: /Task/ });
    await box.press('Control+Enter');
    await page.getByText('Write a task first').first().waitFor();
    expect(await box.getAttribute('aria-invalid')).toBe('true');
    await page.screenshot({ path: artifact('screenshots/panel-empty-task.png') });
    await box.fill('draft');
    expect(await box.getAttribute('aria-invalid')).toBe('false');
    await box.press('ArrowUp');
    expect(await box.inputValue()).toBe('npm ci\nnpm run build\nnpm test\nnpm run lint');
    await box.press('ArrowUp');
    expect(await box.inputValue()).toBe('npm test');
    await box.press('ArrowDown');
    await box.press('End');
    for (let i = 0; i < 5; i++) await box.press('ArrowDown');
    expect(await box.inputValue()).toBe('draft');
    await box.press('Control+Enter');
    expect(await panel.posted()).toContainEqual({
      type: 'run',
      task: 'draft',
      sessionId: 's1',
      choices: { engine: 'shell' },
    });
    await box.press('Escape');
    expect(await page.evaluate(() => document.activeElement?.tagName)).not.toBe('VSCODE-TEXTAREA');
  });

  it('follows the output of a flood, stops when the person scrolls up, and says what came since', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())));
    await page.evaluate(() => {
      const log = ((window as unknown as { gaps: number[] }).gaps = [] as number[]);
      let last = performance.now();
      const tick = (now: number): void => {
        log.push(now - last);
        last = now;
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    let from = 0;
    for (let n = 0; n < 100_000; n += 5_000) {
      const message = output(3, lines(n, n + 5_000), { from });
      if (message.type === 'output') from = message.to;
      await panel.send(message);
    }
    await page.getByText('line 99999 of a flood').waitFor();
    expect(await page.locator('.line').count()).toBeLessThan(400);
    await page.getByText(/before this are not shown/).waitFor({ state: 'attached' });
    const gaps = await page.evaluate(() =>
      (window as unknown as { gaps: number[] }).gaps.sort((a, b) => a - b),
    );
    // The median frame stays smooth; single long ones belong to the machine.
    expect(gaps[Math.floor(gaps.length / 2)]).toBeLessThan(34);
    await page.mouse.move(400, 350);
    await page.mouse.wheel(0, -600);
    await expect.poll(() => panel.shows('line 99999 of a flood')).toBe(false);
    const top = await page.locator('.scroller').evaluate((element) => element.scrollTop);
    await panel.send(output(3, lines(100_000, 100_042), { from }));
    const button = page.getByRole('button', { name: '42 new lines' });
    await button.waitFor();
    await page.screenshot({ path: artifact('screenshots/panel-new-lines.png') });
    expect(
      Math.abs((await page.locator('.scroller').evaluate((element) => element.scrollTop)) - top),
    ).toBeLessThan(1_200);
    await button.click();
    await page.getByText('line 100041 of a flood').waitFor();
    await button.waitFor({ state: 'detached' });
  });

  it('finds in output, goes on with Enter and F3, and shows what it found', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())), output(3, lines(0, 5_000)));
    await page.keyboard.press('Control+f');
    await page.keyboard.type('LINE 12');
    await page.getByText('1 of 111').waitFor();
    await page.locator('.match.current', { hasText: 'line 12' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('2 of 111').waitFor();
    await page.keyboard.press('F3');
    await page.keyboard.press('Shift+F3');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.press('Shift+Enter');
    await page.getByText('111 of 111').waitFor();
    await expect.poll(() => panel.shows('line 12', '.match.current')).toBe(true);
    await page.screenshot({ path: artifact('screenshots/panel-find.png') });
    await page.getByRole('button', { name: 'Match Case' }).click();
    await page.getByText('No results').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.find').waitFor({ state: 'detached' });
  });

  it('opens links and places in files through the host', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())), output(3, testOutput));
    await page.getByText('https://vitest.dev').click();
    await page.getByText('src/core/pty.ts:118:7').press('Enter');
    const posted = await panel.posted();
    expect(posted).toContainEqual({ type: 'openLink', url: 'https://vitest.dev/guide/profiling.html' });
    expect(posted).toContainEqual({ type: 'openFile', path: 'src/core/pty.ts', line: 118, column: 7 });
  });

  it('opens a step that fails at its first error and says so', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(...(scenarios['failed']?.(Date.now()) ?? []));
    await page.getByText('Failed Tests 1').waitFor();
    await expect.poll(() => panel.shows('AssertionError')).toBe(true);
    await page.getByRole('button', { name: 'Retry From Here' }).click();
    expect(await panel.posted()).toContainEqual({ type: 'retry', runId: 'run-1', fromStep: 3 });
  });

  it('keeps draft, opened steps and run over a reload', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(snapshot(Date.now(), run(Date.now())));
    await page.locator('#step-1').click();
    await page.getByRole('textbox', { name: /Task/ }).fill('half a task');
    await page.reload();
    await panel.until((posted) => posted.length > 0);
    const state = await page.evaluate(() => JSON.parse(sessionStorage.getItem('state') ?? '{}') as object);
    expect(state).toMatchObject({ runId: 'run-1', draft: 'half a task' });
    await panel.send(snapshot(Date.now(), run(Date.now())));
    expect(await page.locator('#step-1').getAttribute('aria-expanded')).toBe('true');
    expect(await page.getByRole('textbox', { name: /Task/ }).inputValue()).toBe('half a task');
  });

  it('shows what a container task tells: live, in order, the newest in view, and opens what came with it', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    const now = Date.now();
    await panel.send(snapshot(now, taskRun(now)), taskLog([{ text: 'first' }]));
    const bar = page.getByRole('progressbar', { name: 'Progress of the task' });
    expect(await bar.getAttribute('value')).toBe('62');
    await panel.send({ type: 'run', now, run: taskRun(now, {}, { progress: 80, message: 'Nearly' }) });
    expect(await bar.getAttribute('value')).toBe('80');
    await page.getByText('Nearly').waitFor();
    for (let n = 2; n < 3_000; n += 500) {
      const entries = Array.from({ length: 500 }, (_, i) => ({ text: `message ${n + i}` }));
      await panel.send(taskLog(entries, {}, n));
    }
    const last = page.locator('.task-entry').last();
    expect(await last.locator('.task-text').textContent()).toBe('message 3001');
    expect(await last.evaluate((entry) => entry.getBoundingClientRect().bottom <= innerHeight)).toBe(true);
    expect(await page.locator('.task-entry').count()).toBe(1_000);
    await page.getByText('2,001 earlier messages not shown').waitFor({ state: 'attached' });

    // Who reads is left where they are, and told what came.
    await page.mouse.move(400, 350);
    await page.mouse.wheel(0, -600);
    await expect.poll(() => panel.shows('message 3001', '.task-text', '.task-scroller')).toBe(false);
    await panel.send(
      taskLog([{ kind: 'result', text: 'completed', details: '{\n  "cid": "bafy"\n}' }], {}, 3_002),
    );
    await page.getByRole('button', { name: '1 new entry' }).click();
    await expect.poll(() => panel.shows('Open Result', '.action', '.task-scroller')).toBe(true);
    expect(await page.locator('.kind-result details').getAttribute('open')).toBe('');
    await page.getByRole('button', { name: 'Open Result' }).click();
    expect(await panel.posted()).toContainEqual({ type: 'openTaskEntry', sequence: 3_002 });
    expect(await page.getByRole('status').textContent()).toContain('Result: completed.');
  });
});
