import * as vscode from 'vscode';
import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import { describeHolderName } from './holderName.ts';
import {
  type DaemonAction,
  type DaemonViewHostMessage,
  daemonViewMessage,
} from '../../protocol/daemonView.ts';
import { type CommandId, commandIds } from '../contributions/ids.ts';
import type { CoreService } from '../core/coreService.ts';
import { webviewHtml, webviewRoot } from '../panel/html.ts';
import type { DaemonControl } from './daemonControl.ts';
import { type DaemonFacts, describeDaemon, loadSpan } from './describeDaemon.ts';
import { LoadHistory } from './loadHistory.ts';

export interface DaemonViewOptions {
  readonly extensionUri: vscode.Uri;
  readonly core: CoreService;
  readonly daemon: DaemonControl;
  readonly run: (command: CommandId) => Promise<unknown>;
}

const sampleMs = 1_000;

const commandOf: Readonly<Record<DaemonAction, CommandId>> = {
  start: commandIds.startDaemon,
  stop: commandIds.stopDaemon,
  copyAddress: commandIds.copyDaemonAddress,
  copyToken: commandIds.copyDaemonToken,
  showLog: commandIds.showLog,
  connect: commandIds.connectDaemon,
  openSettings: commandIds.openSettings,
  manageTrust: commandIds.manageTrust,
};

/** The Daemon view: it measures only while somebody sees it. */
export class DaemonViewProvider implements vscode.WebviewViewProvider, Disposable {
  private readonly options: DaemonViewOptions;
  private readonly history = new LoadHistory(loadSpan * 1_000);
  private shown: Disposable | undefined;

  constructor(options: DaemonViewOptions) {
    this.options = options;
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const { extensionUri, core, daemon, run } = this.options;
    this.shown?.dispose();
    const resources = new DisposableStore();
    this.shown = resources;
    let timer: NodeJS.Timeout | undefined;
    const stopMeasuring = (): void => {
      clearInterval(timer);
      timer = undefined;
    };
    const draw = (): void => {
      if (!view.visible) return;
      const message: DaemonViewHostMessage = { type: 'show', view: describeDaemon(this.facts()) };
      void view.webview.postMessage(message);
    };
    const update = (): void => {
      const isMeasuring = view.visible && daemon.state.word === 'running';
      if (!isMeasuring) stopMeasuring();
      else timer ??= setInterval(draw, sampleMs);
      draw();
    };
    resources.add(toDisposable(stopMeasuring));
    resources.add(
      daemon.onDidChangeState(({ word }) => {
        if (word === 'starting') this.history.clear();
        update();
      }),
    );
    resources.add(core.onDidChangeState(update));
    resources.add(vscode.workspace.onDidGrantWorkspaceTrust(update));
    resources.add(view.onDidChangeVisibility(update));
    resources.add(
      view.webview.onDidReceiveMessage((received: unknown) => {
        const parsed = daemonViewMessage.safeParse(received);
        if (!parsed.success) return;
        if (parsed.data.type === 'ready') update();
        else void run(commandOf[parsed.data.action]);
      }),
    );
    view.onDidDispose(() => resources.dispose());
    view.webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(extensionUri)] };
    view.webview.html = webviewHtml(view.webview, extensionUri, { name: 'daemon', title: 'Daemon' });
  }

  dispose(): void {
    this.shown?.dispose();
  }

  private facts(): DaemonFacts {
    const { core, daemon } = this.options;
    const { state } = daemon;
    const now = Date.now();
    const facts = {
      isTrusted: vscode.workspace.isTrusted,
      state: state.word,
      coreError: core.state.word === 'broken' ? core.state.error : undefined,
      elsewhere:
        core.state.word === 'inUse'
          ? { name: describeHolderName(core.state.holder), url: core.state.holder?.http?.url }
          : undefined,
      samples: this.history.samples,
      now,
    };
    if (state.word === 'stopped') return { ...facts, error: state.error };
    if (state.word !== 'running') return facts;
    const { url, isWantedPort } = state.daemon;
    const status = state.daemon.status();
    this.history.add(status, now);
    return { ...facts, url, isWantedPort, status, samples: this.history.samples };
  }
}
