import type { ContainerTask } from '../../../core/containerTasks/containerTask.ts';
import type { ContainerTaskManager } from '../../../core/containerTasks/containerTaskManager.ts';
import { notificationOf } from '../../../core/containerTasks/taskNotification.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type {
  Task,
  WatchTasksRequest,
  WatchTasksResponse,
} from '../../../protocol/gen/containertask/v1/containertask.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { notificationRecord } from './containerTaskRecords.ts';
import { given } from '../../../protocol/given.ts';

/** The tasks as they stand, then each that changes, as it stands when the client comes to read of it, and what it tells. */
export async function* watchTasks(
  { events, runs }: Orchestrator,
  manager: ContainerTaskManager,
  record: (task: ContainerTask) => Task,
  request: WatchTasksRequest,
  { signal }: CallContext,
): AsyncGenerator<WatchTasksResponse, void, undefined> {
  const sessionId = given(request.sessionId);
  const after = events.lastSequence;
  const snapshot = { sequence: after, tasks: manager.list({ sessionId }).map(record) };
  yield { payload: { $case: 'snapshot', value: snapshot } };
  for await (const event of events.follow({ after, sessionId, signal })) {
    const { type, data, runId } = event;
    if (!type.startsWith('container_task.')) continue;
    const { task_id: told } = data;
    const id =
      typeof told === 'string'
        ? told
        : runId === undefined
          ? undefined
          : runs.find(runId)?.request.containerTaskId;
    if (id === undefined) continue;
    const task = manager.find(id);
    if (task === undefined) {
      if (type === 'container_task.removed') yield { payload: { $case: 'removed', value: id } };
      continue;
    }
    // What it tells stands in its report, too.
    yield { payload: { $case: 'changed', value: record(task) } };
    const notification = notificationOf(event, task);
    if (notification !== undefined) {
      yield { payload: { $case: 'notification', value: notificationRecord(notification) } };
    }
  }
}
