import * as vscode from 'vscode';
import { confirm } from '../ui/problems.ts';
import { count } from '../views/format.ts';
import type { CommandHandler } from './context.ts';

const endMs = 5_000;

/** Ends what the process host keeps alive, ends it, and starts it again. Asks first, naming what is lost. */
export const restartProcessHost: CommandHandler = async (context) => {
  const { orchestrator } = await context.ready();
  const { processHost } = orchestrator;
  const live = orchestrator.terminals
    .list()
    .filter(({ state, runId }) => state !== 'exited' && runId === null);
  const active = orchestrator.runs.active();
  const parts = [
    ...(live.length > 0 ? [`kills ${count(live.length, 'terminal')}`] : []),
    ...(active.length > 0 ? [`aborts ${count(active.length, 'run')}`] : []),
  ];
  const lost =
    parts.length === 0
      ? 'Nothing is running, so nothing is lost.'
      : `This ${parts.join(' and ')}. Their output is kept.`;
  if (!(await confirm('Restart the process host?', lost, 'Restart'))) return;
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: 'Restarting the process host' },
    async (progress) => {
      if (processHost.connection.state === 'connected') {
        progress.report({ message: 'ending what runs' });
        await Promise.all(active.map(({ id }) => orchestrator.runs.abort(id).catch(() => undefined)));
        await Promise.all(live.map(({ id }) => orchestrator.terminals.kill(id).catch(() => undefined)));
        await waitAtMost(Promise.all(active.map(({ id }) => orchestrator.runs.waitForEnd(id))), endMs);
        const stats = await processHost.stats();
        if (stats !== undefined && !(await processHost.shutdownIfIdle())) {
          // We are connected to it, so the pid is still its own.
          context.log.warn(`the process host ${stats.pid} does not end by itself: terminating it`);
          process.kill(stats.pid, 'SIGTERM');
        }
        await waitUntil(() => processHost.connection.state !== 'connected', endMs);
      }
      progress.report({ message: 'starting' });
      await processHost.ensureConnected();
    },
  );
  void vscode.window.showInformationMessage('The process host was restarted.');
};

async function waitAtMost(work: Promise<unknown>, limitMs: number): Promise<void> {
  await Promise.race([
    work.catch(() => undefined),
    new Promise<void>((resolve) => {
      setTimeout(resolve, limitMs);
    }),
  ]);
}

async function waitUntil(isTrue: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!isTrue() && Date.now() < deadline) await waitAtMost(new Promise(() => undefined), 50);
}
