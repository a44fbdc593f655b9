import * as vscode from 'vscode';
import { type CommandId, commandIds, walkthroughId } from '../contributions/ids.ts';
import { diagnosticsText } from '../ui/diagnostics.ts';
import { confirm } from '../ui/problems.ts';
import { containerIcon } from '../views/containerRows.ts';
import { statusIcon, terminalIcon } from '../views/rows.ts';
import { runDetail, runLabel, terminalName } from '../views/describe.ts';
import { count } from '../views/format.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { rowOf } from './targets.ts';
import { restartProcessHost } from './restartProcessHost.ts';

const copyId: CommandHandler = async (context, args) => {
  const [first, selected] = args;
  const nodes: unknown[] = Array.isArray(selected) && selected.length > 0 ? selected : [first];
  const ids = typeof first === 'string' ? [first] : nodes.flatMap((node) => rowOf(node)?.targetId ?? []);
  const chosen = ids.length > 0 ? ids : await askId(context);
  if (chosen.length === 0) return;
  await vscode.env.clipboard.writeText(chosen.join('\n'));
  vscode.window.setStatusBarMessage(
    `$(check) Copied ${chosen.length === 1 ? (chosen[0] ?? '') : count(chosen.length, 'ID')}`,
    3_000,
  );
};

async function askId(context: CommandContext): Promise<string[]> {
  const { orchestrator } = await context.ready();
  const now = Date.now();
  const choices = [
    ...orchestrator.sessions.list().map(({ id, name }) => ({
      label: name,
      description: 'session',
      detail: id,
      iconPath: new vscode.ThemeIcon('circle-large-outline'),
    })),
    ...orchestrator.terminals
      .list()
      .filter(({ runId }) => runId === null)
      .map((terminal) => ({
        label: terminalName(terminal),
        description: 'terminal',
        detail: terminal.id,
        iconPath: new vscode.ThemeIcon(terminalIcon(terminal).id),
      })),
    ...orchestrator.containers.list().map((container) => ({
      label: container.name,
      description: `container · ${container.image}`,
      detail: container.id,
      iconPath: new vscode.ThemeIcon(containerIcon(container).id),
    })),
    ...orchestrator.runs.list({ limit: 100 }).map((run) => ({
      label: runLabel(run),
      description: `run · ${runDetail(run, undefined, now)}`,
      detail: run.id,
      iconPath: new vscode.ThemeIcon(statusIcon(run.status, true).id),
    })),
  ];
  if (choices.length === 0) {
    void vscode.window.showInformationMessage('There is no session, terminal, container or run yet.');
    return [];
  }
  const picked = await vscode.window.showQuickPick(choices, {
    title: 'Copy the ID of what?',
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked === undefined ? [] : [picked.detail];
}

/** F2 on a row. */
const renameSelected: CommandHandler = async (context) => {
  const [node] = context.selection();
  const command: Partial<Record<string, CommandId>> = {
    session: commandIds.renameSession,
    terminal: commandIds.renameTerminal,
  };
  const id = node === undefined ? undefined : command[node.row.kind];
  if (id !== undefined) await vscode.commands.executeCommand(id, node);
};

/** Delete on rows: what ends them, or what forgets them when they have ended. One kind at a time. */
const removeSelected: CommandHandler = async (context) => {
  const nodes = context.selection();
  const [first] = nodes;
  if (first === undefined) return;
  const deed = ({ row }: (typeof nodes)[number]): CommandId | undefined => {
    if (row.kind === 'session') return commandIds.closeSession;
    if (row.context.includes('canStopTask')) return commandIds.stopContainerTask;
    if (row.context.includes('endedTask')) return commandIds.removeContainerTask;
    if (row.context.includes('canAbort')) return commandIds.abortRun;
    if (row.context.includes('endedRun')) return commandIds.removeRun;
    if (row.context.includes('canKill')) return commandIds.killTerminal;
    if (row.context.includes('containerLive')) return commandIds.stopContainer;
    if (row.context.includes('containerEnded')) return commandIds.removeContainer;
    return row.context.includes('endedTerminal') ? commandIds.removeTerminal : undefined;
  };
  const command = deed(first);
  const same = nodes.filter((node) => deed(node) === command);
  if (command !== undefined) await vscode.commands.executeCommand(command, first, same);
};

const showLog: CommandHandler = async ({ log }) => {
  log.show();
  await Promise.resolve();
};

const copyDiagnostics: CommandHandler = async ({ core, log, version }) => {
  const text = await diagnosticsText(core, log, version);
  await vscode.env.clipboard.writeText(text);
  const answer = await vscode.window.showInformationMessage(
    'Diagnostics were copied: versions, counts, changed settings and the end of the log. They hold no output and no environment.',
    'Show',
  );
  if (answer !== 'Show') return;
  await vscode.window.showTextDocument(
    await vscode.workspace.openTextDocument({ content: text, language: 'markdown' }),
  );
};

const takeOverState: CommandHandler = async ({ core }) => {
  if (core.state.word !== 'inUse') {
    void vscode.window.showInformationMessage('This window already serves the sessions of this workspace.');
    return;
  }
  const { holder } = core.state;
  if (holder !== undefined && holder.yieldSocket === undefined) {
    void vscode.window.showWarningMessage(
      `\`orchestrator ${holder.kind}\` (pid ${holder.pid}) serves the sessions of this workspace and cannot be asked to let go. End it, and this window goes on by itself.`,
    );
    return;
  }
  const detail =
    'The other window lets go and says so. Terminals and runs go on, and open here. You can take over again from there.';
  if (await confirm('Take over the sessions of this workspace?', detail, 'Take Over')) await core.takeOver();
};

const retryStart: CommandHandler = async ({ core }) => {
  await core.ensureReady();
};

const openWalkthrough: CommandHandler = async ({ extensionId }) => {
  await vscode.commands.executeCommand(
    'workbench.action.openWalkthrough',
    `${extensionId}#${walkthroughId}`,
    false,
  );
};

const openSettings: CommandHandler = async ({ extensionId }) => {
  await vscode.commands.executeCommand('workbench.action.openSettings', `@ext:${extensionId}`);
};

const manageTrust: CommandHandler = async () => {
  await vscode.commands.executeCommand('workbench.trust.manage');
};

export const toolCommands = {
  [commandIds.copyId]: copyId,
  [commandIds.renameSelected]: renameSelected,
  [commandIds.removeSelected]: removeSelected,
  [commandIds.showLog]: showLog,
  [commandIds.copyDiagnostics]: copyDiagnostics,
  [commandIds.restartProcessHost]: restartProcessHost,
  [commandIds.takeOverState]: takeOverState,
  [commandIds.retryStart]: retryStart,
  [commandIds.openWalkthrough]: openWalkthrough,
  [commandIds.openSettings]: openSettings,
  [commandIds.manageTrust]: manageTrust,
};
