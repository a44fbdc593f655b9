// Debian's Chromium, and the workbench in it as a person uses it.
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { artifact } from './paths.ts';
import { waitUntil } from './processes.ts';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Nothing that moves, asks or fetches by itself. In a web window the user's settings live in the browser, so
 * these are given as defaults with the page.
 */
const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'terminal.integrated.initialHint': false,
};

/** The theme names as the colour theme picker shows them. */
export type ThemeName = 'Dark Modern' | 'Light Modern' | 'Dark High Contrast' | 'Light High Contrast';

export interface BrowserOptions {
  readonly width?: number;
  readonly height?: number;
  /** Defaults of the user's settings, besides those that keep the editor quiet. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Flags of Chromium besides those that keep it quiet. */
  readonly args?: readonly string[];
}

export class Browser implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly #close: () => Promise<void>;

  private constructor(context: BrowserContext, close: () => Promise<void>) {
    this.context = context;
    this.#close = close;
  }

  /** One browser with one profile that is thrown away at the end; its windows share their storage. */
  static async launch({
    width = 1440,
    height = 900,
    settings = {},
    args = [],
  }: BrowserOptions = {}): Promise<Browser> {
    const browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: [...flags, ...args],
      headless: true,
    });
    const context = await browser.newContext({ viewport: { width, height } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await context.addInitScript(addDefaults, { ...quietSettings, ...settings });
    return new Browser(context, () => browser.close());
  }

  /** Opens a window and waits until the workbench can be used. */
  async open(url: string): Promise<Workbench> {
    const page = await this.context.newPage();
    await page.goto(url);
    const workbench = new Workbench(page);
    await workbench.ready();
    return workbench;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/**
 * Runs in the page before its scripts: adds defaults to the configuration that the server wrote into the page.
 * (Answering the page's request ourselves would do as well, but then Chromium counts the page as a public one
 * and forbids it to talk to loopback.)
 */
function addDefaults(settings: Readonly<Record<string, unknown>>): void {
  const observer = new MutationObserver(() => {
    const element = document.getElementById('vscode-workbench-web-configuration');
    const json = element?.getAttribute('data-settings');
    if (!element || !json) return;
    observer.disconnect();
    const configuration = JSON.parse(json) as { configurationDefaults?: object };
    configuration.configurationDefaults = { ...configuration.configurationDefaults, ...settings };
    element.setAttribute('data-settings', JSON.stringify(configuration));
  });
  observer.observe(document, { childList: true, subtree: true });
}

function chromiumPath(): string {
  return process.env['CHROMIUM'] ?? '/usr/bin/chromium';
}

export class Workbench {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** The workbench is drawn, connected to its server, and its extensions are known. */
  async ready(limitMs = 60_000): Promise<void> {
    const statusBar = this.page.locator('.monaco-workbench .part.statusbar');
    await statusBar.waitFor({ state: 'visible', timeout: limitMs });
    await this.page
      .locator('.part.statusbar [id="status.host"]:not([aria-label*="Opening Remote"])')
      .waitFor({ state: 'visible', timeout: limitMs });
  }

  /** Runs a command by its title (with its category, as the palette shows it: "Orchestrator: New Session"). */
  async runCommand(title: string, limitMs = 30_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const input = await this.#openQuickInput('F1');
      try {
        // The palette of the command before may just have been closing: open it again.
        await input.fill(`>${title}`, { timeout: 2_000 });
        // Nor does it learn of commands whose extension came after it was opened.
        await this.#row(title).click({ timeout: 2_000 });
        return;
      } catch (error) {
        if (Date.now() > deadline)
          throw new Error(`The palette does not offer "${title}".`, { cause: error });
        await this.page.keyboard.press('Escape');
      }
    }
  }

  /**
   * Runs a command that asks with a quick pick, and chooses the entry whose label is exactly this. On a slow machine the closing palette gives the focus back
   * to what had it only after the quick pick has opened, which closes that one unanswered: then it is opened again.
   */
  async runCommandAndPick(title: string, label: string): Promise<void> {
    const isPicked = async (): Promise<boolean> => {
      await this.runCommand(title);
      return await this.#row(label)
        .click({ timeout: 3_000 })
        .then(
          () => true,
          () => false,
        );
    };
    await waitUntil(`"${label}" is picked for "${title}"`, isPicked, { limitMs: 30_000 });
  }

  /** Types into the open input box or quick pick, and accepts. */
  async answer(text: string): Promise<void> {
    const input = this.quickInput().locator('input[type="text"]');
    await input.fill(text);
    await input.press('Enter');
  }

  quickInput(): Locator {
    return this.page.locator('.quick-input-widget:visible');
  }

  async setTheme(theme: ThemeName): Promise<void> {
    const input = this.quickInput().locator('input[type="text"]');
    const wanted = this.quickInput().locator('.monaco-list-row.focused', { hasText: theme });
    // Right after start the picker lists only the themes that are read by then, and never the others.
    const offer = async (): Promise<boolean> => {
      await this.runCommand('Preferences: Color Theme');
      await input.fill(theme);
      const isOffered = await wanted.waitFor({ timeout: 2_000 }).then(
        () => true,
        () => false,
      );
      if (!isOffered) await input.press('Escape');
      return isOffered;
    };
    await waitUntil(`the theme ${theme} is offered`, offer, { limitMs: 30_000 });
    await input.press('Enter');
    const dark = theme.startsWith('Dark');
    const contrast = theme.endsWith('High Contrast');
    const expected = contrast ? (dark ? 'hc-black' : 'hc-light') : dark ? 'vs-dark' : 'vs';
    await this.page.locator(`.monaco-workbench.${expected}`).waitFor();
  }

  /** A picture among the artifacts: test/artifacts/screenshots/<name>.png */
  async screenshot(name: string): Promise<string> {
    const path = artifact('screenshots', `${name}.png`);
    await this.page.screenshot({ path, animations: 'disabled' });
    return path;
  }

  /** What "Developer: Reload Window" does: the extension host is told to end, and a new one starts. */
  async reloadWindow(): Promise<void> {
    const loaded = this.page.waitForEvent('load', { timeout: 60_000 });
    await this.runCommand('Developer: Reload Window');
    await loaded;
    await this.ready();
  }

  #row(label: string): Locator {
    const text = this.page.locator('.label-name').getByText(label, { exact: true });
    return this.quickInput().locator('.quick-input-list .monaco-list-row').filter({ has: text }).first();
  }

  async #openQuickInput(key: string): Promise<Locator> {
    const input = this.quickInput().locator('input[type="text"]');
    // Right after start the key binding may not be there yet, and a key that nobody took is lost.
    for (let attempt = 0; attempt < 20; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await input.waitFor({ state: 'visible', timeout: 1_000 });
        return input;
      } catch {
        // Once more.
      }
    }
    throw new Error(`${key} opened no quick input.`);
  }
}
