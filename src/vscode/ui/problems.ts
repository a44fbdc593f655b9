import * as vscode from 'vscode';
import { type ErrorReason, OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type CommandId, commandIds, settingIds } from '../contributions/ids.ts';

interface Remedy {
  readonly title: string;
  readonly command: CommandId | 'workbench.action.openSettings';
  readonly argument?: string;
}

const openSetting = (id: string): Remedy => ({
  title: 'Open Setting',
  command: 'workbench.action.openSettings',
  argument: id,
});

/** The one thing to do next, for the reasons that have one. */
const remedies: Partial<Record<ErrorReason, Remedy>> = {
  shell_missing: openSetting(settingIds.terminalShell),
  state_dir_unsafe: openSetting(settingIds.stateDirectory),
  state_in_use: { title: 'Take Over', command: commandIds.takeOverState },
  workspace_untrusted: { title: 'Manage Trust', command: commandIds.manageTrust },
  container_engine_missing: openSetting(settingIds.containersEngine),
  process_host_lost: { title: 'Restart Process Host', command: commandIds.restartProcessHost },
  process_host_failed_to_start: { title: 'Copy Diagnostics', command: commandIds.copyDiagnostics },
  process_host_incompatible: { title: 'Restart Process Host', command: commandIds.restartProcessHost },
  native_module_missing: { title: 'Copy Diagnostics', command: commandIds.copyDiagnostics },
  internal: { title: 'Copy Diagnostics', command: commandIds.copyDiagnostics },
};

const showLog: Remedy = { title: 'Show Log', command: commandIds.showLog };

/**
 * Tells the person what happened, to what, and what to do next: the last as a button, beside Show Log.
 * @param attempt what was being done, as in "The run was not started".
 */
export function showProblem(attempt: string, error: unknown, logger: Logger): void {
  const known = OrchestratorError.from(error);
  if (known.reason === 'aborted') return;
  logger.error(`${attempt}: ${known.message} (${known.reason})`, error);
  const remedy = remedies[known.reason];
  void offer('error', `${attempt}. ${known.message}`, remedy === undefined ? [showLog] : [remedy, showLog]);
}

type Severity = 'info' | 'warning' | 'error';

const show: Record<Severity, (message: string, ...titles: string[]) => Thenable<string | undefined>> = {
  info: (message, ...titles) => vscode.window.showInformationMessage(message, ...titles),
  warning: (message, ...titles) => vscode.window.showWarningMessage(message, ...titles),
  error: (message, ...titles) => vscode.window.showErrorMessage(message, ...titles),
};

async function offer(severity: Severity, message: string, choices: readonly Remedy[]): Promise<void> {
  const title = await show[severity](message, ...choices.map((choice) => choice.title));
  const chosen = choices.find((choice) => choice.title === title);
  if (chosen === undefined) return;
  await vscode.commands.executeCommand(
    chosen.command,
    ...(chosen.argument === undefined ? [] : [chosen.argument]),
  );
}

/** A message with buttons; answers the title of the one that was pressed. Show Log is added and handled here. */
export async function askWithLog(
  severity: Severity,
  message: string,
  ...titles: string[]
): Promise<string | undefined> {
  const title = await show[severity](message, ...titles, showLog.title);
  if (title === showLog.title) await vscode.commands.executeCommand(showLog.command);
  return title === showLog.title ? undefined : title;
}

/** A modal question before something is lost: what is lost is its detail, the deed its only button. */
export async function confirm(question: string, detail: string, deed: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, deed)) === deed;
}
