import type {
  ContainerTaskAccess,
  SeenContainerTask,
  StartFromManifest,
} from '../../core/containerTasks/containerTaskAccess.ts';
import { invert, taskStates } from '../../protocol/containerWords.ts';
import {
  ContainerTaskServiceDefinition,
  type Task as TaskMessage,
} from '../../protocol/gen/containertask/v1/containertask.ts';
import type { GrpcClient } from '../grpc/grpcClient.ts';
import type { RpcClient } from '../grpc/rpcClient.ts';
import { given } from '../../protocol/given.ts';
import { optionalTime, present, timeOf, wordOf } from './values.ts';

const states = invert(taskStates);
/** The core promises the end of a task that is stopped well within it. */
const endLimitMs = 60_000;

/** The container tasks of an orchestrator behind its gRPC door, with the rights of the person. */
export class RemoteContainerTasks implements ContainerTaskAccess {
  private readonly service: RpcClient<typeof ContainerTaskServiceDefinition>;

  constructor(client: GrpcClient) {
    this.service = client.service(ContainerTaskServiceDefinition);
  }

  async list(): Promise<SeenContainerTask[]> {
    return (await this.service.listTasks({ sessionId: '' })).tasks.map(taskOf);
  }

  start({ sessionId, manifest, folder }: StartFromManifest): Promise<SeenContainerTask> {
    return answered(this.service.startTask({ sessionId, manifest: { ...manifest }, folder, isAgreed: true }));
  }

  stop(taskId: string): Promise<SeenContainerTask> {
    return answered(this.service.stopTask({ taskId }, { timeoutMs: endLimitMs }));
  }

  retry(taskId: string): Promise<SeenContainerTask> {
    return answered(this.service.retryTask({ taskId }));
  }

  async remove(taskId: string): Promise<void> {
    await this.service.removeTask({ taskId }, { timeoutMs: endLimitMs });
  }

  waitForEnd(taskId: string, signal?: AbortSignal): Promise<SeenContainerTask> {
    return answered(this.service.waitForEnd({ taskId }, { signal, timeoutMs: 0 }));
  }
}

async function answered(
  answer: Promise<{ readonly task?: TaskMessage | undefined }>,
): Promise<SeenContainerTask> {
  return taskOf(present((await answer).task, 'task'));
}

function taskOf(message: TaskMessage): SeenContainerTask {
  const { id, name, sessionId, state, failures, nextStartAt, createdAt, updatedAt, title, report } = message;
  return {
    id,
    name,
    sessionId,
    state: wordOf(states, state, 'state of a task'),
    runId: given(message.runId),
    failures,
    nextStartAt: optionalTime(nextStartAt),
    error: given(message.error),
    createdAt: timeOf(createdAt),
    updatedAt: timeOf(updatedAt),
    title,
    report: report && {
      ...report,
      message: given(report.message),
      containerId: given(report.containerId),
    },
  };
}
