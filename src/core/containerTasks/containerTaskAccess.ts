import type { Run } from '../runs/run.ts';
import type { ContainerTask } from './containerTask.ts';
import { taskTitle } from './taskEngine.ts';
import type { TaskReport } from './taskReport.ts';

/** Container tasks as whoever acts on them uses them, wherever their orchestrator is. */
export interface ContainerTaskAccess {
  /** Resolves once its first execution is stored. Errors: those of ContainerTaskManager.start and of the manifest. */
  start(request: StartFromManifest): Promise<SeenContainerTask>;
  /** Resolves when it has ended. Errors: `task_not_found`, `task_ended`. */
  stop(id: string): Promise<SeenContainerTask>;
  /** Errors: `task_not_found`, `task_running`, those of `start`. */
  retry(id: string): Promise<SeenContainerTask>;
  /** Errors: `task_not_found`, `task_running`. */
  remove(id: string): Promise<void>;
  /** Until it neither runs nor waits. Errors: `task_not_found`, `aborted` by the signal, `closed`. */
  waitForEnd(id: string, signal?: AbortSignal): Promise<SeenContainerTask>;
}

/** A start by a person, who has seen the manifest and wants what it asks for. */
export interface StartFromManifest {
  readonly sessionId: string;
  /** The parsed JSON. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Absolute: what its paths are relative to. */
  readonly folder: string;
}

/** What is told of a task: without its manifest, which may name what is nobody's business. */
export interface SeenContainerTask extends Omit<ContainerTask, 'manifest'> {
  /** What its execution is called: the command, or the image. */
  readonly title: string;
  readonly report?: SeenTaskReport | undefined;
}

export type SeenTaskReport = Pick<
  TaskReport,
  'progress' | 'message' | 'callbacks' | 'errors' | 'containerId'
>;

/** @param run its newest execution, where that is still known. */
export function seenContainerTask(
  { manifest, ...task }: ContainerTask,
  run: Pick<Run, 'taskReport'> | undefined,
): SeenContainerTask {
  const { progress, message, callbacks, errors, containerId } = run?.taskReport ?? {};
  const report =
    callbacks === undefined || errors === undefined
      ? undefined
      : { progress, message, callbacks, errors, containerId };
  return { ...task, title: taskTitle(manifest), report };
}
