import * as vscode from 'vscode';
import type { BackendProfile } from './backendProfiles.ts';
import type { RunBackends } from './runBackends.ts';

/** Asks which one. Undefined when it was dismissed, or where there is none. */
export async function pickBackend(backends: RunBackends, title: string): Promise<BackendProfile | undefined> {
  const choices = backends.profiles.map((profile) => ({
    label: profile.name,
    description: profile.url,
    iconPath: new vscode.ThemeIcon('cloud'),
    profile,
  }));
  if (choices.length === 0) {
    void vscode.window.showInformationMessage('There is no run backend. Add one first.');
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true });
  return picked?.profile;
}
