/**
 * The half of the extension that is loaded after activation (dist/workbench.js): core, panels, models. extension.ts
 * has registered everything and hands on what is asked of it.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { OrchestratorError } from '../base/errors.ts';
import type { Orchestrator } from '../core/orchestrator.ts';
import type { ResourceUsage } from '../core/resources.ts';
import { type Disposable, DisposableStore, toDisposable } from '../base/disposable.ts';
import { commandFailures, commandHandlers } from './commands/commandHandlers.ts';
import type { CommandArguments, CommandContext } from './commands/context.ts';
import { rowOf } from './commands/targets.ts';
import { startProfileTerminal } from './commands/terminalCommands.ts';
import { type CommandId, contextKeys, settingIds } from './contributions/ids.ts';
import type { CoreService, CoreState } from './core/coreService.ts';
import { openWindowCore } from './core/windowCore.ts';
import { DaemonControl } from './daemon/daemonControl.ts';
import { DaemonStatusBar } from './daemon/daemonStatusBar.ts';
import { DaemonViewProvider } from './daemon/daemonViewProvider.ts';
import { openDaemon } from './daemon/runningDaemon.ts';
import { TaskManifests } from './manifests/taskManifests.ts';
import { McpDoor } from './mcp/mcpDoor.ts';
import { ModelKeys } from './models/modelKeys.ts';
import { createWindowModels } from './models/windowModels.ts';
import { OutputDocuments } from './panel/outputDocuments.ts';
import { createPanelActions } from './panel/panelActions.ts';
import { createWindowRunOptions } from './panel/windowRunOptions.ts';
import { RunPanels } from './panel/runPanels.ts';
import type { Place } from './place.ts';
import { ReadyWorkbench } from './readyWorkbench.ts';
import { offerLostToken } from './remote/lostTokens.ts';
import { RunBackends } from './backends/runBackends.ts';
import { RemotePlaces } from './remote/remotePlaces.ts';
import { askWithLog, showProblem } from './ui/problems.ts';
import type { RecordingLog } from './ui/recordingLog.ts';
import { readSetting } from './ui/settings.ts';
import { StatusBar } from './ui/statusBar.ts';
import { configuredLimits, daemonSettings } from './ui/windowSettings.ts';
import { setContext } from './ui/windowLink.ts';
import type { DeferredTree } from './views/deferredTree.ts';
import { emptyRows, joinRows, type RowTree } from './views/rows.ts';
import { type RowNode, RowTreeProvider } from './views/rowTreeProvider.ts';
import { rowTooltip } from './views/tooltips.ts';

/** What activation has registered. */
export interface Frame {
  readonly context: vscode.ExtensionContext;
  readonly log: RecordingLog;
  readonly mcpChanged: vscode.EventEmitter<void>;
  readonly sessionsTree: DeferredTree;
  readonly agentsTree: DeferredTree;
  readonly historyTree: DeferredTree;
  readonly sessionsView: vscode.TreeView<RowNode>;
  readonly agentsView: vscode.TreeView<RowNode>;
  readonly historyView: vscode.TreeView<RowNode>;
}

/** What tests inside the extension host look at. */
export interface WorkbenchInternals {
  readonly core: CoreService;
  readonly panels: RunPanels;
  readonly sessionsTree: RowTreeProvider;
  readonly agentsTree: RowTreeProvider;
  readonly historyTree: RowTreeProvider;
  readonly mcp: McpDoor;
  ready(): Promise<ReadyWorkbench>;
}

export class Workbench implements vscode.Disposable {
  readonly panels: RunPanels;
  readonly documents: OutputDocuments;
  readonly daemonView: DaemonViewProvider;
  readonly mcp: McpDoor;
  readonly internals: WorkbenchInternals;
  private readonly frame: Frame;
  private readonly core: CoreService;
  private readonly remotes: RemotePlaces;
  private readonly commands: CommandContext;
  private readonly resources = new DisposableStore();
  private readonly statusBar: StatusBar;
  private readonly sessionsTree: RowTreeProvider;
  private readonly agentsTree: RowTreeProvider;
  private readonly historyTree: RowTreeProvider;
  private readonly home = homedir();
  private serving: ReadyWorkbench | undefined;
  private ownRows: RowTree = emptyRows;
  private hasServed = false;

  constructor(frame: Frame) {
    this.frame = frame;
    const { context, log } = frame;
    const version = (context.extension.packageJSON as { readonly version: string }).version;
    const modelKeys = new ModelKeys(context.secrets);
    const models = createWindowModels(modelKeys);
    const backends = this.resources.add(new RunBackends(context.secrets, log));
    const daemon = this.resources.add(
      new DaemonControl({
        open: openDaemon,
        settings: daemonSettings,
        startsWithCore: () => readSetting(settingIds.daemonEnabled),
        logger: log,
      }),
    );
    this.resources.add(new DaemonStatusBar(daemon));
    this.resources.add(
      daemon.onDidChangeState(({ word }) => void setContext(contextKeys.isDaemonRunning, word === 'running')),
    );
    this.core = this.resources.add(
      openWindowCore({ frame, version, home: this.home, models, backends, daemon }),
    );
    this.mcp = this.resources.add(
      new McpDoor({ core: this.core, version, changed: frame.mcpChanged, logger: log }),
    );
    this.remotes = this.resources.add(
      new RemotePlaces({
        context,
        logger: log,
        home: this.home,
        isTreeVisible: () => frame.sessionsView.visible,
      }),
    );
    this.daemonView = this.resources.add(
      new DaemonViewProvider({
        extensionUri: context.extensionUri,
        core: this.core,
        daemon,
        run: (id) => this.run(id, []),
      }),
    );
    this.documents = new OutputDocuments(async (id) => (await this.place([id])).orchestrator);
    this.panels = this.resources.add(
      new RunPanels({
        extensionUri: context.extensionUri,
        core: this.core,
        remotes: this.remotes,
        actions: createPanelActions(() => this.commands),
        runOptions: this.resources.add(
          createWindowRunOptions({
            orchestrator: () => this.core.orchestrator,
            models,
            backends,
            daemon,
            logger: log,
          }),
        ),
        logger: log,
        home: this.home,
        onDidShowRun: (runId) => this.serving?.markSeen(runId),
      }),
    );
    this.sessionsTree = this.resources.add(new RowTreeProvider((row) => this.tooltip(row)));
    this.agentsTree = this.resources.add(new RowTreeProvider((row) => this.tooltip(row)));
    this.historyTree = this.resources.add(new RowTreeProvider((row) => this.tooltip(row)));
    this.statusBar = this.resources.add(new StatusBar());
    this.commands = {
      core: this.core,
      log,
      panels: this.panels,
      documents: this.documents,
      manifests: this.resources.add(new TaskManifests()),
      remotes: this.remotes,
      backends,
      daemon,
      models,
      modelKeys,
      place: (args) => this.place(args),
      memory: context.workspaceState,
      extensionId: context.extension.id,
      version,
      home: this.home,
      ready: () => this.ready(),
      selection: () => this.selection(),
    };
    this.internals = {
      core: this.core,
      panels: this.panels,
      sessionsTree: this.sessionsTree,
      agentsTree: this.agentsTree,
      historyTree: this.historyTree,
      mcp: this.mcp,
      ready: () => this.ready(),
    };
    this.resources.add(this.core.onDidChangeState((state) => this.adoptState(state)));
    this.resources.add(this.remotes.onDidChange(() => this.drawSessions()));
    this.resources.add(this.core.onDidRecoverStore((path) => void this.tellRecovered(path)));
    this.resources.add(
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration('orchestrator'))
          this.core.orchestrator?.setLimits(configuredLimits());
      }),
    );
    this.resources.add(
      vscode.workspace.onDidGrantWorkspaceTrust(() => {
        this.core.noteTrust();
        void this.startIfUsedBefore();
      }),
    );
    this.adoptState(this.core.state);
    frame.sessionsTree.connect(this.sessionsTree);
    frame.agentsTree.connect(this.agentsTree);
    frame.historyTree.connect(this.historyTree);
  }

  /** Starts the core where this workspace has been used before, or the daemon is wanted; else it waits for a command. */
  async startIfUsedBefore(): Promise<void> {
    if (!vscode.workspace.isTrusted) return;
    for (const remote of await this.remotes.restore()) {
      void offerLostToken(this.remotes, remote, this.frame.log);
    }
    if (!readSetting(settingIds.daemonEnabled) && !(await this.wasUsedBefore())) return;
    try {
      await this.core.ensureReady();
    } catch {
      // The view says why, and the log has it.
    }
  }

  private async wasUsedBefore(): Promise<boolean> {
    try {
      await stat(join(this.core.stateDir, 'orchestrator.db'));
      return true;
    } catch {
      return false;
    }
  }

  /** The core and what hangs on it, started if need be. */
  async ready(): Promise<ReadyWorkbench> {
    await this.core.ensureReady();
    if (this.serving === undefined)
      throw new OrchestratorError('UNAVAILABLE', 'closed', 'The core was closed again.');
    return this.serving;
  }

  /** Attaches to the core that this window serves with, now and each time that it serves again. */
  follow(attach: (orchestrator: Orchestrator) => Disposable): Disposable {
    let attached: Disposable | undefined;
    const adopt = (state: CoreState): void => {
      attached?.dispose();
      attached = state.word === 'ready' ? attach(state.orchestrator) : undefined;
    };
    adopt(this.core.state);
    const subscription = this.core.onDidChangeState(adopt);
    return toDisposable(() => {
      subscription.dispose();
      attached?.dispose();
    });
  }

  /** Runs a command; what goes wrong is told to the person. */
  async run(id: CommandId, args: readonly unknown[]): Promise<unknown> {
    try {
      return await commandHandlers[id](this.commands, this.withTerminalId(args));
    } catch (error) {
      showProblem(commandFailures[id] ?? 'That did not work', error, this.frame.log);
      return undefined;
    }
  }

  /** Shows a terminal in this column of the editor area; it leaves the place where it was shown before. */
  async openTerminal(id: string, column: vscode.ViewColumn): Promise<void> {
    try {
      const { orchestrator, terminals } = await this.ready();
      terminals.move(orchestrator.terminals.get(id), column);
    } catch (error) {
      showProblem('The terminal was not opened', error, this.frame.log);
    }
  }

  async provideTerminalProfile(): Promise<vscode.TerminalProfile | undefined> {
    try {
      const beside = this.serving?.terminals.takeSplit();
      if (beside !== undefined) return new vscode.TerminalProfile(beside);
      const { terminal, name, ready } = await startProfileTerminal(this.commands);
      return new vscode.TerminalProfile(ready.terminals.optionsFor(terminal, name));
    } catch (error) {
      showProblem('The terminal was not started', error, this.frame.log);
      return undefined;
    }
  }

  /** Detaches: everything that runs goes on. */
  async close(): Promise<void> {
    await this.serving?.layout.finish();
    await this.mcp.close();
    await this.core.close();
  }

  dispose(): void {
    this.serving?.dispose();
    this.resources.dispose();
  }

  private adoptState(state: CoreState): void {
    void setContext(contextKeys.state, state.word);
    this.statusBar.update(state);
    if (state.word === 'ready') this.serve(state.orchestrator);
    else this.stopServing();
  }

  private serve(orchestrator: Orchestrator): void {
    const { log, sessionsView, agentsView, historyView } = this.frame;
    this.serving = new ReadyWorkbench({
      orchestrator,
      stateDir: this.core.stateDir,
      log,
      home: this.home,
      panels: this.panels,
      sessionsView,
      agentsView,
      historyView,
      sessionsTree: this.sessionsTree,
      agentsTree: this.agentsTree,
      drawSessions: (rows) => this.drawSessions(rows),
      historyTree: this.historyTree,
      onDidChangeActivity: () => this.statusBar.update(this.core.state),
    });
    const isFirst = !this.hasServed;
    this.hasServed = true;
    this.serving.restore(isFirst).catch((error: unknown) => {
      showProblem('The terminals that were open were not opened again', error, log);
    });
  }

  /** Another window serves now: what this one shows of terminals is no longer true. */
  private stopServing(): void {
    const { serving } = this;
    if (serving === undefined) return;
    this.serving = undefined;
    void serving.layout.finish();
    serving.terminals.closeAll();
    serving.dispose();
  }

  private drawSessions(own = this.ownRows): void {
    this.ownRows = own;
    this.sessionsTree.update(joinRows([own, ...this.remotes.rows()]));
  }

  /** Where the first thing is that the arguments name. */
  private async place(args: CommandArguments): Promise<Place> {
    const [first] = args;
    const id = typeof first === 'string' ? first : rowOf(first)?.targetId;
    return (id === undefined ? undefined : this.remotes.of(id)) ?? (await this.ready());
  }

  private async tooltip(row: RowNode['row']): Promise<vscode.MarkdownString | undefined> {
    const place = this.remotes.of(row.targetId) ?? this.serving;
    if (place === undefined) return undefined;
    const { orchestrator, live } = place;
    const { foreground } = live;
    const usage = (id: string): ResourceUsage | undefined => this.serving?.usage.latest(id);
    return await rowTooltip(row, { orchestrator, home: this.home, foreground, usage });
  }

  /** The menus of a tab hand on VS Code's own terminal: commands know ours by their ids. */
  private withTerminalId(args: readonly unknown[]): readonly unknown[] {
    const [first] = args;
    const id = this.serving?.terminals.idOf(Array.isArray(first) ? first[0] : first);
    return id === undefined ? args : [id];
  }

  private selection(): readonly RowNode[] {
    const { sessionsView, historyView } = this.frame;
    const isHistory =
      historyView.visible && historyView.selection.length > 0 && sessionsView.selection.length === 0;
    return isHistory ? historyView.selection : sessionsView.selection;
  }

  private async tellRecovered(path: string): Promise<void> {
    const reveal = 'Reveal Saved File';
    const answer = await askWithLog(
      'warning',
      `The saved state of this workspace could not be read. It was set aside as ${path}, and a new one was begun. Terminals and runs that go on are found again; the history starts anew.`,
      reveal,
    );
    if (answer === reveal) await vscode.commands.executeCommand('revealFileInOS', vscode.Uri.file(path));
  }
}
