import { OrchestratorError } from '../../base/errors.ts';
import type { ContainerManager } from '../ports/containerManager.ts';

function refuse(): Promise<never> {
  return Promise.reject(
    new OrchestratorError(
      'FAILED_PRECONDITION',
      'container_engine_missing',
      'No container engine is connected to this orchestrator. Start Docker or Podman where it runs, and connect it.',
    ),
  );
}

/** While no engine is there: every call says so, and what to do. */
export const noContainerEngine: ContainerManager = {
  create: refuse,
  get: refuse,
  list: refuse,
  stop: refuse,
  remove: refuse,
};
