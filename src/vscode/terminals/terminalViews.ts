import * as vscode from 'vscode';
import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { contextKeys, settingIds, terminalProfileId } from '../contributions/ids.ts';
import { readSetting } from '../ui/settings.ts';
import { toViewColumn } from '../layout/viewColumn.ts';
import { setContext } from '../ui/windowLink.ts';
import { terminalTitle } from '../views/describe.ts';
import { terminalIcon } from '../views/rows.ts';
import type { OpenTerminal } from '../layout/windowFile.ts';
import { brokenTabs, editorAreaIsReady, editorColumns } from './editorArea.ts';
import { OrchestratorPty } from './orchestratorPty.ts';
import { TabTitle } from './tabTitle.ts';

export type TerminalPlace = OpenTerminal['place'];

export interface TerminalViewsOptions {
  readonly orchestrator: LiveOrchestrator;
  readonly logger: Logger;
  readonly reachWindow: () => Promise<void>;
  /** A person closed the tab of a terminal that lives. */
  readonly onDidCloseTab: (terminal: Terminal) => void;
  /** A person gave the tab another name. */
  readonly onDidRenameTab: (terminal: Terminal, title: string) => void;
}

/** VS Code tells nobody that a tab was renamed: its name is looked at this often. */
const namePollMs = 1_000;

/** A terminal that VS Code could not show in the editor area is put there again after this time … */
const mendDelayMs = 500;
/** … and this often, before it goes into the panel instead. */
const maxMends = 10;

interface View {
  readonly pty: OrchestratorPty;
  /** The tab's name when it was made: VS Code keeps it, whatever the title becomes. */
  readonly name: string;
  place: TerminalPlace;
  /** It was seen in the editor area at the last look. */
  isInEditor: boolean;
  /** Known once VS Code has made the tab. */
  tab: vscode.Terminal | undefined;
  readonly title: TabTitle;
}

/** The tabs of our terminals in this window: opened, titled, remembered in window.json, and opened again. */
export class TerminalViews implements Disposable {
  private readonly options: TerminalViewsOptions;
  private readonly resources = new DisposableStore();
  private readonly layoutChanged = new vscode.EventEmitter<{ readonly isNew: boolean }>();
  private views: View[] = [];
  /** Of the editor area, as long as the window cannot show them there. */
  private awaited: readonly OpenTerminal[] = [];
  private mends = 0;
  private isMending = false;
  private pendingSplit: { readonly terminal: Terminal; readonly besideId: string } | undefined;
  private _isShuttingDown = false;

  readonly onDidChangeLayout = this.layoutChanged.event;

  constructor(options: TerminalViewsOptions) {
    this.options = options;
    this.resources.add(this.layoutChanged);
    this.resources.add(vscode.window.onDidOpenTerminal((tab) => this.noteOpened(tab)));
    this.resources.add(vscode.window.onDidCloseTerminal((tab) => this.noteClosed(tab)));
    this.resources.add(vscode.window.onDidChangeActiveTerminal(() => this.noteActive()));
    this.resources.add(
      vscode.window.tabGroups.onDidChangeTabs(() => {
        this.noteLayout();
        this.mendSoon();
      }),
    );
    const poll = setInterval(() => this.adoptNames(), namePollMs);
    this.resources.add(toDisposable(() => clearInterval(poll)));
  }

  /** The window is closing, or lets go: tabs go away, but nobody closed them. */
  get isShuttingDown(): boolean {
    return this._isShuttingDown;
  }

  /** Ids of the terminals that have a tab here. */
  openIds(): string[] {
    return this.views.flatMap(({ pty }) => (pty.terminalId === undefined ? [] : [pty.terminalId]));
  }

  /** Shows the terminal in its tab, or in a new one. */
  show(
    terminal: Terminal,
    options: { readonly preserveFocus?: boolean; readonly place?: TerminalPlace } = {},
  ): void {
    const view = this.views.find(({ pty }) => pty.terminalId === terminal.id);
    if (view?.tab !== undefined) {
      view.tab.show(options.preserveFocus);
      return;
    }
    const tab = vscode.window.createTerminal(
      this.createOptions(terminal, undefined, options.place ?? { kind: 'panel' }),
    );
    this.noteOpened(tab);
    tab.show(options.preserveFocus);
  }

  /** Shows the terminal in a column of the editor area: a tab that it has elsewhere closes, which ends nothing. */
  move(terminal: Terminal, column: vscode.ViewColumn): void {
    this.detach(terminal.id);
    this.show(terminal, { place: { kind: 'editor', column } });
  }

  /**
   * Shows the terminal beside another one. To `createTerminal`, VS Code finds a parent only as long as that one's tab
   * is being made; its own command finds it, and comes back to our profile (`takeSplit`) for what it is to show.
   */
  async showBeside(terminal: Terminal, parent: Terminal, extensionId: string): Promise<void> {
    this.show(parent);
    await this.options.reachWindow();
    this.pendingSplit = { terminal, besideId: parent.id };
    const config = { extensionIdentifier: extensionId, id: terminalProfileId, title: terminal.name };
    try {
      await vscode.commands.executeCommand('workbench.action.terminal.split', { config });
    } finally {
      // VS Code did not ask for it, whatever the reason: a tab of its own is better than none.
      if (this.takeSplit() !== undefined) this.show(terminal);
    }
  }

  /** What VS Code shows in the tab that it asks for, when it is one that we have asked it for. */
  takeSplit(): vscode.ExtensionTerminalOptions | undefined {
    const pending = this.pendingSplit;
    this.pendingSplit = undefined;
    if (pending === undefined) return undefined;
    const { terminal, besideId } = pending;
    // The parent is known to VS Code by now: naming it here would only confuse it.
    const { location: _, ...options } = this.createOptions(terminal, undefined, { kind: 'split', besideId });
    return options;
  }

  /** What VS Code needs to open a tab by itself (a terminal profile), for a terminal that is being started. */
  optionsFor(terminal: Promise<Terminal>, name: string): vscode.ExtensionTerminalOptions {
    return this.createOptions(undefined, terminal, { kind: 'panel' }, name);
  }

  /** The tab that shows this terminal, closed without ending it. */
  detach(id: string): void {
    const view = this.views.find(({ pty }) => pty.terminalId === id);
    if (view === undefined) return;
    // At once: VS Code tells of a closed tab later, and until then it would be shown instead of a new one.
    this.views = this.views.filter((candidate) => candidate !== view);
    view.tab?.dispose();
    this.noteLayout();
  }

  /** New titles where the program in front changed. */
  retitle(foreground: ReadonlyMap<string, string>): void {
    for (const view of this.views) {
      const id = view.pty.terminalId;
      const terminal = id === undefined ? undefined : this.options.orchestrator.terminals.find(id);
      if (id === undefined || terminal === undefined) continue;
      const title = terminalTitle(terminal, foreground.get(id));
      if (!view.title.give(title)) continue;
      view.pty.setName(title);
      this.noteLayout();
    }
  }

  /** The id of the terminal that this tab shows, if it is a tab and one of ours. */
  idOf(tab: unknown): string | undefined {
    return this.views.find((view) => view.tab === tab)?.pty.terminalId;
  }

  /** Opens tabs for those that live, in order, and starts nothing. */
  async restore(remembered: readonly OpenTerminal[]): Promise<void> {
    this.awaited = remembered.filter(({ place }) => place.kind === 'editor');
    for (const entry of remembered) if (entry.place.kind !== 'editor') this.reopen(entry);
    // VS Code keeps broken tabs of the window before.
    this.mendSoon();
    if (this.awaited.length === 0) return;
    await editorAreaIsReady(this.options.reachWindow);
    this.reopenAwaited();
  }

  /** Nobody loses a terminal by this: every tab only detaches. The list of what is open stays as it is. */
  closeAll(): void {
    this._isShuttingDown = true;
    for (const { tab } of [...this.views]) tab?.dispose();
  }

  dispose(): void {
    this._isShuttingDown = true;
    this.resources.dispose();
  }

  private reopen({ id, title, place, isActive }: OpenTerminal): void {
    const terminal = this.options.orchestrator.terminals.find(id);
    if (terminal === undefined || terminal.state === 'exited' || this.openIds().includes(id)) return;
    const tab = vscode.window.createTerminal(this.createOptions(terminal, undefined, place, title));
    this.noteOpened(tab);
    // Only the one that was in front, and without the focus: the person may already be typing elsewhere.
    if (isActive) tab.show(true);
  }

  private reopenAwaited(): void {
    if (this._isShuttingDown) return;
    const entries = this.awaited;
    this.awaited = [];
    for (const entry of entries) this.reopen(entry);
    this.noteLayout();
  }

  private mendSoon(): void {
    if (this.isMending || this._isShuttingDown || brokenTabs().length === 0) return;
    this.isMending = true;
    this.mend()
      .catch((error: unknown) => {
        this.options.logger.warn('a broken tab of a terminal could not be replaced', error);
      })
      .finally(() => {
        this.isMending = false;
      });
  }

  /** Replaces tabs that came before the window could show terminals in its editor area (editorArea.ts). */
  private async mend(): Promise<void> {
    const { logger, reachWindow } = this.options;
    logger.info('the window could not show a terminal in its editor area yet: once more');
    this.mends += 1;
    const isLost = (id: string): boolean =>
      this.views.some((view) => view.pty.terminalId === id && !view.isInEditor);
    const lost = this.layout().filter(({ id, place }) => place.kind === 'editor' && isLost(id));
    this.awaited =
      this.mends <= maxMends ? lost : lost.map((entry) => ({ ...entry, place: { kind: 'panel' } }));
    for (const { id } of lost) this.detach(id);
    await vscode.window.tabGroups.close(brokenTabs(), true);
    await new Promise<void>((resolve) => setTimeout(resolve, mendDelayMs));
    await reachWindow();
    this.reopenAwaited();
  }

  private createOptions(
    known: Terminal | undefined,
    starting: Promise<Terminal> | undefined,
    place: TerminalPlace,
    title?: string,
  ): vscode.ExtensionTerminalOptions {
    const { orchestrator, logger, reachWindow } = this.options;
    const pty = new OrchestratorPty({
      terminals: orchestrator.terminals,
      logger,
      reachWindow,
      scrollback: () => readSetting(settingIds.terminalScrollback),
      terminal: starting ?? Promise.resolve(known ?? unreachable()),
    });
    if (known !== undefined) pty.terminalId = known.id;
    starting?.then(
      ({ id }) => {
        pty.terminalId = id;
        this.noteLayout(true);
      },
      // The tab itself says why.
      () => undefined,
    );
    const name = title ?? (known === undefined ? 'terminal' : terminalTitle(known, undefined));
    this.views.push({ pty, name, place, isInEditor: false, tab: undefined, title: new TabTitle(name) });
    const icon = known === undefined ? { id: 'terminal' } : terminalIcon(known);
    return {
      name,
      pty,
      iconPath: new vscode.ThemeIcon(icon.id),
      ...(icon.color?.startsWith('terminal.ansi') === true
        ? { color: new vscode.ThemeColor(icon.color) }
        : {}),
      ...this.locationOf(place),
    };
  }

  private locationOf(place: TerminalPlace): Pick<vscode.ExtensionTerminalOptions, 'location'> {
    if (place.kind === 'editor')
      return {
        location: {
          viewColumn: toViewColumn(place.column),
          preserveFocus: true,
        },
      };
    if (place.kind === 'panel') return {};
    const beside = this.views.find(({ pty }) => pty.terminalId === place.besideId)?.tab;
    return beside === undefined ? {} : { location: { parentTerminal: beside } };
  }

  private viewOf(tab: vscode.Terminal): View | undefined {
    const options = tab.creationOptions;
    if (!('pty' in options)) return undefined;
    return this.views.find(({ pty }) => pty === options.pty);
  }

  private noteOpened(tab: vscode.Terminal): void {
    const view = this.viewOf(tab);
    if (view === undefined || view.tab === tab) return;
    view.tab = tab;
    void setContext(contextKeys.hasTerminal, true);
    this.noteActive();
    this.noteLayout(true);
  }

  private noteClosed(tab: vscode.Terminal): void {
    const view = this.viewOf(tab);
    if (view === undefined) return;
    const reason = tab.exitStatus?.reason;
    if (reason === vscode.TerminalExitReason.Shutdown) this._isShuttingDown = true;
    this.views = this.views.filter((candidate) => candidate !== view);
    this.noteLayout();
    const id = view.pty.terminalId;
    const terminal = id === undefined ? undefined : this.options.orchestrator.terminals.find(id);
    if (reason !== vscode.TerminalExitReason.User || this._isShuttingDown) return;
    if (terminal !== undefined && terminal.state !== 'exited') this.options.onDidCloseTab(terminal);
  }

  /** What is open, in order, and what is about to be. */
  layout(): OpenTerminal[] {
    this.adoptPlaces();
    const active = vscode.window.activeTerminal;
    const shown = this.views.flatMap(({ pty, name, place, tab }): OpenTerminal[] => {
      const id = pty.terminalId;
      if (id === undefined || tab === undefined) return [];
      return [{ id, name, title: tab.name, place, isActive: tab === active }];
    });
    return [...shown, ...this.awaited.filter(({ id }) => !shown.some((one) => one.id === id))];
  }

  /**
   * Terminals that a person has moved into the editor area or out of it are told by their tab's label: VS Code has no
   * other sign. Of several with one title, those that were there before are taken to be there still.
   */
  private adoptPlaces(): void {
    const columns = editorColumns();
    const rank = ({ place }: View): number => (place.kind === 'editor' ? 0 : 1);
    for (const view of this.views.toSorted((a, b) => rank(a) - rank(b))) {
      const column = columns.get(view.tab?.name ?? '')?.shift();
      if (column !== undefined) view.place = { kind: 'editor', column };
      // Not there any more; one that was never seen there is still to come.
      else if (view.isInEditor) view.place = { kind: 'panel' };
      view.isInEditor = column !== undefined;
    }
  }

  private adoptNames(): void {
    for (const { pty, tab, title } of this.views) {
      const id = pty.terminalId;
      const terminal = id === undefined ? undefined : this.options.orchestrator.terminals.find(id);
      if (tab === undefined || terminal === undefined) continue;
      const given = title.current;
      if (!title.isRenamedTo(tab.name)) {
        if (title.isLate) pty.setName(given);
        continue;
      }
      if (tab.name.trim() !== '') this.options.onDidRenameTab(terminal, tab.name);
      // A tab without a name could not be told from others.
      else if (title.give(given)) pty.setName(given);
      this.noteLayout();
    }
  }

  private noteActive(): void {
    void setContext(contextKeys.isOwnTerminalActive, this.idOf(vscode.window.activeTerminal) !== undefined);
    this.noteLayout();
  }

  private noteLayout(isNew = false): void {
    this.layoutChanged.fire({ isNew });
  }
}

function unreachable(): never {
  throw new Error('a view needs a terminal');
}
