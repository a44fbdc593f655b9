import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { commandIds, settingIds } from '../contributions/ids.ts';
import { count } from '../views/format.ts';
import { askWithLog } from './problems.ts';
import { readSetting } from './settings.ts';

/** Time for the core to write down what ended with the process host. */
const settleMs = 500;

/** Tells what was lost when the process host ended under us, and what was saved. */
export class ProcessHostWatch implements Disposable {
  private readonly orchestrator: Orchestrator;
  private readonly subscription: Disposable;
  /** What ran when it was last connected. */
  private timer: NodeJS.Timeout | undefined;

  constructor(orchestrator: Orchestrator) {
    this.orchestrator = orchestrator;
    this.subscription = orchestrator.processHost.onDidChangeConnection(({ state }) => {
      if (state !== 'lost') return;
      const lostAt = Date.now();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.tell(lostAt), settleMs);
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.subscription.dispose();
  }

  private async tell(lostAt: number): Promise<void> {
    if (!readSetting(settingIds.processHostLost)) return;
    const since = lostAt - 5_000;
    const terminals = this.orchestrator.terminals
      .list()
      .filter(({ exit, runId }) => runId === null && exit?.reason === 'host_lost' && exit.exitedAt >= since);
    const runs = this.orchestrator.runs
      .list({ limit: 50 })
      .filter((run) => run.error?.reason === 'process_host_lost' && (run.endedAt ?? 0) >= since);
    if (terminals.length + runs.length === 0) return;
    const lost = [
      ...(terminals.length > 0 ? [count(terminals.length, 'terminal')] : []),
      ...(runs.length > 0 ? [count(runs.length, 'run')] : []),
    ].join(' and ');
    const message = `The process host ended unexpectedly, and ${lost} with it. Their output up to then is saved; it starts again with the next terminal or run.`;
    const retry = runs.length === 1 ? 'Retry Run' : `Retry ${runs.length} Runs`;
    const answer = await askWithLog('warning', message, ...(runs.length > 0 ? [retry] : []));
    if (answer !== retry) return;
    for (const run of runs) await vscode.commands.executeCommand(commandIds.retryRun, run.id);
  }
}
