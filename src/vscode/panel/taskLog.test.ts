import { describe, expect, it } from 'vitest';
import { callbackNotification } from '../../core/containerTasks/callback.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import { type HostMessage, taskLogLimit } from '../../protocol/runPanel.ts';
import { taskEntryDocument, taskLogEntry } from './taskLog.ts';
import { TaskLogStream } from './taskLogStream.ts';

function callback(eventType: string, payload: Record<string, unknown>, sequence = 1): OrchestratorEvent {
  const notification = callbackNotification({ taskId: 'task-001', eventType, payload });
  const data = { ...notification, event_type: eventType, payload, timestamp: null, replaced: 0 };
  return { sequence, id: String(sequence), type: 'container_task.callback', time: 5, runId: 'r', data };
}

describe('an entry of a task log', () => {
  it('has the words of what was told, its level and its action', () => {
    expect(taskLogEntry(callback('status_update', { message: 'Reading', progress: 49.6 }))).toEqual({
      sequence: 1,
      time: 5,
      kind: 'status',
      level: 'Info',
      text: 'Reading (50 %)',
      action: 'OrcaStatusUpdate',
    });
    expect(
      taskLogEntry(callback('log_entry', { level: 'warn', message: 'm', details: { a: 1 } })),
    ).toMatchObject({
      kind: 'log',
      level: 'Warn',
      text: 'm',
      details: '{\n  "a": 1\n}',
    });
    expect(
      taskLogEntry(callback('task_error', { message: 'm', error_details: { a: 1 }, stack_trace: 'at x' })),
    ).toMatchObject({ kind: 'error', level: 'Error', text: 'm', details: '{\n  "a": 1\n}', stack: 'at x' });
    expect(taskLogEntry(callback('own', { b: 2 }))).toMatchObject({
      kind: 'other',
      text: 'own',
      details: '{\n  "b": 2\n}',
    });
  });

  it('of a result has its data, in whichever form it came', () => {
    const seed = callback('task_result', { output_cid: 'bafy', status: 'completed' });
    expect(taskLogEntry(seed)).toMatchObject({
      kind: 'result',
      text: 'completed',
      details: '{\n  "output_cid": "bafy"\n}',
    });
    const contract = callback('task_result', {
      status: 'failed',
      result_data: {},
      error_message: 'no space',
    });
    expect(taskLogEntry(contract)).toEqual(
      expect.objectContaining({ kind: 'result', level: 'Error', text: 'failed: no space' }),
    );
    expect(taskLogEntry(contract)).not.toHaveProperty('details');
    expect(taskEntryDocument(seed)).toBe('{\n  "output_cid": "bafy"\n}\n');
  });

  it('that is long is cut, and whole as a document', () => {
    const event = callback('task_result', { status: 'completed', result_data: { text: 'x'.repeat(20_000) } });
    expect(taskLogEntry(event)).toMatchObject({ isCut: true });
    expect(taskLogEntry(event)?.details).toHaveLength(8_000);
    expect(JSON.parse(taskEntryDocument(event))).toEqual({ text: 'x'.repeat(20_000) });
  });

  it('is none of what else a run reports, and counts what was refused', () => {
    const event = { ...callback('x', {}), type: 'runner.step.output' };
    expect(taskLogEntry(event)).toBeUndefined();
    const refused = {
      ...event,
      type: 'container_task.refused',
      data: { unauthenticated: 3, invalid: 0, over_limit: 2 },
    };
    expect(taskLogEntry(refused)?.text).toBe('Requests were refused: 3 without the token, 2 over the limit');
  });
});

describe('the stream of a task log', () => {
  const log = (count: number): OrchestratorEvent[] =>
    Array.from({ length: count }, (_, i) => callback('log_entry', { message: `m${i + 1}` }, i + 1));

  function streamOf(events: OrchestratorEvent[]) {
    const posted: Extract<HostMessage, { type: 'taskLog' }>[] = [];
    const stream = new TaskLogStream({
      runId: 'r',
      read: ({ after, limit }) => events.filter(({ sequence }) => sequence > after).slice(0, limit),
      post: (message) => {
        if (message.type === 'taskLog') posted.push(message);
        return Promise.resolve(true);
      },
    });
    return { stream, posted };
  }

  it('sends what was there and what comes, in order and once', async () => {
    const events = log(2);
    const { stream, posted } = streamOf(events);
    stream.update();
    await stream.settled();
    events.push(...log(4).slice(2));
    stream.update();
    stream.update();
    await stream.settled();
    expect(posted.map(({ isReset }) => isReset)).toEqual([true, false]);
    expect(posted.flatMap(({ entries }) => entries.map(({ text }) => text))).toEqual([
      'm1',
      'm2',
      'm3',
      'm4',
    ]);
  });

  it('says that a log is empty, once', async () => {
    const { stream, posted } = streamOf([]);
    stream.update();
    await stream.settled();
    stream.update();
    await stream.settled();
    expect(posted).toEqual([{ type: 'taskLog', entries: [], isReset: true, omitted: 0 }]);
  });

  it('of a long one sends the newest and counts the others', async () => {
    const { stream, posted } = streamOf(log(taskLogLimit + 1_234));
    stream.update();
    await stream.settled();
    expect(posted).toHaveLength(1);
    expect(posted[0]?.omitted).toBe(1_234);
    expect(posted[0]?.entries).toHaveLength(taskLogLimit);
    expect(posted[0]?.entries.at(-1)?.text).toBe(`m${taskLogLimit + 1_234}`);
  });
});
