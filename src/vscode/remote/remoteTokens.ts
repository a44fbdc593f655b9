import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { listServingCores } from '../../processHost/coreHolder.ts';

/** Of a daemon whose state directory is this user's; undefined where it has none yet, or cannot be read. */
export async function readDaemonToken(stateDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(stateDir, 'http-token'), 'utf8')).trim();
  } catch {
    return undefined;
  }
}

/** Of a daemon of this user that runs on this machine at the address. */
export async function findLocalToken(address: string): Promise<string | undefined> {
  const core = listServingCores().find(({ holder }) => holder.http?.url === address);
  return core === undefined ? undefined : await readDaemonToken(core.stateDir);
}

/** Undefined when the question was dismissed. */
export async function askDaemonToken(address: string): Promise<string | undefined> {
  const token = await vscode.window.showInputBox({
    title: `Token of ${address}`,
    prompt: 'As in the file http-token of its state directory. It is kept in the secret storage.',
    password: true,
    ignoreFocusOut: true,
    validateInput: (value) =>
      value.trim() === '' ? 'A daemon lets nobody in without its token.' : undefined,
  });
  return token?.trim();
}
