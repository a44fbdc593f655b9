import type { Orchestrator } from '../../../core/orchestrator.ts';
import type {
  WatchContainersRequest,
  WatchContainersResponse,
} from '../../../protocol/gen/container/v1/container.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { containerRecord } from './containerRecords.ts';
import { given } from '../../../protocol/given.ts';

/** The containers as they stand, then each that changes, as it stands when the client comes to read of it. */
export async function* watchContainers(
  { events, containers }: Orchestrator,
  request: WatchContainersRequest,
  { signal }: CallContext,
): AsyncGenerator<WatchContainersResponse, void, undefined> {
  const sessionId = given(request.sessionId);
  const after = events.lastSequence;
  const snapshot = { sequence: after, containers: containers.list({ sessionId }).map(containerRecord) };
  yield { payload: { $case: 'snapshot', value: snapshot } };
  for await (const { type, containerId } of events.follow({ after, sessionId, signal })) {
    if (containerId === undefined || !type.startsWith('container.')) continue;
    const container = containers.find(containerId);
    yield {
      payload:
        container === undefined
          ? { $case: 'removed', value: containerId }
          : { $case: 'changed', value: containerRecord(container) },
    };
  }
}
