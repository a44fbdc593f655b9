import { invalidRequest } from '../../../core/text.ts';
import { Bell } from '../../../base/bell.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { TaskManager } from '../../../core/tasks/taskManager.ts';
import type { StreamTaskRequest, StreamTaskResponse } from '../../../protocol/gen/agent/v1/agent.ts';
import type { CallContext } from '../rpcHandlers.ts';
import { TaskReports } from './taskReports.ts';
import { errorOf, resultOf } from './taskMessages.ts';
import { TaskView } from './taskView.ts';

/**
 * A task as it goes on, from both sides. Who gave it sends input and `cancel`, and hears of its states, progress and
 * output from the first byte on. Who does it sends `output`, `progress`, `status`, and `complete` or `error_msg`; from
 * the first of these on it hears of input instead of output. The stream ends with the task, and with the attempt for
 * who made it.
 */
export async function* streamTask(
  { tasks, agents }: Pick<Orchestrator, 'tasks' | 'agents'>,
  checkAccess: (taskId: string) => void,
  requests: AsyncIterable<StreamTaskRequest>,
  { signal }: CallContext,
): AsyncGenerator<StreamTaskResponse, void, undefined> {
  const bell = new Bell();
  const ring = (): void => bell.ring();
  const side = new ClientSide({ tasks, checkAccess, ring });
  const subscription = tasks.onDidChange(({ id }) => {
    if (id === side.view?.taskId) ring();
  });
  signal.addEventListener('abort', ring);
  void side.read(requests);
  try {
    while (!signal.aborted) {
      for (; side.owedHeartbeats > 0; side.owedHeartbeats -= 1) {
        yield { payload: { $case: 'heartbeat', value: {} } };
        const agentId = side.isWorker ? tasks.find(side.view?.taskId ?? '')?.agentId : undefined;
        if (agentId != null && agents.find(agentId) !== undefined) agents.touch(agentId);
      }
      if (side.failure !== undefined) throw side.failure.error;
      const { view } = side;
      if (view !== undefined) {
        for (const payload of view.news(side.reports?.attempt)) yield { payload };
        if (view.isOver) return;
      } else if (side.hasEnded) return;
      await bell.heard();
    }
  } finally {
    subscription.dispose();
    signal.removeEventListener('abort', ring);
  }
}

interface ClientSideOptions {
  readonly tasks: TaskManager;
  readonly checkAccess: (taskId: string) => void;
  readonly ring: () => void;
}

/** What the client sends, as fast as it comes: what is to be answered is only counted, and so takes no memory. */
class ClientSide {
  owedHeartbeats = 0;
  hasEnded = false;
  failure: { readonly error: unknown } | undefined;
  /** From the first frame on that names a task. */
  view: TaskView | undefined;
  /** From the first frame on in which it speaks as the one who does the task. */
  reports: TaskReports | undefined;
  private readonly options: ClientSideOptions;

  constructor(options: ClientSideOptions) {
    this.options = options;
  }

  get isWorker(): boolean {
    return this.reports !== undefined;
  }

  async read(requests: AsyncIterable<StreamTaskRequest>): Promise<void> {
    const { ring } = this.options;
    try {
      for await (const { taskId, payload } of requests) {
        if (payload?.$case === 'heartbeat') this.owedHeartbeats += 1;
        else this.take(this.bind(taskId), payload);
        ring();
      }
    } catch (error) {
      this.failure ??= { error };
    }
    this.hasEnded = true;
    ring();
  }

  private bind(taskId: string): TaskView {
    if (this.view !== undefined) return this.view;
    if (taskId === '') throw invalidRequest('first message must contain task_id');
    const { tasks, checkAccess } = this.options;
    const { id } = tasks.get(taskId);
    checkAccess(id);
    this.view = new TaskView(tasks, id);
    return this.view;
  }

  private take({ taskId }: TaskView, payload: StreamTaskRequest['payload']): void {
    const { tasks } = this.options;
    switch (payload?.$case) {
      case undefined:
      case 'heartbeat':
        return;
      case 'input':
        this.sendInput(taskId, payload.value.data);
        return;
      case 'cancel':
        tasks.cancel(taskId, payload.value.reason);
        return;
      case 'output':
        this.reportsOf(taskId).output(payload.value);
        return;
      case 'progress':
        this.reportsOf(taskId).progress(payload.value);
        return;
      case 'status':
        this.reportsOf(taskId).status(payload.value);
        return;
      case 'complete':
        this.reportsOf(taskId).complete(resultOf(payload.value.result));
        return;
      case 'errorMsg':
        this.reportsOf(taskId).fail(errorOf(payload.value));
    }
  }

  private reportsOf(taskId: string): TaskReports {
    this.reports ??= new TaskReports(this.options.tasks, taskId);
    return this.reports;
  }

  /** A task that has just ended takes no more: that it has ended is what the client hears. */
  private sendInput(taskId: string, data: Uint8Array): void {
    try {
      this.options.tasks.sendInput(taskId, data);
    } catch (error) {
      if (!OrchestratorError.is(error, 'task_ended')) throw error;
    }
  }
}
