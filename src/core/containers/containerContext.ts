import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
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
