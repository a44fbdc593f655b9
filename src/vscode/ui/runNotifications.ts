import * as vscode from 'vscode';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import { commandIds, settingIds } from '../contributions/ids.ts';
import { isActive, runLabel, runOutcome } from '../views/describe.ts';
import { count, formatElapsed } from '../views/format.ts';
import { readSetting } from './settings.ts';

export interface RunNotificationsOptions {
  readonly orchestrator: Orchestrator;
  /** A person sees this run already. */
  readonly isInView: (runId: string) => boolean;
}

/**
 * Tells of ended runs when a person is needed (it failed) or waits (it took long, and the window was elsewhere). One
 * notification a session at a time; what ends meanwhile is counted.
 */
export class RunNotifications implements Disposable {
  private readonly options: RunNotificationsOptions;
  private readonly resources = new DisposableStore();
  private readonly seen = new Set<string>();
  /** Runs that ended while a session's notification was up, by session. */
  private readonly pending = new Map<string, Run[]>();
  private readonly unseenChanged = new vscode.EventEmitter<void>();
  private readonly unseen = new Set<string>();

  readonly onDidChangeUnseen = this.unseenChanged.event;

  constructor(options: RunNotificationsOptions) {
    this.options = options;
    for (const run of options.orchestrator.runs.active()) this.seen.add(run.id);
    this.resources.add(options.orchestrator.runs.onDidChange((run) => this.note(run)));
    this.resources.add(this.unseenChanged);
  }

  /** Failed runs that nobody has looked at. */
  get unseenFailures(): number {
    return this.unseen.size;
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

  private note(run: Run): void {
    // A container task tells of itself, and may be tried again.
    if (run.request.containerTaskId !== undefined) return;
    if (isActive(run)) {
      this.seen.add(run.id);
      return;
    }
    // Only the change from active to ended, once.
    if (!this.seen.delete(run.id)) return;
    const hasFailed = run.status === 'failed' || run.status === 'timed_out';
    if (hasFailed && !this.options.isInView(run.id)) {
      this.unseen.add(run.id);
      this.unseenChanged.fire();
    }
    if (!this.isWorthTelling(run, hasFailed)) return;
    const waiting = this.pending.get(run.sessionId);
    if (waiting !== undefined) waiting.push(run);
    else void this.tell(run, 0);
  }

  private isWorthTelling(run: Run, hasFailed: boolean): boolean {
    if (this.options.isInView(run.id) && vscode.window.state.focused) return false;
    // The loss of the process host is told once for all that it took along.
    if (run.error?.reason === 'process_host_lost') return false;
    if (hasFailed) return readSetting(settingIds.notifyFailed);
    if (run.status !== 'succeeded' || vscode.window.state.focused) return false;
    const tookMs = (run.endedAt ?? 0) - (run.startedAt ?? run.createdAt);
    return (
      readSetting(settingIds.notifyFinished) && tookMs > readSetting(settingIds.notifyFinishedAfter) * 1_000
    );
  }

  private async tell(run: Run, others: number): Promise<void> {
    this.pending.set(run.sessionId, []);
    try {
      await this.show(run, others);
    } finally {
      const waiting = this.pending.get(run.sessionId) ?? [];
      this.pending.delete(run.sessionId);
      const latest = waiting.at(-1);
      if (latest !== undefined) void this.tell(latest, waiting.length - 1);
    }
  }

  private async show(run: Run, others: number): Promise<void> {
    const session = this.options.orchestrator.sessions.find(run.sessionId)?.name;
    const where = session === undefined ? '' : ` in ${session}`;
    const more = others === 0 ? '' : ` ${count(others, 'other run')}${where} ended meanwhile.`;
    const took = formatElapsed((run.endedAt ?? 0) - (run.startedAt ?? run.createdAt));
    const why = run.error === undefined ? '' : ` ${run.error.message}`;
    const isGood = run.status === 'succeeded';
    const message = isGood
      ? `"${runLabel(run)}"${where} succeeded after ${took}.${more}`
      : `"${runLabel(run)}"${where} ${runOutcome(run)}.${why}${more}`;
    const chosen = isGood
      ? await vscode.window.showInformationMessage(message, 'Show')
      : await vscode.window.showErrorMessage(message, 'Show', 'Retry');
    if (chosen === 'Show') await vscode.commands.executeCommand(commandIds.showRun, run.id);
    if (chosen === 'Retry') await vscode.commands.executeCommand(commandIds.retryRun, run.id);
  }
}
