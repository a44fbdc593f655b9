import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { ContainerParts } from '../ports/containerParts.ts';

/** Error: `container_engine_missing` in a core that was made without. */
export function containerParts({ containers }: CoreContext): ContainerParts {
  if (containers !== undefined) return containers;
  throw new OrchestratorError(
    'UNAVAILABLE',
    'container_engine_missing',
    'Containers are not available here: this core was made without a container engine.',
  );
}
