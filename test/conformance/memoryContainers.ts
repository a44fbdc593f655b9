import { OrchestratorError } from '../../src/base/errors.ts';
import { checkContainer } from '../../src/core/containers/checkContainer.ts';
import type { Container } from '../../src/core/containers/container.ts';
import type { ContainerManager } from '../../src/core/ports/containerManager.ts';
import type { SessionManager } from '../../src/core/sessions/sessionManager.ts';

/** The port without an engine behind it: containers that are only written down. */
export function memoryContainers(sessions: () => SessionManager): ContainerManager {
  const containers = new Map<string, Container>();
  const find = (id: string): Container => {
    const container = containers.get(id);
    if (container !== undefined) return container;
    throw new OrchestratorError('NOT_FOUND', 'container_not_found', `container not found: ${id}`);
  };
  const put = (container: Container): Container => {
    containers.set(container.id, container);
    return container;
  };

  return {
    create: async (sessionId, config) => {
      const count = [...containers.values()].filter((other) => other.sessionId === sessionId).length;
      checkContainer(sessions().get(sessionId), config, count);
      const id = `c${containers.size}`;
      const { image } = config;
      return put({
        id,
        name: id,
        image,
        state: 'running',
        health: 'unknown',
        sessionId,
        config,
        createdAt: 1,
      });
    },
    get: async (id) => find(id),
    list: async ({ sessionId, state } = {}) =>
      [...containers.values()].filter(
        (container) =>
          (sessionId === undefined || container.sessionId === sessionId) &&
          (state === undefined || container.state === state),
      ),
    stop: async (id) => put({ ...find(id), state: 'exited', exitCode: 0 }),
    remove: async (id, { force = false } = {}) => {
      if (find(id).state === 'running' && !force) {
        throw new OrchestratorError('FAILED_PRECONDITION', 'invalid_request', `container is running: ${id}`);
      }
      containers.delete(id);
    },
  };
}
