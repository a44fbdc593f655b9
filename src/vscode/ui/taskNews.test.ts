import { describe, expect, it } from 'vitest';
import { callbackNotification } from '../../core/containerTasks/callback.ts';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import { newsOfNotification, newsOfState, noticeOf, type TaskNews } from './taskNews.ts';

const of = (taskId: string, eventType: string, payload: Record<string, unknown>) =>
  newsOfNotification({
    ...callbackNotification({ taskId, eventType, payload }),
    taskId,
    taskName: `Task ${taskId}`,
    runId: `run of ${taskId}`,
    sequence: 1,
  });

function news(taskId: string, kind: TaskNews['kind'], isBad: boolean): TaskNews {
  return {
    kind,
    isBad,
    message: `${kind} of ${taskId}`,
    taskId,
    taskName: `Name ${taskId}`,
    runId: `r${taskId}`,
  };
}

describe('news of container tasks', () => {
  it('are errors and results, in the words of the contract', () => {
    expect(of('task-001', 'status_update', { message: 'x', progress: 50 })).toBeUndefined();
    expect(of('task-001', 'log_entry', { level: 'warn', message: 'x' })).toBeUndefined();
    expect(of('task-001', 'own_event', {})).toBeUndefined();
    expect(of('task-001', 'log_entry', { level: 'error', message: 'x' })).toMatchObject({
      kind: 'error',
      message: 'Orca Log [ERROR] (task-0...): x',
    });
    expect(of('task-001', 'task_error', { message: 'x' })).toMatchObject({
      kind: 'error',
      isBad: true,
      message: 'Orca Error (task-0...): x',
      runId: 'run of task-001',
    });
    expect(of('task-001', 'task_result', { status: 'completed' })).toMatchObject({
      kind: 'result',
      isBad: false,
      message: 'Orca Result (task-0...): Status - completed',
    });
    expect(of('task-001', 'task_result', { status: 'failed' })).toMatchObject({
      kind: 'result',
      isBad: true,
    });
  });

  it('are ends that the task told nothing of, and of failures in a row the first and the last', () => {
    const at = (state: ContainerTask['state'], failures: number) =>
      newsOfState(
        { id: 'a', name: 'A', runId: 'r', state, failures, error: 'Exit code 1.' } as ContainerTask,
        undefined,
      );
    expect(at('succeeded', 0)?.message).toBe('Task "A" succeeded.');
    expect(at('failed', 3)).toMatchObject({ isBad: true, message: 'Task "A" failed: Exit code 1.' });
    expect(at('waiting', 1)?.message).toBe('Task "A" failed and is tried again: Exit code 1.');
    expect(at('waiting', 2)).toBeUndefined();
    expect(at('running', 0)).toBeUndefined();
    expect(at('stopped', 0)).toBeUndefined();
  });
});

describe('a notice', () => {
  it('of one thing has its words', () => {
    expect(noticeOf([news('1', 'result', false)])).toEqual({
      message: 'result of 1',
      severity: 'info',
      runId: 'r1',
    });
  });

  it('of one task tells its end, and counts its errors', () => {
    const notice = noticeOf([news('1', 'error', true), news('1', 'error', true), news('1', 'result', false)]);
    expect(notice).toEqual({ message: 'result of 1 · 2 errors', severity: 'warning', runId: 'r1' });
    expect(noticeOf([news('1', 'error', true), news('1', 'error', true)]).message).toBe(
      'error of 1 · 1 more error',
    );
  });

  it('of several tasks counts, names them, and shows the worst', () => {
    const all = [news('1', 'result', false), news('2', 'end', true), news('3', 'result', false)] as const;
    expect(noticeOf([...all])).toEqual({
      message: '3 tasks ended, 1 failed: Name 1, Name 2, Name 3',
      severity: 'error',
      runId: 'r2',
    });
    const errors = noticeOf([...all, news('4', 'error', true), news('5', 'error', true)]);
    expect(errors.message).toBe('3 tasks ended, 1 failed · 2 errors: Name 1, Name 2, Name 3 and 2 more');
  });
});
