import { OrchestratorError } from '../../../base/errors.ts';
import type { TaskManager } from '../../../core/tasks/taskManager.ts';
import type { TaskReporter } from '../../../core/tasks/taskReporter.ts';
import {
  type TaskOutput,
  type TaskProgress,
  TaskState,
  type TaskStatusUpdate,
} from '../../../protocol/gen/agent/v1/agent.ts';

/**
 * What an agent says of a task, to the core. Each answers whether it counted: false is for an attempt that is over.
 * Errors: those of the reporter.
 */
export class TaskReports {
  private readonly tasks: TaskManager;
  private readonly reporter: TaskReporter;

  /** Errors: `task_not_found`, `invalid_request` where no agent has the task. */
  constructor(tasks: TaskManager, taskId: string) {
    this.tasks = tasks;
    if (tasks.get(taskId).state === 'pending') {
      const message = 'The task waits for an agent: there is nothing to report of it yet.';
      throw new OrchestratorError('FAILED_PRECONDITION', 'invalid_request', message);
    }
    this.reporter = tasks.reporter(taskId);
  }

  get attempt(): number {
    return this.reporter.attempt;
  }

  /** Bytes, or where there are none, text. */
  output({ data, text, streamType }: TaskOutput): boolean {
    const bytes = data.length === 0 ? new TextEncoder().encode(text) : data;
    return this.reporter.output(streamType === 'stderr' ? 'stderr' : 'stdout', bytes);
  }

  progress({ percent, message }: TaskProgress): boolean {
    return this.reporter.progress(percent, message === '' ? undefined : message);
  }

  status({ state, message }: TaskStatusUpdate): boolean {
    const { reporter } = this;
    const why = message === '' ? 'The agent did not say why.' : message;
    switch (state) {
      case TaskState.TASK_STATE_UNSPECIFIED:
      case TaskState.TASK_STATE_RUNNING:
      case TaskState.TASK_STATE_PAUSED:
        if (!reporter.begin()) return false;
        return message === '' || reporter.progress(this.tasks.get(reporter.taskId).progress, message);
      case TaskState.TASK_STATE_PENDING:
      case TaskState.TASK_STATE_QUEUED:
        // It has the task and has not begun it: no more than a sign of life.
        return reporter.output('stdout', new Uint8Array());
      case TaskState.TASK_STATE_COMPLETED:
        return reporter.complete();
      case TaskState.TASK_STATE_FAILED:
        return reporter.fail({ code: 'FAILED', message: why });
      case TaskState.TASK_STATE_TIMEOUT:
        return reporter.fail({ code: 'DEADLINE_EXCEEDED', message: why });
      case TaskState.TASK_STATE_CANCELLED:
        // By itself, or because it was told to: then it has ended already.
        return reporter.begin() && this.tasks.cancel(reporter.taskId, message).isCancelled;
    }
  }

  complete(result: Parameters<TaskReporter['complete']>[0]): boolean {
    return this.reporter.complete(result);
  }

  fail(error: Parameters<TaskReporter['fail']>[0]): boolean {
    return this.reporter.fail(error);
  }
}
