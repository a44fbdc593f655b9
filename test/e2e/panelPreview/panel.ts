import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { HostMessage, PanelMessage } from '../../../src/protocol/runPanel.ts';
import { options } from './scenarios.ts';
import { servePanel } from './server.ts';

interface Place {
  readonly server: Awaited<ReturnType<typeof servePanel>>;
  readonly browser: Browser;
}

let opened: Place | undefined;

function place(): Place {
  if (opened === undefined) throw new Error('There is no browser yet.');
  return opened;
}

/** Serves the built panel and starts a browser for it: once for a file of tests. */
export async function openPreview(): Promise<void> {
  const folder = process.env['PANEL_DIST'] ?? join(import.meta.dirname, '../../../dist/webview');
  const server = await servePanel(folder);
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--enable-precise-memory-info',
    ],
  });
  opened = { server, browser };
}

export async function closePreview(): Promise<void> {
  const { server, browser } = place();
  opened = undefined;
  await browser.close();
  server.close();
}

/** What a scan for accessibility finds that is serious. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** The built panel in a page of its own. */
export class Panel implements AsyncDisposable {
  readonly page: Page;
  private readonly errors: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(error.message));
  }

  static async open(theme = 'dark', width = 900, height = 640, scale = 1): Promise<Panel> {
    const context = await place().browser.newContext({
      viewport: { width, height },
      deviceScaleFactor: scale,
    });
    const panel = new Panel(await context.newPage());
    await panel.page.goto(`${place().server.url}?theme=${theme}&still`);
    await panel.until((posted) => posted.length > 0);
    await panel.send(options);
    return panel;
  }

  async send(...messages: HostMessage[]): Promise<void> {
    for (const message of messages) await this.page.evaluate((data) => window.postMessage(data), message);
    // Two frames: one parses, one paints.
    await this.page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
  }

  posted(): Promise<PanelMessage[]> {
    return this.page.evaluate(() => (window as unknown as { posted: PanelMessage[] }).posted);
  }

  async until(isMet: (posted: PanelMessage[]) => boolean): Promise<void> {
    await expect.poll(async () => isMet(await this.posted())).toBe(true);
  }

  /** Is it within the visible part of the scroller? (To Playwright, what is scrolled away is visible too.) */
  async shows(text: string, selector = '.line', scroller = '.scroller'): Promise<boolean> {
    const box = await this.page
      .locator(selector, { hasText: text })
      .first()
      .boundingBox({ timeout: 500 })
      .catch(() => null);
    const view = await this.page.locator(scroller).boundingBox();
    return box !== null && view !== null && box.y >= view.y && box.y + box.height <= view.y + view.height + 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const violations = await this.page.evaluate(
      () => (window as unknown as { violations: string[] }).violations,
    );
    await this.page.context().close();
    expect([...violations, ...this.errors]).toEqual([]);
  }
}
