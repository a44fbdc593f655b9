import * as vscode from 'vscode';
import { z } from 'zod/mini';
import type { Disposable } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { CoreService } from '../core/coreService.ts';
import type { RemotePlaces } from '../remote/remotePlaces.ts';
import { panelViewType, viewIds } from '../contributions/ids.ts';
import type { OpenRunPanel } from '../layout/windowFile.ts';
import { webviewHtml, webviewRoot } from './html.ts';
import type { RunOptionsSource } from './runOptions.ts';
import type { PanelActions } from './panelRequests.ts';
import { type PanelSurface, RunPanelController } from './runPanelController.ts';

export interface RunPanelsOptions {
  readonly extensionUri: vscode.Uri;
  readonly core: CoreService;
  readonly remotes: RemotePlaces;
  readonly actions: PanelActions;
  /** What the task box offers. */
  readonly runOptions: RunOptionsSource;
  readonly logger: Logger;
  readonly home: string;
  readonly onDidShowRun: (runId: string) => void;
}

/** What the panel keeps of itself over a reload, as far as it is ours to read. */
const savedState = z.object({ runId: z.optional(z.string().check(z.maxLength(64))) });

const page = { name: 'runPanel', title: 'Run' };

interface OpenPanel {
  readonly panel: vscode.WebviewPanel;
  readonly controller: RunPanelController;
}

/** The run panels of this window: a tab for each run, and the one view in the bottom panel. */
export class RunPanels implements Disposable, vscode.WebviewPanelSerializer, vscode.WebviewViewProvider {
  private readonly options: RunPanelsOptions;
  private readonly layoutChanged = new vscode.EventEmitter<void>();
  private preferredSession: string | undefined;
  private panels: OpenPanel[] = [];
  private view: { readonly view: vscode.WebviewView; readonly controller: RunPanelController } | undefined;
  /** Asked for before the view was there. */
  private viewRequest: { readonly runId: string | undefined; readonly draft: string | undefined } | undefined;

  readonly onDidChangeLayout = this.layoutChanged.event;

  constructor(options: RunPanelsOptions) {
    this.options = options;
  }

  /** The session that the task box offers first, for the next time that it is opened. */
  preferSession(sessionId: string | undefined): void {
    this.preferredSession = sessionId;
  }

  /** Shows the run in its tab; without a run, an empty task box. */
  openTab(
    runId: string | undefined,
    draft?: string,
    column: vscode.ViewColumn = vscode.ViewColumn.Active,
    preserveFocus = false,
  ): void {
    const known = this.panels.find(({ controller }) => controller.runId === runId);
    if (known !== undefined) {
      // The box may be asked for with another session in front.
      if (draft !== undefined || runId === undefined) known.controller.show(runId, draft);
      known.panel.reveal(undefined, preserveFocus);
      return;
    }
    const panel = vscode.window.createWebviewPanel(panelViewType, 'Run', {
      viewColumn: column,
      preserveFocus,
    });
    const controller = this.adoptPanel(panel, runId);
    if (draft !== undefined) controller.show(runId, draft);
  }

  /** The open tabs, in the order in which they were opened. */
  layout(): OpenRunPanel[] {
    return this.panels.map(({ panel, controller: { runId } }) => ({
      ...(runId === undefined ? {} : { runId }),
      column: panel.viewColumn ?? vscode.ViewColumn.One,
      isActive: panel.active,
    }));
  }

  titles(): string[] {
    return this.panels.map(({ panel }) => panel.title);
  }

  /** Shows the run in the view of the bottom panel. */
  async openInView(runId: string | undefined, draft?: string): Promise<void> {
    if (this.view === undefined) this.viewRequest = { runId, draft };
    else this.view.controller.show(runId, draft);
    await vscode.commands.executeCommand(`${viewIds.runView}.focus`);
  }

  /** Whether a person sees this run now. */
  isInView(runId: string): boolean {
    if (this.view?.controller.runId === runId && this.view.view.visible) return true;
    return this.panels.some(({ panel, controller }) => controller.runId === runId && panel.visible);
  }

  /** A tab that VS Code kept over a reload. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const parsed = savedState.safeParse(state);
    this.adoptPanel(panel, parsed.success ? parsed.data.runId : undefined);
    await Promise.resolve();
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.prepare(view.webview);
    const request = this.viewRequest;
    this.viewRequest = undefined;
    const controller = this.createController(
      {
        webview: view.webview,
        isVisible: () => view.visible,
        setTitle: (title) => {
          view.description = title;
        },
      },
      request?.runId,
    );
    if (request?.draft !== undefined) controller.show(request.runId, request.draft);
    this.view = { view, controller };
    view.onDidChangeVisibility(() => controller.noteVisibility());
    view.onDidDispose(() => {
      controller.dispose();
      this.view = undefined;
    });
    view.webview.html = webviewHtml(view.webview, this.options.extensionUri, page);
  }

  dispose(): void {
    for (const { controller } of this.panels) controller.dispose();
    this.view?.controller.dispose();
    this.layoutChanged.dispose();
  }

  private adoptPanel(panel: vscode.WebviewPanel, runId: string | undefined): RunPanelController {
    this.prepare(panel.webview);
    panel.iconPath = new vscode.ThemeIcon('rocket');
    const controller = this.createController(
      {
        webview: panel.webview,
        isVisible: () => panel.visible,
        setTitle: (title) => {
          if (panel.title !== title) panel.title = title;
        },
      },
      runId,
    );
    const entry: OpenPanel = { panel, controller };
    this.panels.push(entry);
    panel.onDidChangeViewState(() => {
      controller.noteVisibility();
      this.layoutChanged.fire();
    });
    panel.onDidDispose(() => {
      this.panels = this.panels.filter((candidate) => candidate !== entry);
      controller.dispose();
      this.layoutChanged.fire();
    });
    panel.webview.html = webviewHtml(panel.webview, this.options.extensionUri, page);
    this.layoutChanged.fire();
    return controller;
  }

  private prepare(webview: vscode.Webview): void {
    webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(this.options.extensionUri)] };
  }

  private createController(surface: PanelSurface, runId: string | undefined): RunPanelController {
    const { core, remotes, actions, runOptions, logger, home, onDidShowRun } = this.options;
    const noteShown = (shownId: string): void => {
      onDidShowRun(shownId);
      this.layoutChanged.fire();
    };
    return new RunPanelController(
      {
        surface,
        core,
        remotes,
        actions,
        runOptions,
        logger,
        home,
        onDidShowRun: noteShown,
        preferredSession: () => this.preferredSession,
      },
      runId,
    );
  }
}
