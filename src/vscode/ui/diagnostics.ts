import * as vscode from 'vscode';
import type { CoreService } from '../core/coreService.ts';
import { changedSettings } from './settings.ts';
import type { RecordingLog } from './recordingLog.ts';

/** What a bug report needs, as Markdown: versions, counts, changed settings, the log's end. No environment, no output. */
export async function diagnosticsText(
  core: CoreService | undefined,
  log: RecordingLog,
  version: string,
): Promise<string> {
  const orchestrator = core?.orchestrator;
  const stats = await orchestrator?.processHost.stats().catch(() => undefined);
  const lines: string[] = ['## Orchestration Workbench diagnostics', ''];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) lines.push(`- ${name}: ${value}`);
  };
  add('Extension', version);
  add('Editor', `${vscode.env.appName} ${vscode.version} (${vscode.env.appHost})`);
  add('Remote', vscode.env.remoteName ?? 'none');
  add(
    'Extension host',
    `Node ${process.versions.node}, libuv ${process.versions.uv}, ${process.platform} ${process.arch}`,
  );
  add('Trusted', String(vscode.workspace.isTrusted));
  add('Core', core === undefined ? 'not loaded' : core.state.word);
  if (core?.state.word === 'broken')
    add('Core error', `${core.state.error.message} (${core.state.error.reason})`);
  add('State directory', core?.stateDir);
  if (orchestrator !== undefined) {
    const activity = orchestrator.activity();
    add('Sessions', orchestrator.sessions.list().length);
    add('Runs', `${activity.runningRuns} running, ${activity.queuedRuns} queued`);
    add('Terminals', `${activity.liveTerminals} live, ${orchestrator.terminals.list().length} known`);
    add('Last event', orchestrator.events.lastSequence);
    add('Process host', orchestrator.processHost.connection.state);
  }
  if (stats !== undefined) {
    add(
      'Process host version',
      `${stats.version}, protocol ${stats.protocol}, Node ${stats.nodeVersion}, libuv ${stats.uvVersion}`,
    );
    add('Process host pid', stats.pid);
    add('Process host memory', `${Math.round(stats.rssBytes / 1024 / 1024)} MiB`);
    add(
      'Process host children',
      `${stats.liveTerminals} terminals, ${stats.liveWorkers} workers, ${stats.clients} clients`,
    );
  }
  lines.push('', '### Changed settings', '', '```json', JSON.stringify(changedSettings(), null, 2), '```');
  lines.push('', '### Log', '', '```', ...log.lines.slice(-60), '```', '');
  return lines.join('\n');
}
