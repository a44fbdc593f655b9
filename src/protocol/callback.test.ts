import { describe, expect, it } from 'vitest';
import { parseCallback } from './callback.ts';

describe('parseCallback', () => {
  it("takes the contract's shape, with further fields", () => {
    const body = {
      taskId: 't',
      eventType: 'log_entry',
      timestamp: '2025-05-16T10:00:00.000001Z',
      payload: { level: 'warn', message: 'x' },
      extra: 1,
    };
    expect(parseCallback(body)).toEqual({
      callback: {
        taskId: 't',
        eventType: 'log_entry',
        timestamp: '2025-05-16T10:00:00.000001Z',
        payload: { level: 'warn', message: 'x' },
      },
    });
  });

  it('takes a payload whatever else there is', () => {
    expect(parseCallback({ taskId: 't', eventType: 'x', payload: { a: 1 }, data: 'text' })).toEqual({
      callback: { taskId: 't', eventType: 'x', timestamp: undefined, payload: { a: 1 } },
    });
  });

  it("takes the seed's shape: data, and no timestamp", () => {
    expect(parseCallback({ taskId: 't', eventType: 'my_type', data: { a: 1 } })).toEqual({
      callback: { taskId: 't', eventType: 'my_type', timestamp: undefined, payload: { a: 1 } },
    });
  });

  it.each([
    [
      {},
      [
        'Missing required field: taskId',
        'Missing required field: eventType',
        'Missing required field: payload',
      ],
    ],
    [{ taskId: 't', payload: {} }, ['Missing required field: eventType']],
    [{ taskId: 't', eventType: null, payload: {} }, ['Missing required field: eventType']],
    [{ taskId: 't', eventType: 7, payload: {} }, ['Invalid eventType: 7']],
    [{ taskId: '', eventType: 'x', payload: {} }, ['Invalid taskId: ']],
    [{ taskId: 't', eventType: 'x', payload: 'text' }, ['Invalid payload: text']],
    [[], ['The body is not a JSON object']],
    [null, ['The body is not a JSON object']],
    ['text', ['The body is not a JSON object']],
  ])('says what is wrong with %j in the words of the reference listener', (body, errors) => {
    expect(parseCallback(body)).toEqual({ errors });
  });
});
