import { describe, expect, it } from 'vitest';
import { callbackNotification, messageLimit } from './callback.ts';
import { reduceTaskReport, type TaskReport } from './taskReport.ts';

const notify = (eventType: string, payload: Record<string, unknown>): unknown =>
  callbackNotification({ taskId: 'task-001', eventType, payload });

describe("the contract's mapping of callbacks to notifications", () => {
  it.each([
    ['status_update', { message: 'Half' }, 'Info', 'Orca Status (task-0...): Half', 'OrcaStatusUpdate'],
    [
      'status_update',
      { message: 'Half', progress: 50 },
      'Info',
      'Orca Status (task-0...): Half (50%)',
      'OrcaStatusUpdate',
    ],
    [
      'log_entry',
      { level: 'error', message: 'x' },
      'Error',
      'Orca Log [ERROR] (task-0...): x',
      'OrcaLogEntry',
    ],
    ['log_entry', { level: 'warn', message: 'x' }, 'Warn', 'Orca Log [WARN] (task-0...): x', 'OrcaLogEntry'],
    [
      'log_entry',
      { level: 'debug', message: 'x' },
      'Info',
      'Orca Log [DEBUG] (task-0...): x',
      'OrcaLogEntry',
    ],
    ['log_entry', { message: 'x' }, 'Info', 'Orca Log [INFO] (task-0...): x', 'OrcaLogEntry'],
    [
      'task_result',
      { status: 'completed' },
      'Info',
      'Orca Result (task-0...): Status - completed',
      'OrcaTaskResult',
    ],
    [
      'task_result',
      { status: 'failed' },
      'Error',
      'Orca Result (task-0...): Status - failed',
      'OrcaTaskResult',
    ],
    ['task_error', { message: 'no disk' }, 'Error', 'Orca Error (task-0...): no disk', 'OrcaTaskError'],
    ['my_type', {}, 'Info', 'Orca (task-0...) event: my_type', 'OrcaUnknownEvent_my_type'],
  ])('%s %j', (type, payload, level, message, action) => {
    expect(notify(type, payload)).toEqual({ level, message, action });
  });

  it('tolerates what clients send unchanged', () => {
    expect(notify('status_update', { message: 1, progress: 250 })).toMatchObject({
      message: 'Orca Status (task-0...): 1 (100%)',
    });
    expect(notify('status_update', { progress: 'soon' })).toMatchObject({
      message: 'Orca Status (task-0...): ',
    });
    const { message } = notify('task_error', { message: 'x'.repeat(10_000) }) as { message: string };
    expect(message.length).toBeLessThan(messageLimit + 100);
  });
});

describe('reduceTaskReport', () => {
  const fold = (...callbacks: [string, Record<string, unknown>][]): TaskReport | undefined =>
    callbacks.reduce<TaskReport | undefined>((report, [eventType, payload]) => {
      const data = { ...(notify(eventType, payload) as object), event_type: eventType, payload };
      return reduceTaskReport(report, 'container_task.callback', data);
    }, undefined);

  it('keeps the last progress, counts errors, and lets the first result stand', () => {
    expect(
      fold(
        ['status_update', { message: 'a', progress: 10 }],
        ['status_update', { message: 'b' }],
        ['task_error', { message: 'e' }],
        ['task_result', { status: 'failed', error_message: 'why' }],
        ['task_result', { status: 'completed' }],
      ),
    ).toEqual({
      callbacks: 5,
      errors: 1,
      progress: 10,
      message: 'b',
      result: { status: 'failed', error: 'why' },
    });
  });

  it('is not touched by events of other kinds', () => {
    expect(reduceTaskReport(undefined, 'runner.step.started', { step: 1 })).toBeUndefined();
  });
});
