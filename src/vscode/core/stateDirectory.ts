import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';

export interface StateDirectoryInput {
  /** The setting's value; empty for the default. */
  readonly configured: string;
  /** The extension's own folder for data of all workspaces. */
  readonly globalStoragePath: string;
  /** The `.code-workspace` file, when one is open and saved. */
  readonly workspaceFile: string | undefined;
  readonly folders: readonly string[];
}

/**
 * Where this window keeps its state: one directory for each workspace, so that two windows on different folders have
 * nothing in common and the same folder finds its sessions again.
 * @throws a sentence for the person when the configured path is not absolute.
 */
export function stateDirectory(input: StateDirectoryInput): string {
  if (input.configured !== '') {
    if (!isAbsolute(input.configured)) {
      throw new RangeError(
        `The setting orchestrator.stateDirectory must be an absolute path, and is "${input.configured}".`,
      );
    }
    return input.configured;
  }
  return join(input.globalStoragePath, 'workspaces', workspaceKey(input.workspaceFile, input.folders));
}

/** 16 hex characters for a workspace; the order in which its folders were added does not matter. */
export function workspaceKey(workspaceFile: string | undefined, folders: readonly string[]): string {
  const identity = workspaceFile ?? [...folders].sort().join('\n');
  if (identity === '') return 'empty';
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}
