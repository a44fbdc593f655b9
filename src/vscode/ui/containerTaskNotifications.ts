import * as vscode from 'vscode';
import { type Disposable, DisposableStore, toDisposable } from '../../base/disposable.ts';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { commandIds, settingIds } from '../contributions/ids.ts';
import { readSetting } from './settings.ts';
import { newsOfNotification, newsOfState, noticeOf, type TaskNews } from './taskNews.ts';

export interface ContainerTaskNotificationsOptions {
  readonly orchestrator: Orchestrator;
  /** A person sees this run already. */
  readonly isInView: (runId: string) => boolean;
}

/** What comes in one breath is one notification: the last words of a task are often several. */
const gatherMs = 500;
/** A notification that nobody answers keeps the next one away for so long. */
const patienceMs = 10_000;

const tell = {
  info: vscode.window.showInformationMessage,
  warning: vscode.window.showWarningMessage,
  error: vscode.window.showErrorMessage,
} as const;

/** Tells of errors and results of container tasks, and counts what nobody has looked at. */
export class ContainerTaskNotifications implements Disposable {
  private readonly options: ContainerTaskNotificationsOptions;
  private readonly resources = new DisposableStore();
  private readonly unseenChanged = new vscode.EventEmitter<void>();
  /** How many, by run. */
  private readonly unseen = new Map<string, number>();
  private readonly states = new Map<string, ContainerTask['state']>();
  private pending: TaskNews[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isShowing = false;

  readonly onDidChangeUnseen = this.unseenChanged.event;

  constructor(options: ContainerTaskNotificationsOptions) {
    this.options = options;
    this.resources.add(this.unseenChanged);
    this.resources.add(toDisposable(() => clearTimeout(this.timer)));
    const { containerTasks } = options.orchestrator;
    if (containerTasks === undefined) return;
    for (const { id, state } of containerTasks.list()) this.states.set(id, state);
    this.resources.add(
      containerTasks.onDidNotify((notification) => this.note(newsOfNotification(notification))),
    );
    this.resources.add(containerTasks.onDidChange((task) => this.noteState(task)));
  }

  /** Errors and results that nobody has looked at. */
  get unseenNews(): number {
    return [...this.unseen.values()].reduce((sum, amount) => sum + amount, 0);
  }

  markSeen(runId?: string): void {
    const before = this.unseen.size;
    if (runId === undefined) this.unseen.clear();
    else this.unseen.delete(runId);
    if (this.unseen.size !== before) this.unseenChanged.fire();
  }

  dispose(): void {
    this.resources.dispose();
  }

  private noteState(task: ContainerTask): void {
    const { containerTasks, runs } = this.options.orchestrator;
    const isNew = this.states.get(task.id) !== task.state;
    this.states.set(task.id, task.state);
    if (!isNew || containerTasks === undefined) return;
    this.note(newsOfState(task, task.runId === undefined ? undefined : runs.find(task.runId)));
  }

  private note(news: TaskNews | undefined): void {
    if (news === undefined) return;
    const { runId } = news;
    const isInView = this.options.isInView(runId);
    if (!isInView) {
      this.unseen.set(runId, (this.unseen.get(runId) ?? 0) + 1);
      this.unseenChanged.fire();
    }
    const wanted = readSetting(settingIds.notifyContainerTasks);
    if (wanted === 'none' || (wanted === 'errors' && !news.isBad)) return;
    if (isInView && vscode.window.state.focused) return;
    this.pending.push(news);
    this.schedule();
  }

  private schedule(): void {
    if (this.isShowing) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.show();
    }, gatherMs);
  }

  private async show(): Promise<void> {
    // Looked at meanwhile: nothing is left to tell of it.
    const [first, ...more] = this.pending.filter(({ runId }) => !this.isSeen(runId));
    this.pending = [];
    if (first === undefined) return;
    const notice = noticeOf([first, ...more]);
    const answered = Promise.resolve(tell[notice.severity](notice.message, 'Show Task')).then(
      async (chosen) => {
        if (chosen !== undefined) await vscode.commands.executeCommand(commandIds.showRun, notice.runId);
      },
    );
    this.isShowing = true;
    let patience: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => {
      patience = setTimeout(resolve, patienceMs);
    });
    await Promise.race([answered, waited]);
    clearTimeout(patience);
    this.isShowing = false;
    if (this.pending.length > 0) this.schedule();
  }

  private isSeen(runId: string): boolean {
    return this.options.isInView(runId) && vscode.window.state.focused;
  }
}
