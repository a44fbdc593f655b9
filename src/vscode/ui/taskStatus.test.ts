import { describe, expect, it } from 'vitest';
import type { ContainerTask } from '../../core/containerTasks/containerTask.ts';
import type { Run } from '../../core/runs/run.ts';
import type { TaskWithRun } from '../views/containerTaskRows.ts';
import { taskStatus } from './taskStatus.ts';

const now = 1_000_000;

function entry(id: string, state: ContainerTask['state'], progress?: number): TaskWithRun {
  const task = { id, name: `Task ${id}`, state, failures: 2, nextStartAt: now + 3_000 } as ContainerTask;
  const run = {
    status: 'running',
    steps: [],
    createdAt: now,
    taskReport: { callbacks: 1, errors: 0, progress },
  } as unknown as Run;
  return { task, run };
}

describe('the status of container tasks', () => {
  it('is there only while one goes on', () => {
    expect(taskStatus([], now, false)).toBeUndefined();
    expect(taskStatus([entry('a', 'succeeded'), entry('b', 'failed')], now, false)).toBeUndefined();
  });

  it('names one, and counts several', () => {
    expect(taskStatus([entry('a', 'running', 49.7), entry('b', 'stopped')], now, false)).toEqual({
      icon: 'sync~spin',
      text: 'Task a 50 %',
      lines: ['Task a: 50 % · 0:00'],
      taskId: 'a',
    });
    const several = [entry('a', 'running', 20), entry('b', 'running', 70), entry('c', 'waiting')];
    expect(taskStatus(several, now, true)).toMatchObject({
      icon: 'sync',
      text: '3 tasks 45 %',
      taskId: undefined,
    });
    expect(taskStatus([entry('a', 'running', 20), entry('b', 'running')], now, true)?.text).toBe('2 tasks');
    expect(taskStatus([entry('a', 'waiting')], now, false)).toMatchObject({
      icon: 'debug-restart',
      text: 'Task a retry 2',
    });
  });
});
