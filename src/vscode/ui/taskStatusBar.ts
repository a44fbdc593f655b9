import * as vscode from 'vscode';
import { commandIds } from '../contributions/ids.ts';
import type { TaskWithRun } from '../views/containerTaskRows.ts';
import { taskStatus } from './taskStatus.ts';

/** How far the container tasks are. Hidden while none goes on; selecting it shows the task, or asks which. */
export class TaskStatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;

  constructor() {
    // Right of what runs otherwise.
    this.item = vscode.window.createStatusBarItem('orchestrator.tasks', vscode.StatusBarAlignment.Left, 19);
    this.item.name = 'Orchestrator Container Tasks';
  }

  update(entries: readonly TaskWithRun[], isMotionReduced: boolean): void {
    const status = taskStatus(entries, Date.now(), isMotionReduced);
    if (status === undefined) {
      this.item.hide();
      return;
    }
    const { icon, text, lines, taskId } = status;
    this.item.text = `$(${icon}) ${escapeIcons(text)}`;
    this.item.tooltip = [
      ...lines,
      taskId === undefined ? 'Select to choose one.' : 'Select to show it.',
    ].join('\n');
    this.item.command = {
      command: commandIds.showContainerTask,
      title: 'Show Container Task',
      ...(taskId === undefined ? {} : { arguments: [taskId] }),
    };
    this.item.accessibilityInformation = { label: `Container tasks: ${text}` };
    this.item.show();
  }

  dispose(): void {
    this.item.dispose();
  }
}

/** A name may look like an icon. */
function escapeIcons(text: string): string {
  return text.replaceAll('$(', '$\u200b(');
}
