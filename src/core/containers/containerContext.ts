import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { Container } from './container.ts';
import type { ContainerParts } from '../ports/containerParts.ts';

/** Error: `container_engine_missing` in a core that was made without. */
export function containerParts({ containers }: CoreContext): ContainerParts {
  if (containers !== undefined) return containers;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'container_engine_missing',
    'No container engine is connected to this orchestrator. Start Docker or Podman where it runs, and connect it.',
  );
}

/**
 * One step of several that must not keep each other from being taken: what the engine refuses is reported. Errors, after
 * which none of them makes sense: `container_engine_missing`, `closed`.
 */
export async function attempt(
  { failures }: CoreContext,
  doing: string,
  action: () => Promise<unknown>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    const failure = OrchestratorError.from(error);
    if (failure.reason === 'container_engine_missing' || failure.reason === 'closed') throw failure;
    failures.report(failure, doing);
  }
}

/** Whether another engine than the one that is connected has it: what this one says of it means nothing then. */
export function isElsewhere({ containers }: CoreContext, { engine }: Container): boolean {
  const info = containers?.engine.info;
  return info !== undefined && engine !== undefined && engine.id !== info.id;
}
