import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import type { TaskNotification } from '../../core/containerTasks/taskNotification.ts';
import type { Run } from '../../core/runs/run.ts';
import { count, oneLine } from '../views/format.ts';

/** Something of a container task that a person may want to be told of. */
export interface TaskNews {
  /** `end`: it ended without telling a result itself. */
  readonly kind: 'error' | 'result' | 'end';
  readonly isBad: boolean;
  /** As it is told where it comes alone: a callback's in the words of contract 000. */
  readonly message: string;
  readonly taskId: string;
  readonly taskName: string;
  readonly runId: string;
}

/** Errors and results; the status and the rest of the log are never news. */
export function newsOfNotification(notification: TaskNotification): TaskNews | undefined {
  const { level, action, message, taskId, taskName, runId } = notification;
  const isBad = level === 'Error';
  const isResult = action === 'OrcaTaskResult';
  if (!isResult && !isBad) return undefined;
  return {
    kind: isResult ? 'result' : 'error',
    isBad,
    message: oneLine(message, 300),
    taskId,
    taskName,
    runId,
  };
}

/** Of a task that has just come to its state. Of failures in a row the first is news, and the one that ends it. */
export function newsOfState(task: ContainerTask, run: Run | undefined): TaskNews | undefined {
  const { state, failures, id: taskId, name: taskName, runId } = task;
  if (runId === undefined || run?.taskReport?.result !== undefined) return undefined;
  const news = (isBad: boolean, words: string): TaskNews => {
    const why = task.error === undefined ? '.' : `: ${oneLine(task.error, 240)}`;
    const message = `Task "${oneLine(taskName, 60)}" ${words}${isBad ? why : '.'}`;
    return { kind: 'end', isBad, message, taskId, taskName, runId };
  };
  if (state === 'succeeded') return news(false, 'succeeded');
  if (state === 'failed') return news(true, 'failed');
  return state === 'waiting' && failures === 1 ? news(true, 'failed and is tried again') : undefined;
}

/** One notification for all that came since the last. */
export interface TaskNotice {
  readonly message: string;
  /** Errors on the way to a good end are a warning. */
  readonly severity: 'info' | 'warning' | 'error';
  /** What Show Task shows: the worst, and of several such the latest. */
  readonly runId: string;
}

const namesShown = 3;

export function noticeOf(news: readonly [TaskNews, ...TaskNews[]]): TaskNotice {
  const worst = news.findLast(({ isBad }) => isBad) ?? news.at(-1) ?? news[0];
  return { message: messageOf(news), severity: severityOf(news), runId: worst.runId };
}

function severityOf(news: readonly TaskNews[]): TaskNotice['severity'] {
  const ends = news.filter(({ kind }) => kind !== 'error');
  if (ends.length === 0 || ends.some(({ isBad }) => isBad)) return 'error';
  return ends.length === news.length ? 'info' : 'warning';
}

function messageOf(news: readonly [TaskNews, ...TaskNews[]]): string {
  const [only] = news;
  if (news.length === 1) return only.message;
  const names = new Map(news.map(({ taskId, taskName }) => [taskId, oneLine(taskName, 40)]));
  const errors = news.filter(({ kind }) => kind === 'error').length;
  const ended = news.filter(({ kind }) => kind !== 'error');
  if (names.size === 1) {
    const latest = ended.at(-1);
    if (latest === undefined) return `${news.at(-1)?.message ?? ''} · ${count(errors - 1, 'more error')}`;
    return errors === 0 ? latest.message : `${latest.message} · ${count(errors, 'error')}`;
  }
  const endedTasks = new Set(ended.map(({ taskId }) => taskId)).size;
  const failedTasks = new Set(ended.filter((one) => one.isBad).map(({ taskId }) => taskId)).size;
  const failed = failedTasks === 0 ? '' : `, ${failedTasks} failed`;
  const parts = [
    ...(endedTasks === 0 ? [] : [`${count(endedTasks, 'task')} ended${failed}`]),
    ...(errors === 0 ? [] : [count(errors, 'error')]),
  ];
  const shown = [...names.values()].slice(0, namesShown).join(', ');
  const more = names.size > namesShown ? ` and ${names.size - namesShown} more` : '';
  return `${parts.join(' · ')}: ${shown}${more}`;
}
