import * as vscode from 'vscode';

/** Workspace folders that are on this machine: those of a virtual workspace have no place to start a program in. */
export function localFolders(): readonly vscode.WorkspaceFolder[] {
  return (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
}

/** Where things start when nothing says otherwise. */
export function defaultFolder(home: string): string {
  return localFolders()[0]?.uri.fsPath ?? home;
}

/** The folder for something new: asked for only when there is a choice. Undefined when it was dismissed. */
export async function askFolder(home: string, placeHolder: string): Promise<string | undefined> {
  const folders = localFolders();
  if (folders.length < 2) return defaultFolder(home);
  const picked = await vscode.window.showWorkspaceFolderPick({ placeHolder });
  return picked?.uri.fsPath;
}
