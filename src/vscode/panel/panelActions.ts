import { isAbsolute, resolve } from 'node:path';
import * as vscode from 'vscode';
import { backendNameOf } from '../../core/runs/backendRuns.ts';
import type { Run } from '../../core/runs/run.ts';
import type { CommandContext } from '../commands/context.ts';
import { localFolders } from '../commands/folders.ts';
import { showRun, startRun } from '../commands/startRun.ts';
import { confirm, showProblem } from '../ui/problems.ts';
import { curlCommand } from './export/curl.ts';
import { stepText } from './outputText.ts';
import type { PanelActions } from './panelRequests.ts';
import { requestOf } from './runChoices.ts';
import { saveRun } from './runExport.ts';

/** What a run panel may ask for. Everything comes from a page that shows foreign output, so everything is checked. */
export function createPanelActions(context: () => CommandContext): PanelActions {
  return {
    startRun: ({ task, sessionId, choices }) =>
      startRun(context(), { task, sessionId, ...requestOf(choices) }),
    async abortRun(runId) {
      await (await context().place([runId])).orchestrator.runs.abort(runId);
    },
    async retryRun(runId, fromStep) {
      const { orchestrator } = await context().place([runId]);
      return await orchestrator.runs.retry(runId, fromStep === undefined ? {} : { fromStep });
    },
    openRun(runId) {
      showRun(context(), runId, { isOnDemand: true }).catch((error: unknown) => {
        showProblem('The run was not opened', error, context().log);
      });
    },
    async openTerminal(terminalId) {
      const place = await context().place([terminalId]);
      place.terminals.show(place.orchestrator.terminals.get(terminalId));
    },
    async copyOutput(runId, step) {
      const { orchestrator } = await context().place([runId]);
      await vscode.env.clipboard.writeText(await stepText(orchestrator, orchestrator.runs.get(runId), step));
      vscode.window.setStatusBarMessage(`$(check) Copied the output of step ${step}`, 3_000);
    },
    async openOutput(runId, step) {
      const { orchestrator } = await context().place([runId]);
      await context().documents.open({ run: orchestrator.runs.get(runId), step });
    },
    async openTaskEntry(runId, sequence) {
      const { orchestrator } = await context().place([runId]);
      await context().documents.open({ run: orchestrator.runs.get(runId), event: sequence });
    },
    async openFile(runId, path, line, column) {
      const { orchestrator } = await context().place([runId]);
      const run = orchestrator.runs.get(runId);
      const terminal = orchestrator.terminals.find(run.terminalIds[0] ?? '');
      const cwd = run.request.cwd ?? terminal?.cwd ?? orchestrator.sessions.find(run.sessionId)?.cwd;
      await openFile(path, cwd, line, column);
    },
    async openLink(url) {
      await openLink(url);
    },
    async openEvent(runId, sequence) {
      const { orchestrator } = await context().place([runId]);
      await context().documents.open({ run: orchestrator.runs.get(runId), event: sequence });
    },
    async openDiff(runId, sequence) {
      const { orchestrator } = await context().place([runId]);
      await context().documents.openDiff(orchestrator.runs.get(runId), sequence);
    },
    async copyText(text) {
      await vscode.env.clipboard.writeText(text);
      vscode.window.setStatusBarMessage('$(check) Copied', 3_000);
    },
    async exportRun(runId, as) {
      const { orchestrator } = await context().place([runId]);
      const run = orchestrator.runs.get(runId);
      if (as === 'document') await context().documents.open({ run, isTranscript: true });
      else if (as === 'curl') {
        await vscode.env.clipboard.writeText(curlCommand(run.request, addressOf(run, context())));
        vscode.window.setStatusBarMessage('$(check) Copied as cURL', 3_000);
      } else await saveRun(orchestrator, run, as);
    },
  };
}

/** Of the server that the run was sent to, or else of this window's own. */
function addressOf({ request }: Run, { backends, daemon }: CommandContext): string | undefined {
  const backend = backendNameOf(request);
  if (backend !== undefined) return backends.profiles.find(({ name }) => name === backend)?.url;
  return daemon.state.word === 'running' ? daemon.state.daemon.url : undefined;
}

/** Files of the workspace and of the run's folder open at once; any other is asked for, because output named it. */
async function openFile(
  path: string,
  cwd: string | undefined,
  line: number | undefined,
  column: number | undefined,
): Promise<void> {
  if (!isAbsolute(path) && cwd === undefined) return;
  const target = vscode.Uri.file(isAbsolute(path) ? path : resolve(cwd ?? '/', path));
  try {
    await vscode.workspace.fs.stat(target);
  } catch {
    void vscode.window.showInformationMessage(`There is no file ${target.fsPath}.`);
    return;
  }
  const isKnown = localFolders().some(({ uri }) => isInside(uri.fsPath, target.fsPath));
  if (!isKnown) {
    const detail = 'It lies outside the workspace, and the output of a run names it.';
    if (!(await confirm(`Open ${target.fsPath}?`, detail, 'Open'))) return;
  }
  const position = new vscode.Position(toIndex(line), toIndex(column));
  await vscode.window.showTextDocument(target, {
    selection: new vscode.Range(position, position),
    preview: true,
  });
}

function toIndex(oneBased: number | undefined): number {
  return oneBased === undefined || !Number.isSafeInteger(oneBased) || oneBased < 1 ? 0 : oneBased - 1;
}

function isInside(folder: string, path: string): boolean {
  return (
    path === folder ||
    path.startsWith(folder.endsWith('/') || folder.endsWith('\\') ? folder : `${folder}${pathSeparator}`)
  );
}

const pathSeparator = process.platform === 'win32' ? '\\' : '/';

/** VS Code itself asks before it opens an address that the person does not trust yet. */
async function openLink(url: string): Promise<void> {
  const uri = vscode.Uri.parse(url, true);
  if (uri.scheme !== 'http' && uri.scheme !== 'https') return;
  await vscode.env.openExternal(uri);
}
