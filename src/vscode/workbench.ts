/**
 * The half of the extension that is loaded after activation (dist/workbench.js): core, panels, models. extension.ts
 * has registered everything and hands on what is asked of it.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { OrchestratorError } from '../base/errors.ts';
import type { Orchestrator, OrchestratorLimits } from '../core/orchestrator.ts';
import { DisposableStore } from '../base/disposable.ts';
import { commandFailures, commandHandlers } from './commands/commandHandlers.ts';
import type { CommandContext } from './commands/context.ts';
import { startProfileTerminal } from './commands/terminalCommands.ts';
import { type CommandId, contextKeys, settingIds } from './contributions/ids.ts';
import { CoreService, type CoreState } from './core/coreService.ts';
import { stateDirectory } from './core/stateDirectory.ts';
import { OutputDocuments } from './panel/outputDocuments.ts';
import { createPanelActions } from './panel/panelActions.ts';
import { RunPanels } from './panel/runPanels.ts';
import { ReadyWorkbench } from './readyWorkbench.ts';
import { askWithLog, showProblem } from './ui/problems.ts';
import type { RecordingLog } from './ui/recordingLog.ts';
import { readSetting } from './ui/settings.ts';
import { StatusBar } from './ui/statusBar.ts';
import { reachWindow, setContext } from './ui/windowLink.ts';
import type { DeferredTree } from './views/deferredTree.ts';
import { type RowNode, RowTreeProvider } from './views/rowTreeProvider.ts';
import { rowTooltip } from './views/tooltips.ts';

/** What activation has registered. */
export interface Frame {
  readonly context: vscode.ExtensionContext;
  readonly log: RecordingLog;
  readonly sessionsTree: DeferredTree;
  readonly historyTree: DeferredTree;
  readonly sessionsView: vscode.TreeView<RowNode>;
  readonly historyView: vscode.TreeView<RowNode>;
}

/** What tests inside the extension host look at. */
export interface WorkbenchInternals {
  readonly core: CoreService;
  readonly panels: RunPanels;
  readonly sessionsTree: RowTreeProvider;
  readonly historyTree: RowTreeProvider;
  ready(): Promise<ReadyWorkbench>;
}

export class Workbench implements vscode.Disposable {
  readonly panels: RunPanels;
  readonly documents: OutputDocuments;
  readonly internals: WorkbenchInternals;
  private readonly frame: Frame;
  private readonly core: CoreService;
  private readonly commands: CommandContext;
  private readonly resources = new DisposableStore();
  private readonly statusBar: StatusBar;
  private readonly sessionsTree: RowTreeProvider;
  private readonly historyTree: RowTreeProvider;
  private readonly home = homedir();
  private serving: ReadyWorkbench | undefined;
  private hasServed = false;

  constructor(frame: Frame) {
    this.frame = frame;
    const { context, log } = frame;
    const version = (context.extension.packageJSON as { readonly version: string }).version;
    this.core = this.resources.add(
      new CoreService({
        stateDir: configuredStateDirectory(context),
        distDir: join(context.extensionPath, 'dist'),
        version,
        label: vscode.workspace.name ?? 'window without a folder',
        limits: configuredLimits(),
        isShellIntegrated: readSetting(settingIds.terminalIntegration),
        logger: log,
        isTrusted: () => vscode.workspace.isTrusted,
        reachWindow,
      }),
    );
    this.documents = new OutputDocuments(() => this.core.ensureReady());
    this.panels = this.resources.add(
      new RunPanels({
        extensionUri: context.extensionUri,
        core: this.core,
        actions: createPanelActions(() => this.commands),
        logger: log,
        home: this.home,
        onDidShowRun: (runId) => this.serving?.notifications.markSeen(runId),
      }),
    );
    this.sessionsTree = this.resources.add(new RowTreeProvider((row) => this.tooltip(row)));
    this.historyTree = this.resources.add(new RowTreeProvider((row) => this.tooltip(row)));
    this.statusBar = this.resources.add(new StatusBar());
    this.commands = {
      core: this.core,
      log,
      panels: this.panels,
      documents: this.documents,
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
      historyTree: this.historyTree,
      ready: () => this.ready(),
    };
    this.resources.add(this.core.onDidChangeState((state) => this.adoptState(state)));
    this.resources.add(this.core.onDidRecoverStore((path) => void this.tellRecovered(path)));
    this.resources.add(
      vscode.workspace.onDidGrantWorkspaceTrust(() => {
        this.core.noteTrust();
        void this.startIfUsedBefore();
      }),
    );
    this.adoptState(this.core.state);
    frame.sessionsTree.connect(this.sessionsTree);
    frame.historyTree.connect(this.historyTree);
  }

  /** Starts the core where this workspace has been used before; a new one waits for its first command. */
  async startIfUsedBefore(): Promise<void> {
    if (!vscode.workspace.isTrusted) return;
    try {
      await stat(join(this.core.stateDir, 'orchestrator.db'));
    } catch {
      return;
    }
    try {
      await this.core.ensureReady();
    } catch {
      // The view says why, and the log has it.
    }
  }

  /** The core and what hangs on it, started if need be. */
  async ready(): Promise<ReadyWorkbench> {
    await this.core.ensureReady();
    if (this.serving === undefined)
      throw new OrchestratorError('UNAVAILABLE', 'closed', 'The core was closed again.');
    return this.serving;
  }

  /** Runs a command; what goes wrong is told to the person. */
  async run(id: CommandId, args: readonly unknown[]): Promise<unknown> {
    try {
      return await commandHandlers[id](this.commands, args);
    } catch (error) {
      showProblem(commandFailures[id] ?? 'That did not work', error, this.frame.log);
      return undefined;
    }
  }

  async provideTerminalProfile(): Promise<vscode.TerminalProfile | undefined> {
    try {
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
    const { log, sessionsView, historyView } = this.frame;
    this.serving = new ReadyWorkbench({
      orchestrator,
      stateDir: this.core.stateDir,
      log,
      home: this.home,
      panels: this.panels,
      sessionsView,
      historyView,
      sessionsTree: this.sessionsTree,
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

  private async tooltip(row: RowNode['row']): Promise<vscode.MarkdownString | undefined> {
    const { serving } = this;
    if (serving === undefined) return undefined;
    const { orchestrator, live } = serving;
    return await rowTooltip(row, { orchestrator, home: this.home, foreground: live.foreground });
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

function configuredStateDirectory(context: vscode.ExtensionContext): string {
  const { workspaceFile, workspaceFolders } = vscode.workspace;
  return stateDirectory({
    configured: readSetting(settingIds.stateDirectory),
    globalStoragePath: context.globalStorageUri.fsPath,
    workspaceFile: workspaceFile?.scheme === 'file' ? workspaceFile.fsPath : undefined,
    folders: (workspaceFolders ?? []).map(({ uri }) => (uri.scheme === 'file' ? uri.fsPath : uri.toString())),
  });
}

function configuredLimits(): Partial<OrchestratorLimits> {
  const mebibyte = 1024 * 1024;
  return {
    maxConcurrentRuns: readSetting(settingIds.runMaxConcurrent),
    recordLimitBytes: readSetting(settingIds.terminalRecordLimit) * mebibyte,
    maxTerminalsPerOwner: readSetting(settingIds.terminalMaxPerOwner),
    idleTimeoutMs: readSetting(settingIds.terminalIdleTimeout) * 60_000,
    keepEndedMs: readSetting(settingIds.terminalKeepEnded) * 24 * 60 * 60_000,
    endedRecordBytes: readSetting(settingIds.terminalEndedQuota) * mebibyte,
    cpuThresholdPercent: readSetting(settingIds.terminalCpuThreshold),
    memoryThresholdBytes: readSetting(settingIds.terminalMemoryThreshold) * mebibyte,
    keepEndedContainersMs: readSetting(settingIds.containersKeepEnded) * 24 * 60 * 60_000,
    endedContainerRecordBytes: readSetting(settingIds.containersEndedQuota) * mebibyte,
    warmContainers: readSetting(settingIds.containersWarm),
  };
}
