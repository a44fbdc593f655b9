import * as vscode from 'vscode';
import { type Disposable, DisposableStore, toDisposable } from '../base/disposable.ts';
import type { Orchestrator } from '../core/orchestrator.ts';
import type { Terminal } from '../core/terminals/terminal.ts';
import { isContainerTaskLive } from '../core/containerTasks/containerTask.ts';
import { contextKeys, settingIds } from './contributions/ids.ts';
import { WindowLayoutKeeper } from './layout/windowLayout.ts';
import type { RunPanels } from './panel/runPanels.ts';
import type { Place } from './place.ts';
import { EngineNotice } from './ui/engineNotice.ts';
import { ProcessHostWatch } from './ui/processHostWatch.ts';
import type { RecordingLog } from './ui/recordingLog.ts';
import { ContainerTaskNotifications } from './ui/containerTaskNotifications.ts';
import { RunNotifications } from './ui/runNotifications.ts';
import { readSetting } from './ui/settings.ts';
import { TaskStatusBar } from './ui/taskStatusBar.ts';
import { showProblem } from './ui/problems.ts';
import { reachWindow, setContext } from './ui/windowLink.ts';
import { IdLinkProvider } from './terminals/idLinks.ts';
import { ContainerTerminals } from './terminals/containerTerminals.ts';
import { TerminalViews } from './terminals/terminalViews.ts';
import { buildAgentRows } from './views/agentRows.ts';
import { AgentsModel } from './views/agentsModel.ts';
import { nameFromTitle } from './views/describe.ts';
import { count } from './views/format.ts';
import { HistoryModel } from './views/historyModel.ts';
import { LiveModel } from './views/liveModel.ts';
import { buildContainerRows } from './views/containerRows.ts';
import { ContainerUsage } from './views/containerUsage.ts';
import { buildHistoryRows, buildSessionRows, emptyRows, joinRows, type RowTree } from './views/rows.ts';
import type { RowNode, RowTreeProvider } from './views/rowTreeProvider.ts';

export interface ReadyWorkbenchOptions {
  readonly orchestrator: Orchestrator;
  readonly stateDir: string;
  readonly log: RecordingLog;
  readonly home: string;
  readonly panels: RunPanels;
  readonly sessionsView: vscode.TreeView<RowNode>;
  readonly agentsView: vscode.TreeView<RowNode>;
  readonly historyView: vscode.TreeView<RowNode>;
  readonly sessionsTree: RowTreeProvider;
  readonly agentsTree: RowTreeProvider;
  /** Takes the rows of this window's own sessions. */
  readonly drawSessions: (rows: RowTree) => void;
  readonly historyTree: RowTreeProvider;
  readonly onDidChangeActivity: () => void;
}

/** Everything that is there while this window serves the state: made when the core is ready, gone when it lets go. */
export class ReadyWorkbench implements Place, Disposable {
  readonly orchestrator: Orchestrator;
  readonly live: LiveModel;
  readonly agents: AgentsModel;
  readonly history: HistoryModel;
  readonly terminals: TerminalViews;
  readonly containerTerminals: ContainerTerminals;
  readonly usage: ContainerUsage;
  readonly notifications: RunNotifications;
  readonly taskNotifications: ContainerTaskNotifications;
  readonly layout: WindowLayoutKeeper;
  readonly isRemote = false;
  private readonly options: ReadyWorkbenchOptions;
  private readonly resources = new DisposableStore();
  private readonly engineNotice: EngineNotice;
  private readonly taskStatusBar = this.resources.add(new TaskStatusBar());
  private hasAgents = false;
  private hasContainerTasks = false;
  private midnightTimer: NodeJS.Timeout | undefined;

  constructor(options: ReadyWorkbenchOptions) {
    this.options = options;
    const { orchestrator, log, home, sessionsView, panels } = options;
    this.orchestrator = orchestrator;
    this.terminals = this.resources.add(
      new TerminalViews({
        orchestrator,
        logger: log,
        reachWindow,
        onDidCloseTab: (terminal) => void this.settleClosedTab(terminal),
        onDidRenameTab: (terminal, title) => void this.adoptTitle(terminal, title),
      }),
    );
    this.layout = this.resources.add(new WindowLayoutKeeper(options.stateDir, log, this.terminals, panels));
    this.live = this.resources.add(
      new LiveModel({
        orchestrator,
        logger: log,
        home,
        isMotionReduced,
        isWatched: () =>
          vscode.window.state.focused && (sessionsView.visible || this.terminals.openIds().length > 0),
      }),
    );
    const { containers, events } = orchestrator;
    this.containerTerminals = this.resources.add(
      new ContainerTerminals({
        containers,
        events,
        logger: log,
        reachWindow,
        scrollback: () => readSetting(settingIds.terminalScrollback),
      }),
    );
    this.usage = this.resources.add(
      new ContainerUsage({
        containers,
        logger: log,
        isWatched: () => vscode.window.state.focused && sessionsView.visible,
      }),
    );
    this.engineNotice = this.resources.add(
      new EngineNotice(containers, (message) => (sessionsView.message = message)),
    );
    this.resources.add(this.usage.onDidChange(() => this.drawSessions()));
    this.agents = this.resources.add(
      new AgentsModel({
        orchestrator,
        isMotionReduced,
        isWatched: () => vscode.window.state.focused && options.agentsView.visible,
      }),
    );
    this.history = this.resources.add(new HistoryModel(orchestrator));
    this.notifications = this.resources.add(
      new RunNotifications({ orchestrator, isInView: (runId) => panels.isInView(runId) }),
    );
    this.taskNotifications = this.resources.add(
      new ContainerTaskNotifications({ orchestrator, isInView: (runId) => panels.isInView(runId) }),
    );
    this.resources.add(new ProcessHostWatch(orchestrator));
    this.resources.add(
      vscode.window.registerTerminalLinkProvider(
        new IdLinkProvider(orchestrator, (id) => this.revealSession(id)),
      ),
    );
    this.resources.add(
      this.live.onDidChange(() => {
        this.drawSessions();
        this.engineNotice.update();
      }),
    );
    this.resources.add(this.agents.onDidChange(() => this.drawAgents()));
    this.resources.add(this.history.onDidChange(() => this.drawHistory()));
    this.resources.add(this.notifications.onDidChangeUnseen(() => this.drawBadge()));
    this.resources.add(this.taskNotifications.onDidChangeUnseen(() => this.drawBadge()));
    this.resources.add(
      sessionsView.onDidChangeVisibility(({ visible }) => {
        if (!visible) return;
        this.markSeen();
        this.drawSessions();
        void this.live.refreshForeground();
      }),
    );
    this.resources.add(
      orchestrator.onDidFail((error) => {
        showProblem('Something could not be saved', error, log);
      }),
    );
    this.resources.add(toDisposable(() => clearTimeout(this.midnightTimer)));
    this.drawSessions();
    this.drawAgents();
    this.drawHistory();
    this.waitForMidnight();
  }

  /** What was open before the reload is opened again. */
  async restore(isFirst: boolean): Promise<void> {
    await this.layout.restore(isFirst, readSetting(settingIds.terminalReopen));
    await this.live.refreshForeground(true);
  }

  /** A person has looked at this run, or at the view that tells of all. */
  markSeen(runId?: string): void {
    this.notifications.markSeen(runId);
    this.taskNotifications.markSeen(runId);
  }

  /** Programs in front as of now, for a question that depends on them. */
  async busyPrograms(terminals: readonly Terminal[]): Promise<string[]> {
    return await this.live.busyPrograms(terminals);
  }

  private async revealSession(id: string): Promise<void> {
    const { sessionsTree, sessionsView } = this.options;
    const node = sessionsTree.node(`session:${id}`);
    if (node !== undefined) await sessionsView.reveal(node, { select: true, focus: true, expand: true });
  }

  dispose(): void {
    this.resources.dispose();
    this.options.sessionsView.badge = undefined;
    this.options.drawSessions(emptyRows);
    this.options.agentsTree.update(emptyRows);
    this.options.historyTree.update(emptyRows);
    void setContext(contextKeys.hasAgents, false);
    void setContext(contextKeys.hasContainerTasks, false);
  }

  private drawSessions(): void {
    const { drawSessions, onDidChangeActivity } = this.options;
    const input = this.live.rowsInput();
    const { sessions, containers = [], now } = input;
    const ofContainers = buildContainerRows({ sessions, containers, usage: this.usage.shown, now });
    drawSessions(joinRows([buildSessionRows(input), ofContainers]));
    this.terminals.retitle(this.live.foreground);
    onDidChangeActivity();
    this.drawTaskStatus();
    if (this.orchestrator.runs.active().length > 0) void setContext(contextKeys.hasRun, true);
  }

  private drawTaskStatus(): void {
    const entries = this.live.containerTasks();
    this.taskStatusBar.update(entries, isMotionReduced());
    const hasContainerTasks = entries.some(({ task }) => isContainerTaskLive(task));
    if (hasContainerTasks === this.hasContainerTasks) return;
    this.hasContainerTasks = hasContainerTasks;
    void setContext(contextKeys.hasContainerTasks, hasContainerTasks);
  }

  private drawAgents(): void {
    const rows = buildAgentRows(this.agents.rowsInput());
    this.options.agentsTree.update(rows);
    const hasAgents = rows.rows.size > 0;
    if (hasAgents === this.hasAgents) return;
    this.hasAgents = hasAgents;
    void setContext(contextKeys.hasAgents, hasAgents);
  }

  private drawHistory(): void {
    const { historyTree, historyView } = this.options;
    const input = this.history.rowsInput();
    historyTree.update(buildHistoryRows(input));
    const { search } = this.history;
    historyView.description = search === '' ? '' : `"${search}"`;
    const message =
      search !== '' && input.runs.length === 0 ? `No finished run has "${search}" in its commands.` : '';
    // Setting it anew is a change of the tree for VS Code, which draws nothing while such changes come without a pause.
    if (message !== (historyView.message ?? '')) historyView.message = message;
    void setContext(contextKeys.hasHistorySearch, search !== '');
  }

  private drawBadge(): void {
    const failures = this.notifications.unseenFailures;
    const news = this.taskNotifications.unseenNews;
    const { sessionsView } = this.options;
    if (sessionsView.visible && failures + news > 0) {
      this.markSeen();
      return;
    }
    const words = [
      ...(failures === 0 ? [] : [`${count(failures, 'run')} failed`]),
      ...(news === 0 ? [] : [`${count(news, 'error or result', 'errors and results')} of container tasks`]),
    ];
    sessionsView.badge =
      words.length === 0 ? undefined : { value: failures + news, tooltip: words.join(', ') };
  }

  /** "Today" becomes "Yesterday". */
  private waitForMidnight(): void {
    const now = new Date();
    const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, 0, 0, 1);
    this.midnightTimer = setTimeout(() => {
      this.drawHistory();
      this.waitForMidnight();
    }, midnight.getTime() - now.getTime());
    this.midnightTimer.unref();
  }

  /** A person renamed the tab: the terminal is called so from now on, in the tree and everywhere else. */
  private async adoptTitle(terminal: Terminal, title: string): Promise<void> {
    const name = nameFromTitle(title, terminal, this.live.foreground.get(terminal.id));
    try {
      await this.orchestrator.terminals.rename(terminal.id, name);
    } catch (error) {
      showProblem(`The terminal "${terminal.name}" was not renamed`, error, this.options.log);
    }
  }

  /**
   * A person closed the tab. VS Code has closed it before we hear of it, so what runs is never taken along: it goes on
   * until the question is answered, and without an answer it stays. An idle shell ends, as in VS Code's own terminals.
   */
  private async settleClosedTab(terminal: Terminal): Promise<void> {
    const policy = readSetting(settingIds.terminalOnClose);
    if (terminal.managedBy !== null || terminal.runId !== null || policy === 'keep') return;
    try {
      if (policy === 'ask') {
        const [program] = await this.busyPrograms([terminal]);
        if (program !== undefined) {
          const answer = await vscode.window.showInformationMessage(
            `"${program}" goes on running in the terminal "${terminal.name}", whose tab you closed.`,
            'Show Again',
            'Kill',
          );
          if (answer === 'Show Again') this.terminals.show(terminal);
          if (answer !== 'Kill') return;
        }
      }
      await this.orchestrator.terminals.kill(terminal.id);
      // A shell that ended with its tab is nothing to come back to.
      await this.orchestrator.terminals.remove(terminal.id);
    } catch (error) {
      showProblem(`The terminal "${terminal.name}" was not ended`, error, this.options.log);
    }
  }
}

function isMotionReduced(): boolean {
  return vscode.workspace.getConfiguration('workbench').get('reduceMotion') === 'on';
}
