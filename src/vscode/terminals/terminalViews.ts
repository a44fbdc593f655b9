import * as vscode from 'vscode';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { contextKeys, settingIds } from '../contributions/ids.ts';
import { readSetting } from '../ui/settings.ts';
import { toViewColumn } from '../layout/viewColumn.ts';
import { setContext } from '../ui/windowLink.ts';
import { terminalTitle } from '../views/describe.ts';
import { terminalIcon } from '../views/rows.ts';
import type { OpenTerminal } from '../layout/windowFile.ts';
import { OrchestratorPty } from './orchestratorPty.ts';

export type TerminalPlace = OpenTerminal['place'];

export interface TerminalViewsOptions {
  readonly orchestrator: LiveOrchestrator;
  readonly logger: Logger;
  readonly reachWindow: () => Promise<void>;
  /** A person closed the tab of a terminal that lives. */
  readonly onDidCloseTab: (terminal: Terminal) => void;
}

interface View {
  readonly pty: OrchestratorPty;
  readonly place: TerminalPlace;
  /** Known once VS Code has made the tab. */
  tab: vscode.Terminal | undefined;
  title: string;
}

/** The tabs of our terminals in this window: opened, titled, remembered in window.json, and opened again. */
export class TerminalViews implements Disposable {
  private readonly options: TerminalViewsOptions;
  private readonly resources = new DisposableStore();
  private readonly layoutChanged = new vscode.EventEmitter<{ readonly isNew: boolean }>();
  private views: View[] = [];
  private _isShuttingDown = false;

  readonly onDidChangeLayout = this.layoutChanged.event;

  constructor(options: TerminalViewsOptions) {
    this.options = options;
    this.resources.add(this.layoutChanged);
    this.resources.add(vscode.window.onDidOpenTerminal((tab) => this.noteOpened(tab)));
    this.resources.add(vscode.window.onDidCloseTerminal((tab) => this.noteClosed(tab)));
    this.resources.add(vscode.window.onDidChangeActiveTerminal(() => this.noteLayout()));
    this.resources.add(vscode.window.tabGroups.onDidChangeTabs(() => this.noteLayout()));
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

  /** What VS Code needs to open a tab by itself (a terminal profile), for a terminal that is being started. */
  optionsFor(terminal: Promise<Terminal>, name: string): vscode.ExtensionTerminalOptions {
    return this.createOptions(undefined, terminal, { kind: 'panel' }, name);
  }

  /** The tab that shows this terminal, closed without ending it. */
  detach(id: string): void {
    this.views.find(({ pty }) => pty.terminalId === id)?.tab?.dispose();
  }

  /** New titles where the program in front changed. */
  retitle(foreground: ReadonlyMap<string, string>): void {
    for (const view of this.views) {
      const id = view.pty.terminalId;
      const terminal = id === undefined ? undefined : this.options.orchestrator.terminals.find(id);
      if (id === undefined || terminal === undefined) continue;
      const title = terminalTitle(terminal, foreground.get(id));
      if (title === view.title) continue;
      view.title = title;
      view.pty.setName(title);
      this.noteLayout();
    }
  }

  /** Opens tabs for those that live, in order, and starts nothing. */
  restore(remembered: readonly OpenTerminal[]): void {
    for (const entry of remembered) {
      const terminal = this.options.orchestrator.terminals.find(entry.id);
      if (terminal === undefined || terminal.state === 'exited' || this.openIds().includes(entry.id))
        continue;
      const tab = vscode.window.createTerminal(
        this.createOptions(terminal, undefined, entry.place, entry.title),
      );
      this.noteOpened(tab);
      // Only the one that was in front, and without the focus: the person may already be typing elsewhere.
      if (entry.isActive) tab.show(true);
    }
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
    const name = title ?? known?.name ?? 'terminal';
    this.views.push({ pty, place, tab: undefined, title: name });
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

  /** What is open, in order. */
  layout(): OpenTerminal[] {
    const active = vscode.window.activeTerminal;
    return this.views.flatMap((view): OpenTerminal[] => {
      const id = view.pty.terminalId;
      if (id === undefined || view.tab === undefined) return [];
      const title = view.tab.name;
      const place = editorPlace(title) ?? (view.place.kind === 'split' ? view.place : { kind: 'panel' });
      return [{ id, title, place, isActive: view.tab === active }];
    });
  }

  private noteLayout(isNew = false): void {
    this.layoutChanged.fire({ isNew });
  }
}

/** Terminals that a person has moved into the editor area are told by their tab's label: VS Code has no other sign. */
function editorPlace(name: string): TerminalPlace | undefined {
  for (const group of vscode.window.tabGroups.all) {
    for (const tab of group.tabs) {
      if (tab.input instanceof vscode.TabInputTerminal && tab.label === name) {
        return { kind: 'editor', column: group.viewColumn };
      }
    }
  }
  return undefined;
}

function unreachable(): never {
  throw new Error('a view needs a terminal');
}
