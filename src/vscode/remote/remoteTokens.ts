import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Logger } from '../../base/logger.ts';
import { listServingCores } from '../../processHost/coreHolder.ts';
import { showProblem } from '../ui/problems.ts';
import type { RemoteAddress } from './remotePlace.ts';
import type { RemotePlaces } from './remotePlaces.ts';

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

/** The secret storage has lost a token: without a keyring it keeps them only as long as the window. */
export async function offerLostToken(
  remotes: RemotePlaces,
  remote: RemoteAddress,
  logger: Logger,
): Promise<void> {
  const enter = 'Enter Token…';
  const answer = await vscode.window.showWarningMessage(
    `The token of ${remote.name} is no longer in the secret storage, so its sessions are not shown.`,
    enter,
  );
  if (answer !== enter) return;
  const token = await askDaemonToken(remote.address);
  if (token === undefined) return;
  try {
    await remotes.reconnect(remote, token);
  } catch (error) {
    showProblem(`${remote.name} was not connected`, error, logger);
  }
}
