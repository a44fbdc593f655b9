import type { OrchestratorEvent } from '../events/event.ts';
import type { NotificationLevel } from './callback.ts';
import type { ContainerTask } from './containerTask.ts';

/** What a person is told of a task. */
export interface TaskNotification {
  readonly level: NotificationLevel;
  readonly message: string;
  readonly action: string | null;
  readonly taskId: string;
  readonly taskName: string;
  readonly runId: string;
  /** Of the event that holds all of it. */
  readonly sequence: number;
}

export function isNotification({ type }: OrchestratorEvent): boolean {
  return type === 'container_task.callback' || type === 'container_task.notification';
}

/** @param event one that `isNotification`. */
export function notificationOf(
  { data, sequence }: OrchestratorEvent,
  task: ContainerTask,
  runId: string,
): TaskNotification {
  const { level, message, action } = data;
  return {
    level: level === 'Error' || level === 'Warn' ? level : 'Info',
    message: typeof message === 'string' ? message : '',
    action: typeof action === 'string' ? action : null,
    taskId: task.id,
    taskName: task.name,
    runId,
    sequence,
  };
}
