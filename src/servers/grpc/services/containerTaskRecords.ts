import type { SeenContainerTask } from '../../../core/containerTasks/containerTaskAccess.ts';
import { notificationLevels, taskStates } from '../../../protocol/containerWords.ts';
import type { Notification, Task } from '../../../protocol/gen/containertask/v1/containertask.ts';
import type { TaskNotification } from '../../../core/containerTasks/taskNotification.ts';
import { dateOf, optionalDate } from './values.ts';

/** A container task as `containertask.v1` has it. */
export function taskRecord(task: SeenContainerTask): Task {
  const { id, name, sessionId, state, runId = '', failures, error = '', title, report } = task;
  return {
    id,
    name,
    sessionId,
    state: taskStates[state],
    runId,
    failures,
    nextStartAt: optionalDate(task.nextStartAt),
    error,
    createdAt: dateOf(task.createdAt),
    updatedAt: dateOf(task.updatedAt),
    title,
    report: report && {
      progress: report.progress,
      message: report.message ?? '',
      callbacks: report.callbacks,
      errors: report.errors,
      containerId: report.containerId ?? '',
    },
  };
}

export function notificationRecord(notification: TaskNotification): Notification {
  const { taskId, runId, level, message, action, sequence } = notification;
  return { taskId, runId, level: notificationLevels[level], message, action: action ?? '', sequence };
}
