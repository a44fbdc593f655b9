import type { Labels } from '../labels.ts';

/** By these and nothing else we know what is ours at an engine. Never by a name. */

export const labelPrefix = 'dev.orchestration-workbench.';
export const installationLabel = `${labelPrefix}installation`;
export const sessionLabel = `${labelPrefix}session`;
export const claimLabel = `${labelPrefix}claim`;
/** Where its installation keeps its state, on the machine that made it. */
export const stateDirectoryLabel = `${labelPrefix}state-directory`;
/** The name that a person gave it: the engine's own names must be unique among all. */
export const nameLabel = `${labelPrefix}name`;

export function ownLabels(options: {
  readonly installationId: string;
  readonly sessionId: string;
  readonly claimId: string;
  readonly name: string;
  readonly stateDirectory?: string | undefined;
}): Labels {
  const { stateDirectory } = options;
  return {
    ...(stateDirectory === undefined ? {} : { [stateDirectoryLabel]: stateDirectory }),
    [installationLabel]: options.installationId,
    [sessionLabel]: options.sessionId,
    [claimLabel]: options.claimId,
    [nameLabel]: options.name,
  };
}

/** The engine's name of what a claim is for: readable, and of its own. */
export function engineName(name: string, claimId: string): string {
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 40);
  return `${readable === '' ? 'container' : readable}-${claimId.slice(0, 12)}`;
}
