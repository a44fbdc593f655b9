import * as vscode from 'vscode';
import type { Logger } from '../../base/logger.ts';
import { showProblem } from '../ui/problems.ts';
import type { RemoteAddress } from './remotePlace.ts';
import type { RemotePlaces } from './remotePlaces.ts';
import { askDaemonToken } from './remoteTokens.ts';

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
