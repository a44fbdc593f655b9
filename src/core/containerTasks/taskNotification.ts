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

/** Whether events of the type tell a person something. */
export function isNotification(type: string): boolean {
  return type === 'container_task.callback' || type === 'container_task.notification';
}

/** What the event tells a person of the task; undefined where it tells nothing. */
export function notificationOf(
  { type, runId, data, sequence }: OrchestratorEvent,
  { id, name }: ContainerTask,
): TaskNotification | undefined {
  if (runId === undefined || !isNotification(type)) return undefined;
  const { level, message, action } = data;
  return {
    level: level === 'Error' || level === 'Warn' ? level : 'Info',
    message: typeof message === 'string' ? message : '',
    action: typeof action === 'string' ? action : null,
    taskId: id,
    taskName: name,
    runId,
    sequence,
  };
}
