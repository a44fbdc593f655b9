import type { Page } from 'playwright-core';
import { Studio } from '../e2e/studio.ts';
import { waitUntil } from '../harness/processes.ts';
import { percentile, report } from './race.ts';

const interrupts = 30;
const floods = 16;
const floodMs = 10_000;
const reloads = 5;
/** 1 GB of 80-column lines: far more than is drawn before it is interrupted. */
const flood = `yes ${'x'.repeat(79)} | head -c 1000000000`;

/** Terminals in the real VS Code, with the packaged VSIX: what a person's keys wait for, and what others hold up. */
export async function benchEditor(): Promise<void> {
  await using studio = await Studio.open({ name: 'bench-editor', hasAgent: true });
  await benchInterrupt(studio);
  await benchLoopDelay(studio);
  await benchReattach(studio);
}

/** From the key in the page to the prompt on the page, drawing included. */
async function benchInterrupt(studio: Studio): Promise<void> {
  await studio.newTerminal();
  const samples: number[] = [];
  for (let round = 0; round < interrupts; round++) {
    await studio.typeInTerminal(`clear; ${flood}\n`);
    await waitUntil('the flood fills the screen', async () => {
      const lines = (await studio.terminalScreen()).split('\n');
      return lines.filter((line) => line.startsWith('xxxx')).length > 5;
    });
    samples.push(await interrupt(studio.page));
  }
  samples.sort((a, b) => a - b);
  report(`Ctrl-C to prompt under a 1 GB flood, ${interrupts} times (ms)`, {
    p50: percentile(samples, 0.5),
    'p99 (target 50)': percentile(samples, 0.99),
    max: samples.at(-1) ?? Number.NaN,
  });
}

/** Milliseconds from Ctrl-C, as the page hears it, to a frame whose last line is a prompt. */
async function interrupt(page: Page): Promise<number> {
  await page.evaluate(() => {
    const measured = new Promise<number>((resolve, reject) => {
      const look = (pressedAt: number): void => {
        const rows = document.querySelectorAll('.terminal-wrapper.active .xterm-rows > div');
        const last = [...rows].findLast((row) => row.textContent.trim() !== '')?.textContent ?? '';
        const waitedMs = performance.now() - pressedAt;
        if (/[#$]\s*$/.test(last)) resolve(waitedMs);
        else if (waitedMs > 30_000) reject(new Error(`No prompt within 30 s, but: ${last}`));
        else requestAnimationFrame(() => look(pressedAt));
      };
      const onKey = (event: KeyboardEvent): void => {
        if (event.code !== 'KeyC') return;
        removeEventListener('keydown', onKey, true);
        look(performance.now());
      };
      addEventListener('keydown', onKey, true);
    });
    Object.assign(globalThis, { measured });
  });
  await page.keyboard.press('Control+c');
  return page.evaluate(() => (globalThis as unknown as { measured: Promise<number> }).measured);
}

/** Of the extension host, measured in it, while its terminals print as fast as they can. */
async function benchLoopDelay(studio: Studio): Promise<void> {
  const { agent } = studio;
  await agent.call('startLoopDelay');
  await new Promise((resolve) => setTimeout(resolve, floodMs / 2));
  const idle = await agent.call('stopLoopDelay');
  for (let index = 0; index < floods; index++) {
    const { id } = await agent.call('spawnTerminalManaged', 80, 24, 'orchestrator:flood');
    await agent.call('executeCommand', 'orchestrator.attachTerminal', id);
    await agent.call('executeTerminalCommand', id, 'yes');
  }
  await studio.waitForTerminal(/^y\ny\ny$/m);
  await agent.call('startLoopDelay');
  await new Promise((resolve) => setTimeout(resolve, floodMs));
  const busy = await agent.call('stopLoopDelay');
  await agent.call('killSessionsByManager', 'orchestrator:flood');
  report(`event loop delay of the extension host, ${floods} × yes in tabs (ms)`, {
    'idle p99': idle.p99,
    p50: busy.p50,
    'p99 (target 10)': busy.p99,
    max: busy.max,
  });
}

/** From the tab's first frame to its screen, and from the start of the page. */
async function benchReattach(studio: Studio): Promise<void> {
  const marker = 'screen-before-the-reload-42';
  await studio.newTerminal();
  await studio.typeInTerminal('seq 1 5000; echo screen-before-the-reload-$((40 + 2))\n');
  await studio.waitForTerminal(new RegExp(`^${marker}`, 'm'));
  await studio.browser.context.addInitScript(watchForScreen, marker);
  const tab: number[] = [];
  const page: number[] = [];
  for (let round = 0; round < reloads; round++) {
    const hosts = studio.server.extensionHostPids();
    await studio.workbench.reloadWindow();
    await studio.waitForNewExtensionHost(hosts);
    const times = await waitUntil(
      'the screen is back',
      () => studio.page.evaluate(() => (globalThis as unknown as { reattached?: Times }).reattached),
      { limitMs: 60_000 },
    );
    tab.push(times.shownAt - times.tabAt);
    page.push(times.shownAt);
  }
  for (const samples of [tab, page]) samples.sort((a, b) => a - b);
  report(`re-attach after a reload of the window, ${reloads} times (ms)`, {
    'tab to its screen, median': percentile(tab, 0.5),
    'tab to its screen, max (target 100)': tab.at(-1) ?? Number.NaN,
    'page to the screen, median': percentile(page, 0.5),
  });
}

interface Times {
  readonly tabAt: number;
  readonly shownAt: number;
}

/** Runs in the page before its scripts. */
function watchForScreen(marker: string): void {
  let tabAt: number | undefined;
  const look = (): void => {
    const rows = document.querySelector('.terminal-wrapper.active .xterm-rows');
    if (rows !== null) tabAt ??= performance.now();
    if (tabAt !== undefined && rows?.textContent.includes(marker) === true)
      Object.assign(globalThis, { reattached: { tabAt, shownAt: performance.now() } });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
