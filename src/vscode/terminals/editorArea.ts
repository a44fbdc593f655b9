import * as vscode from 'vscode';

/**
 * VS Code learns how to show a terminal in the editor area only when its window counts as restored: when the editors in
 * front are there (a run panel waits for this extension host) or 2 s have passed, whichever is first. A terminal that
 * is put there before becomes a tab with an error in it. Nothing tells an extension host that the window is restored;
 * it is started by a window that is about to be, so its own age is the measure. In seconds.
 */
const restoredAfterS = 3;

/** Waits until a window that has just been loaded can show terminals in its editor area; at once in any other. */
export async function editorAreaIsReady(reachWindow: () => Promise<void>): Promise<void> {
  const remainingMs = (restoredAfterS - process.uptime()) * 1_000;
  if (remainingMs <= 0) return;
  await new Promise<void>((resolve) => setTimeout(resolve, remainingMs));
  // A busy window comes to what it had to do before it answers.
  await reachWindow();
}

/** Columns of the terminals in the editor area, by the label of their tab. */
export function editorColumns(): Map<string, number[]> {
  const columns = new Map<string, number[]>();
  for (const { tabs, viewColumn } of vscode.window.tabGroups.all) {
    for (const { input, label } of tabs) {
      if (!(input instanceof vscode.TabInputTerminal)) continue;
      columns.set(label, [...(columns.get(label) ?? []), viewColumn]);
    }
  }
  return columns;
}

/** Tabs in which VS Code took the address of a terminal for a file's: it says there that it cannot open it. */
export function brokenTabs(): vscode.Tab[] {
  return vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .filter(({ input }) => input instanceof vscode.TabInputText && input.uri.scheme === 'vscode-terminal');
}
