import { isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import { describeContainerTask, percent, type TaskWithRun } from '../views/containerTaskRows.ts';
import { count, oneLine } from '../views/format.ts';

/** What the status bar says of the container tasks that go on. */
export interface TaskStatus {
  readonly icon: string;
  /** `Index 50 %`, `3 tasks 45 %` */
  readonly text: string;
  /** Each task with how it is. */
  readonly lines: readonly string[];
  /** The only one, where there is only one. */
  readonly taskId: string | undefined;
}

/** Undefined while none goes on. */
export function taskStatus(
  entries: readonly TaskWithRun[],
  now: number,
  isMotionReduced: boolean,
): TaskStatus | undefined {
  const live = entries.filter(({ task }) => isContainerTaskLive(task));
  const [first] = live;
  if (first === undefined) return undefined;
  const running = live.filter(({ task }) => task.state === 'running');
  const told = running.flatMap(({ run }) => run?.taskReport?.progress ?? []);
  const mean = told.reduce((sum, progress) => sum + progress, 0) / told.length;
  const isAlone = live.length === 1;
  const what = isAlone ? oneLine(first.task.name, 24) : count(live.length, 'task');
  const retries = isAlone && running.length === 0 ? ` retry ${first.task.failures}` : '';
  return {
    icon: running.length === 0 ? 'debug-restart' : isMotionReduced ? 'sync' : 'sync~spin',
    // How far all are is told only where all tell it: a mean over some would go back when another begins to.
    text:
      told.length > 0 && told.length === running.length ? `${what} ${percent(mean)}` : `${what}${retries}`,
    lines: live.map((entry) => `${oneLine(entry.task.name, 40)}: ${describeContainerTask(entry, now)}`),
    taskId: isAlone ? first.task.id : undefined,
  };
}
