import * as vscode from 'vscode';
import type { CoreState } from '../core/coreService.ts';
import { commandIds, viewIds } from '../contributions/ids.ts';
import { count } from '../views/format.ts';

/** The one status bar item: what runs, or that another window has the state. Hidden when nothing is going on. */
export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;

  constructor() {
    this.item = vscode.window.createStatusBarItem('orchestrator.status', vscode.StatusBarAlignment.Left, 20);
    this.item.name = 'Orchestrator';
  }

  update(state: CoreState): void {
    if (state.word === 'inUse') {
      this.draw(
        '$(rocket) In use elsewhere',
        'Another window serves the sessions of this workspace. Select to take over.',
        commandIds.takeOverState,
      );
      return;
    }
    if (state.word !== 'ready') {
      this.item.hide();
      return;
    }
    const { runningRuns: all, queuedRuns, liveTerminals } = state.orchestrator.activity();
    // Those have an item of their own.
    const ofTasks =
      state.orchestrator.containerTasks?.list().filter((task) => task.state === 'running').length ?? 0;
    const runningRuns = Math.max(0, all - ofTasks);
    if (runningRuns + queuedRuns === 0) {
      this.item.hide();
      return;
    }
    const queued = queuedRuns > 0 ? ` · ${queuedRuns} queued` : '';
    const tooltip = `${count(runningRuns, 'run')} in progress${queued}, ${count(liveTerminals, 'terminal')} open. Select to show sessions.`;
    this.draw(`$(rocket) ${runningRuns} running${queued}`, tooltip, `${viewIds.sessions}.focus`);
  }

  dispose(): void {
    this.item.dispose();
  }

  private draw(text: string, tooltip: string, command: string): void {
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.command = command;
    this.item.accessibilityInformation = { label: `Orchestrator: ${text.replace(/\$\([^)]*\)\s*/g, '')}` };
    this.item.show();
  }
}
