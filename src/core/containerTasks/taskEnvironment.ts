import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { ContainerTaskManifest } from './containerTask.ts';
import { platformVariables } from './containerTaskSpec.ts';

/** What no program can do without, and what is declared. Error: `invalid_request`. */
export function taskEnvironment(
  manifest: ContainerTaskManifest,
  context: CoreContext,
): Record<string, string> {
  const all = context.environment.childEnvironment();
  const env: Record<string, string> = {};
  for (const name of platformVariables) {
    if (all[name] !== undefined) env[name] = all[name];
  }
  return { ...env, ...declaredEnvironment(manifest, context) };
}

/** What is declared to be passed on, and over it what is declared. Error: `invalid_request` for what is not set. */
export function declaredEnvironment(
  manifest: ContainerTaskManifest,
  { environment }: CoreContext,
): Record<string, string> {
  const all = environment.childEnvironment();
  const env: Record<string, string> = {};
  for (const name of manifest.inheritedEnvironment) {
    const value = all[name];
    if (value === undefined) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `The task "${manifest.name}" takes the variable ${name} from the environment, and it is not set there.`,
      );
    }
    env[name] = value;
  }
  return { ...env, ...manifest.environment };
}
