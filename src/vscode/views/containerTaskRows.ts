import { type ContainerTask, isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import type { Run } from '../../core/runs/run.ts';
import { isActive } from './describe.ts';
import { count, formatElapsed, formatTime, oneLine } from './format.ts';
import { type Row, type RowIcon, statusIcon } from './rows.ts';

/** A container task with its newest execution, as far as that is still known. */
export interface TaskWithRun {
  readonly task: ContainerTask;
  readonly run: Run | undefined;
}

/** `50 % · reading · 0:12`, `retry 3 in 8 s · exit code 1`, `failed · exit code 1 · 08:14`: how a task is. */
export function describeContainerTask({ task, run }: TaskWithRun, now: number): string {
  const { state, updatedAt } = task;
  const why = task.error === undefined ? [] : [oneLine(task.error, 80)];
  switch (state) {
    case 'running':
      return describeExecution(run, now);
    case 'waiting':
      return [describeWait(task, now), ...why].join(' · ');
    case 'failed':
      return ['failed', ...why, formatTime(updatedAt, now)].join(' · ');
    case 'succeeded':
    case 'stopped':
      return [state, formatTime(updatedAt, now)].join(' · ');
  }
}

/** `retry 3 in 8 s`: which try comes next, and when. A task that succeeded and runs always has had no failure. */
export function describeWait({ failures, nextStartAt = 0 }: ContainerTask, now: number): string {
  const seconds = Math.max(0, Math.ceil((nextStartAt - now) / 1_000));
  const next = failures === 0 ? 'starts again' : `retry ${failures}`;
  if (seconds === 0) return `${next} now`;
  return `${next} in ${seconds < 60 ? `${seconds} s` : formatElapsed(seconds * 1_000)}`;
}

function describeExecution(run: Run | undefined, now: number): string {
  // The moment between its end and what is decided then belongs to it.
  if (run === undefined || !isActive(run)) return 'running';
  if (run.isAborting) return 'stopping';
  const { taskReport } = run;
  if (run.status === 'queued') return 'queued';
  const [step] = run.steps;
  const hasBegun = step !== undefined && step.status !== 'pending';
  // In a narrow side bar only the first word is seen: how far it is says that it runs.
  const share =
    taskReport?.progress === undefined ? (hasBegun ? 'running' : 'starting') : percent(taskReport.progress);
  const message = taskReport?.message ?? '';
  const told = message === '' ? [] : [oneLine(message, 60)];
  return [share, ...told, formatElapsed(now - (run.startedAt ?? run.createdAt))].join(' · ');
}

/** `50 %` */
export function percent(progress: number): string {
  return `${Math.round(progress)} %`;
}

export interface TaskRowContext {
  readonly now: number;
  readonly isMotionReduced: boolean;
}

export function containerTaskRow(entry: TaskWithRun, { now, isMotionReduced }: TaskRowContext): Row {
  const { task, run } = entry;
  const tokens = ['containerTask', 'copyable'];
  if (isContainerTaskLive(task) && run?.isAborting !== true) tokens.push('canStopTask');
  if (task.state !== 'running') tokens.push('canRetryTask');
  if (!isContainerTaskLive(task)) tokens.push('endedTask');
  const label = oneLine(task.name, 60);
  const errors = run?.taskReport?.errors ?? 0;
  const told = task.state === 'running' && errors > 0 ? [count(errors, 'error')] : [];
  const description = [describeContainerTask(entry, now), ...told].join(' · ');
  const isCounted = task.state === 'running' && run?.taskReport?.progress !== undefined;
  return {
    id: `containerTask:${task.id}`,
    kind: 'containerTask',
    targetId: task.id,
    parentId: `session:${task.sessionId}`,
    label,
    description,
    icon: containerTaskIcon(task, isMotionReduced),
    context: tokens.join(' '),
    expansion: 'none',
    accessibilityLabel: `Container task ${label}, ${isCounted ? 'running, ' : ''}${description}`,
  };
}

export function containerTaskIcon({ state }: ContainerTask, isMotionReduced: boolean): RowIcon {
  switch (state) {
    case 'waiting':
      return { id: 'debug-restart', color: 'list.warningForeground' };
    case 'stopped':
      return statusIcon('cancelled', isMotionReduced);
    default:
      return statusIcon(state, isMotionReduced);
  }
}
