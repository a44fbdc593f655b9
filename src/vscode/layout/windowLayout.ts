import * as vscode from 'vscode';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import { panelViewType } from '../contributions/ids.ts';
import type { RunPanels } from '../panel/runPanels.ts';
import type { TerminalViews } from '../terminals/terminalViews.ts';
import { toViewColumn } from './viewColumn.ts';
import { type OpenRunPanel, type OpenTerminal, readWindowLayout, WindowLayoutWriter } from './windowFile.ts';

/** Long enough for a closing window to tell that it closes, before what it takes away counts as closed. */
const saveDelayMs = 300;

/** How long after its start a new extension host may hear of tabs of the one before. */
const lateTabsMs = 10_000;

/** Keeps window.json, and opens again what it lists. */
export class WindowLayoutKeeper implements Disposable {
  private readonly stateDir: string;
  private readonly logger: Logger;
  private readonly terminals: TerminalViews;
  private readonly panels: RunPanels;
  private readonly writer: WindowLayoutWriter;
  private readonly resources = new DisposableStore();
  private timer: NodeJS.Timeout | undefined;
  private isRestoring = true;
  private isFinal = false;

  constructor(stateDir: string, logger: Logger, terminals: TerminalViews, panels: RunPanels) {
    this.stateDir = stateDir;
    this.logger = logger;
    this.terminals = terminals;
    this.panels = panels;
    this.writer = new WindowLayoutWriter(stateDir, (error) => {
      logger.warn('the list of open terminals could not be saved', error);
    });
    this.resources.add(panels.onDidChangeLayout(() => this.saveSoon()));
    this.resources.add(
      terminals.onDidChangeLayout(({ isNew }) => {
        // What was just opened must be found again even if the extension host is killed the next moment.
        if (isNew) this.save();
        else this.saveSoon();
      }),
    );
  }

  /**
   * Opens again what was open. In a window that goes on with a new extension host, VS Code has kept the tabs of the
   * old one with nothing behind them: those are closed first. After a reload it restores run panels by itself.
   * @param isFirst nothing of this extension host's own is open yet.
   */
  async restore(isFirst: boolean, isReopening: boolean): Promise<void> {
    const layout = await readWindowLayout(this.stateDir);
    let reopening: Promise<void> | undefined;
    try {
      if (layout === undefined) return;
      if (isFirst && layout.sessionId === vscode.env.sessionId) {
        const looking = this.resources.add(disposeDeadTerminals(layout.terminals, this.logger));
        setTimeout(() => this.resources.delete(looking), lateTabsMs).unref();
        if (await closeDeadPanels(this.panels)) this.reopenPanels(layout.runPanels);
      } else if (isFirst && panelTabs().length === 0) {
        // Another browser, or one that was ended before it had saved its tabs.
        this.reopenPanels(layout.runPanels);
      }
      // Not waited for: what opens meanwhile is to be saved.
      if (isReopening) reopening = this.terminals.restore(layout.terminals);
    } finally {
      this.isRestoring = false;
      this.save();
    }
    await reopening;
  }

  /** The window closes or another one serves: what is listed now stays. */
  async finish(): Promise<void> {
    this.isFinal = true;
    clearTimeout(this.timer);
    await this.writer.flush();
  }

  dispose(): void {
    void this.finish();
    this.resources.dispose();
  }

  private reopenPanels(panels: readonly OpenRunPanel[]): void {
    // Whoever types into something else by now goes on typing there.
    const open = ({ runId, column }: OpenRunPanel): void => {
      this.panels.openTab(runId, undefined, toViewColumn(column), true);
    };
    panels.forEach(open);
    const active = panels.find(({ isActive }) => isActive);
    if (active !== undefined) open(active);
  }

  private saveSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), saveDelayMs);
  }

  private save(): void {
    if (this.isRestoring || this.isFinal || this.terminals.isShuttingDown) return;
    this.writer.write({
      sessionId: vscode.env.sessionId,
      terminals: this.terminals.layout(),
      runPanels: this.panels.layout(),
    });
  }
}

/**
 * After its extension host was killed, VS Code keeps our terminals without anything behind them. They are told by the
 * name that they were made with (titles change faster than they are saved) and by having no program of their own; tabs of this extension host have a `pty`. A new
 * extension host hears of them one by one, perhaps only after it has come here: the answer goes on looking.
 */
function disposeDeadTerminals(remembered: readonly OpenTerminal[], logger: Logger): Disposable {
  const names = new Set(remembered.map(({ name, title }) => name ?? title));
  const disposeIfDead = (tab: vscode.Terminal): void => {
    const options = tab.creationOptions;
    if ('pty' in options || options.shellPath !== undefined) return;
    if (options.name === undefined || !names.has(options.name)) return;
    logger.info(`closing the dead tab "${tab.name}" of the extension host before this one`);
    tab.dispose();
  };
  const listening = vscode.window.onDidOpenTerminal(disposeIfDead);
  vscode.window.terminals.forEach(disposeIfDead);
  return listening;
}

async function closeDeadPanels(panels: RunPanels): Promise<boolean> {
  const ours = new Set(panels.titles());
  const dead = panelTabs().filter(({ label }) => !ours.has(label));
  if (dead.length > 0) await vscode.window.tabGroups.close(dead, true);
  return dead.length > 0;
}

function panelTabs(): vscode.Tab[] {
  return vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(
      // VS Code puts a prefix of its own before the type.
      ({ input }) => input instanceof vscode.TabInputWebview && input.viewType.endsWith(panelViewType),
    );
}
