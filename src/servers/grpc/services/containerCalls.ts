import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { OrchestratorServiceDefinition } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import type { CallContext, RpcHandlers } from '../rpcHandlers.ts';
import { msOfNs } from './commonMessages.ts';
import {
  containerMessage,
  containerRequestOf,
  containerStateMessage,
  containerStateOf,
  containerStatus,
} from './containerMessages.ts';
import { checkMayChange } from './sessionView.ts';
import { required } from './values.ts';

type ContainerCalls = Pick<
  RpcHandlers<typeof OrchestratorServiceDefinition>,
  'createContainer' | 'getContainer' | 'listContainers' | 'stopContainer' | 'removeContainer'
>;

/**
 * The container calls of OrchestratorService: those of the core's `ContainerManager`, with the caller's rights. What a
 * session does not allow nobody is asked for here, so its policy holds as it stands.
 */
export function containerCalls({ containers, sessions }: Orchestrator): ContainerCalls {
  const idOf = (id: string): string => {
    if (id === '') throw invalidRequest('container ID cannot be empty');
    return id;
  };
  /** The container's id, if the caller may change what is in its session. */
  const findOwn = (containerId: string, call: CallContext): string => {
    const { id, sessionId } = containers.get(idOf(containerId));
    const session = sessions.find(sessionId);
    if (session !== undefined) checkMayChange(session, call);
    return id;
  };

  return {
    createContainer: async ({ sessionId, config }, call) => {
      const session = sessions.get(required(sessionId, 'session_id'));
      if (config === undefined) throw invalidRequest('config is required');
      checkMayChange(session, call);
      const container = await containers.run(containerRequestOf(session.id, config));
      return { containerId: container.id, container: containerMessage(container, config.env) };
    },
    getContainer: ({ containerId }) => ({ container: containerMessage(containers.get(idOf(containerId))) }),
    listContainers: async ({ filter }) => {
      const state = filter === undefined ? undefined : containerStateOf(filter.state);
      const sessionId = given(filter?.sessionId ?? '');
      const status = given(filter?.status ?? 0);
      await containers.ready();
      const found = containers.list({ sessionId, state, labels: filter?.labels });
      const wanted = found.filter(
        (container) => status === undefined || containerStatus(container) === status,
      );
      return {
        containers: wanted.map((container) => containerMessage(container)),
        totalCount: wanted.length,
      };
    },
    stopContainer: async ({ containerId, timeoutNs }, call) => {
      const id = findOwn(containerId, call);
      const { state } = await containers.stop(id, { graceMs: given(msOfNs(timeoutNs, 'timeout_ns')) });
      return { containerId: id, state: containerStateMessage(state) };
    },
    removeContainer: async ({ containerId, force }, call) => {
      const id = findOwn(containerId, call);
      await containers.remove(id, { force });
      return { containerId: id };
    },
  };
}
