import * as vscode from 'vscode';
import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import { commandIds } from '../contributions/ids.ts';
import type { DaemonControl } from './daemonControl.ts';
import { daemonTooltip } from './describeDaemon.ts';

const refreshMs = 10_000;

/** The port, while the daemon runs. */
export class DaemonStatusBar implements Disposable {
  private readonly resources = new DisposableStore();
  private readonly item: vscode.StatusBarItem;
  private readonly daemon: DaemonControl;
  private timer: NodeJS.Timeout | undefined;

  constructor(daemon: DaemonControl) {
    this.daemon = daemon;
    this.item = this.resources.add(
      vscode.window.createStatusBarItem('orchestrator.daemon', vscode.StatusBarAlignment.Left, 19),
    );
    this.item.name = 'Orchestrator Daemon';
    this.item.command = commandIds.showDaemon;
    this.resources.add(daemon.onDidChangeState(() => this.draw()));
    this.resources.add(toDisposable(() => clearInterval(this.timer)));
  }

  dispose(): void {
    this.resources.dispose();
  }

  private draw(): void {
    const { state } = this.daemon;
    if (state.word !== 'running') {
      clearInterval(this.timer);
      this.timer = undefined;
      this.item.hide();
      return;
    }
    // How many clients there are changes without anybody telling.
    this.timer ??= setInterval(() => this.draw(), refreshMs).unref();
    const { daemon } = state;
    const { url } = daemon;
    const { port } = new URL(url);
    const tooltip = daemonTooltip(url, daemon.status().connections?.clients);
    this.item.text = `$(radio-tower) ${port}`;
    this.item.accessibilityInformation = { label: tooltip };
    if (this.item.tooltip !== tooltip) this.item.tooltip = tooltip;
    this.item.show();
  }
}
