import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import type { LiveContainers } from '../../core/liveOrchestrator.ts';
import type { Place } from '../place.ts';
import type { ContainerTerminals } from '../terminals/containerTerminals.ts';
import { settingIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { withLateProgress } from '../ui/progress.ts';

const installGuide = 'https://docs.docker.com/engine/install/';

export interface ContainerPlace {
  readonly containers: LiveContainers;
  readonly terminals: ContainerTerminals;
}

/** The containers of a place. Error: `invalid_request` where another orchestrator does not tell of its own. */
export function containersOf({ orchestrator, containerTerminals }: Place): ContainerPlace {
  const { containers } = orchestrator;
  if (containers !== undefined && containerTerminals !== undefined)
    return { containers, terminals: containerTerminals };
  throw new OrchestratorError(
    'UNIMPLEMENTED',
    'invalid_request',
    'Containers of another orchestrator are reached in its own window, or with `orchestrator containers` on its machine.',
  );
}

/**
 * Whether there is an engine to work with. Looks for one, starts its machine where the person agrees, and where there is
 * none says what to install, until the person has had enough.
 */
export async function hasEngine(containers: LiveContainers): Promise<boolean> {
  for (;;) {
    if (containers.engine !== undefined) return true;
    try {
      return await initialize(containers);
    } catch (error) {
      const known = OrchestratorError.from(error);
      if (known.reason !== 'container_engine_missing') throw known;
      if (!(await askAfterMissing(known))) return false;
    }
  }
}

/** False when the person has cancelled it. */
async function initialize(containers: LiveContainers): Promise<boolean> {
  return await withLateProgress('Container engine', async (onProgress, signal) => {
    const mayStart = (question: string): Promise<boolean> =>
      confirm(question, 'Containers run in it. It goes on running until you stop it.', 'Start');
    try {
      await containers.initialize({ onProgress: (message) => onProgress(message), mayStart, signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  });
}

/** Whether to look once more. */
async function askAfterMissing({ message }: OrchestratorError): Promise<boolean> {
  const answer = await vscode.window.showErrorMessage(message, 'Retry', 'Install Guide', 'Open Setting');
  if (answer === 'Install Guide') await vscode.env.openExternal(vscode.Uri.parse(installGuide));
  if (answer === 'Open Setting') {
    await vscode.commands.executeCommand('workbench.action.openSettings', settingIds.containersEngine);
  }
  return answer === 'Retry';
}
