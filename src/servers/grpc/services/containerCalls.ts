import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { OrchestratorServiceDefinition } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import type { CallContext, RpcHandlers } from '../rpcHandlers.ts';
import { msOfNs } from './commonMessages.ts';
import {
  containerConfigOf,
  containerMessage,
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

/** The container calls of OrchestratorService: those of the core's `ContainerManager`, with the caller's rights. */
export function containerCalls({ containers, sessions }: Orchestrator): ContainerCalls {
  const idOf = (id: string): string => {
    if (id === '') throw invalidRequest('container ID cannot be empty');
    return id;
  };
  /** The container's id, if the caller may change what is in its session. */
  const findOwn = async (containerId: string, call: CallContext): Promise<string> => {
    const { id, sessionId } = await containers.get(idOf(containerId));
    const session = sessions.find(sessionId);
    if (session !== undefined) checkMayChange(session, call);
    return id;
  };

  return {
    createContainer: async ({ sessionId, config }, call) => {
      const session = sessions.get(required(sessionId, 'session_id'));
      if (config === undefined) throw invalidRequest('config is required');
      checkMayChange(session, call);
      const container = await containers.create(session.id, containerConfigOf(config));
      return { containerId: container.id, container: containerMessage(container) };
    },
    getContainer: async ({ containerId }) => ({
      container: containerMessage(await containers.get(idOf(containerId))),
    }),
    listContainers: async ({ filter }) => {
      const state = filter === undefined ? undefined : containerStateOf(filter.state);
      const sessionId = given(filter?.sessionId ?? '');
      const status = given(filter?.status ?? 0);
      const found = await containers.list({ sessionId, state, labels: filter?.labels });
      const wanted = found.filter(
        (container) => status === undefined || containerStatus(container) === status,
      );
      return { containers: wanted.map(containerMessage), totalCount: wanted.length };
    },
    stopContainer: async ({ containerId, timeoutNs }, call) => {
      const id = await findOwn(containerId, call);
      const { state } = await containers.stop(id, given(msOfNs(timeoutNs, 'timeout_ns')));
      return { containerId: id, state: containerStateMessage(state) };
    },
    removeContainer: async ({ containerId, force }, call) => {
      const id = await findOwn(containerId, call);
      await containers.remove(id, { force });
      return { containerId: id };
    },
  };
}
