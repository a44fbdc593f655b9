// The workbench in the real VS Code, as a person uses it: one server, one browser, one window on one folder.
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { Agent } from '../harness/agent.ts';
import { Browser, type Workbench } from '../harness/browser.ts';
import { packagedVsix, repo } from '../harness/paths.ts';
import { type ProcessInfo, waitUntil } from '../harness/processes.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';
import { VscodeServer, type VscodeServerOptions } from '../harness/vscodeServer.ts';

export const version = (JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')) as { version: string })
  .version;

/** Drawn as text, so that a test can read the screen. */
const terminalSettings = {
  'terminal.integrated.gpuAcceleration': 'off',
  'terminal.integrated.scrollback': 10_000,
  // Or the editor adds a shell of its own to a terminal view that it finds empty at start.
  'terminal.integrated.hideOnStartup': 'whenEmpty',
};

export interface StudioOptions extends Omit<VscodeServerOptions, 'vsix'> {
  /** A second extension, driven by the test. */
  readonly hasAgent?: boolean;
  /** Defaults of the user's settings. */
  readonly userSettings?: Readonly<Record<string, unknown>>;
}

export class Studio implements AsyncDisposable {
  readonly server: VscodeServer;
  readonly browser: Browser;
  readonly folder: string;
  /** With `hasAgent` only. */
  readonly agent: Agent;
  readonly #root: TempDir;
  workbench: Workbench;

  private constructor(
    server: VscodeServer,
    browser: Browser,
    workbench: Workbench,
    folder: string,
    agent: Agent,
    root: TempDir,
  ) {
    this.server = server;
    this.browser = browser;
    this.workbench = workbench;
    this.folder = folder;
    this.agent = agent;
    this.#root = root;
  }

  /** With the packaged extension installed, as its user has it. */
  static async open(options: StudioOptions): Promise<Studio> {
    const root = await tempDir('ow-folder');
    const folder = join(root.path, 'demo');
    await mkdir(folder);
    const agent = new Agent(root.path);
    const server = await VscodeServer.start({
      ...options,
      vsix: packagedVsix(version),
      env: { ...options.env, ...agent.environment },
    });
    try {
      if (options.hasAgent === true) await server.installVsix(await Agent.packed(root.path));
      const settings = { ...terminalSettings, ...options.userSettings };
      const browser = await Browser.launch({ settings });
      const workbench = await browser.open(server.url(folder));
      return new Studio(server, browser, workbench, folder, agent, root);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      await root[Symbol.asyncDispose]();
      throw error;
    }
  }

  get page(): Page {
    return this.workbench.page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent[Symbol.dispose]();
    await this.browser[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await this.#root[Symbol.asyncDispose]();
  }

  /** A folder beside the studio's own. */
  async otherFolder(name: string): Promise<string> {
    const path = join(this.#root.path, name);
    await mkdir(path);
    return path;
  }

  // The tree

  async showSessions(): Promise<void> {
    await this.page.locator('.activitybar .action-label[aria-label^="Orchestrator"]').first().click();
    await this.page
      .locator('.part.sidebar .title', { hasText: /orchestrator/i })
      .first()
      .waitFor();
  }

  /** A row of the session tree or the history by a part of its accessible name. */
  row(name: string | RegExp): Locator {
    return this.page.getByRole('treeitem', { name });
  }

  /** The row's words: its name and its description. */
  async rowText(name: string | RegExp): Promise<string> {
    return (await this.row(name).first().innerText()).replaceAll('\u00a0', ' ');
  }

  /** Chooses an entry of the row's context menu. */
  async chooseForRow(name: string | RegExp, entry: string): Promise<void> {
    await this.row(name).first().click({ button: 'right' });
    const item = this.page.getByRole('menuitem', { name: entry, exact: true });
    await item.hover();
    // The menu takes no mouse button for a moment after it has opened.
    await item.press('Enter');
  }

  /** Drags as a hand does. */
  async drag(from: Locator, to: Locator): Promise<void> {
    await from.waitFor();
    const [start, end] = [await from.boundingBox(), await to.boundingBox()];
    if (start === null || end === null) throw new Error('There is nothing to drag, or nowhere to.');
    await this.page.mouse.move(start.x + 30, start.y + start.height / 2);
    await this.page.mouse.down();
    await this.page.mouse.move(end.x + end.width / 2, end.y + end.height / 2, { steps: 10 });
    await this.page.locator('.editor-group-overlay-indicator').waitFor({ state: 'attached' });
    await this.page.mouse.up();
  }

  /** The modal question that VS Code asks. */
  dialog(): Locator {
    return this.page.locator('.monaco-dialog-box');
  }

  // The run panel

  /** The visible run panel's own document. */
  panel(): FrameLocator {
    return this.page
      .locator('iframe.webview.ready:visible')
      .last()
      .contentFrame()
      .frameLocator('#active-frame');
  }

  async runTask(task: string): Promise<FrameLocator> {
    await this.workbench.runCommand('Orchestrator: Open Run Panel');
    const panel = this.panel();
    const box = panel.locator('vscode-textarea textarea');
    await box.fill(task);
    await box.press('Control+Enter');
    return panel;
  }

  async waitForStatus(panel: FrameLocator, word: string, limitMs = 30_000): Promise<void> {
    try {
      await panel.locator('.status-word', { hasText: word }).waitFor({ timeout: limitMs });
    } catch (error) {
      await this.workbench.screenshot(`waiting-for-${word}`);
      throw error;
    }
  }

  // Terminals

  async newTerminal(): Promise<void> {
    await this.markTerminals();
    await this.workbench.runCommand('Orchestrator: New Terminal');
    await this.waitForNewTerminal();
    await this.waitForTerminal(/[$#%>] ?$/m);
  }

  /** Marks what is on the page now, so that what takes its place can be told from it. */
  async markTerminals(): Promise<void> {
    await this.page.evaluate(() => {
      for (const element of document.querySelectorAll('.terminal-wrapper'))
        element.setAttribute('data-old', '');
    });
  }

  /** Waits until the active terminal is one that was not marked. */
  async waitForNewTerminal(): Promise<void> {
    await this.page.locator('.terminal-wrapper.active:not([data-old]) .xterm').waitFor({ timeout: 30_000 });
  }

  /** Of the list beside the terminals, which is there from two on. */
  async terminalTabs(): Promise<string[]> {
    const labels = await this.page.locator('.terminal-tabs-entry').allInnerTexts();
    return labels.map((label) => label.trim()).filter((label) => label !== '');
  }

  /** An entry of that list by a part of its title. */
  terminalTab(title: string | RegExp): Locator {
    return this.page.locator('.terminal-tabs-entry', { hasText: title });
  }

  /** Terminals that stand side by side in the visible group. */
  async splits(): Promise<number> {
    return this.page.locator('.terminal-group:visible .terminal-split-pane').count();
  }

  /** Tabs of terminals in the editor area. */
  editorTab(title: string | RegExp): Locator {
    return this.page.locator('.editor-group-container .tab', { hasText: title });
  }

  /** What the visible terminal shows, without its scrollback. */
  async terminalScreen(): Promise<string> {
    const rows = this.page.locator(
      '.terminal-wrapper.active .xterm-rows > div, .terminal-editor .xterm-rows > div',
    );
    const lines = await rows.allTextContents();
    return lines.map((line) => line.replaceAll('\u00a0', ' ').trimEnd()).join('\n');
  }

  async waitForTerminal(pattern: RegExp, limitMs = 20_000): Promise<string> {
    let last = '';
    try {
      return await waitUntil(
        `the terminal shows ${String(pattern)}`,
        async () => {
          last = await this.terminalScreen();
          return pattern.test(last) ? last : undefined;
        },
        { limitMs, everyMs: 50 },
      );
    } catch (error) {
      throw new Error(`The terminal shows instead:\n${last}`, { cause: error });
    }
  }

  /** Keys that are pressed before the terminal has the focus are lost. */
  async focusTerminal(): Promise<void> {
    await this.workbench.runCommand('Terminal: Focus Terminal');
    await this.page.locator('.terminal-wrapper.active .xterm.focus').waitFor();
    await this.page.locator('.terminal-wrapper.active .xterm.focus .xterm-screen').click();
    await this.page
      .locator('.terminal-wrapper.active .xterm-helper-textarea:focus')
      .waitFor({ state: 'attached' });
  }

  async typeInTerminal(text: string): Promise<void> {
    await this.focusTerminal();
    await this.page.keyboard.type(text);
  }

  /** Clicks on a text of the visible terminal once it is a link. */
  async followLink(text: string): Promise<void> {
    const row = this.page.locator('.terminal-wrapper.active .xterm-rows > div', { hasText: text }).first();
    // The text may be split over several spans: measured by the letters before it.
    const point = await row.evaluate((element, wanted) => {
      const line = element.textContent.replaceAll('\u00a0', ' ');
      const { left, top, height } = element.getBoundingClientRect();
      const range = document.createRange();
      range.selectNodeContents(element);
      const letter = range.getBoundingClientRect().width / line.length;
      return { x: left + letter * (line.indexOf(wanted) + 4), y: top + height / 2 };
    }, text);
    await this.page.keyboard.down('Control');
    try {
      await this.page.mouse.move(point.x, point.y, { steps: 3 });
      await this.page
        .locator('.monaco-hover:visible', { hasText: '(ctrl + click)' })
        .waitFor({ timeout: 10_000 });
      await this.page.mouse.click(point.x, point.y);
    } finally {
      await this.page.keyboard.up('Control');
    }
  }

  /** All that the active terminal holds, scrollback too, by way of the clipboard. */
  async terminalText(): Promise<string> {
    await this.workbench.runCommand('Terminal: Focus Terminal');
    await this.workbench.runCommand('Terminal: Select All');
    await this.workbench.runCommand('Terminal: Copy Selection');
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  // Processes

  /** Started from this editor, alive, and with this in its command line. */
  processes(command: RegExp): ProcessInfo[] {
    return this.server.processes().filter((info) => command.test(info.command));
  }

  async waitForProcess(command: RegExp): Promise<ProcessInfo> {
    return waitUntil(`a process ${String(command)}`, () => this.processes(command)[0]);
  }

  /** Waits until a new extension host has taken the place of these. */
  async waitForNewExtensionHost(old: readonly number[]): Promise<void> {
    await waitUntil(
      'a new extension host',
      () => this.server.extensionHostPids().some((pid) => !old.includes(pid)),
      { limitMs: 30_000 },
    );
  }
}
