import { expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { Priority } from '../../../protocol/gen/common/v1/common.ts';
import { EventFilter, EventType } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { eventMessage, selectorOf } from './eventMessages.ts';

const event: OrchestratorEvent = {
  sequence: 7,
  id: 'e',
  type: 'task.created',
  time: 1_000,
  sessionId: 's',
  agentId: 'a',
  taskId: 't',
  priority: 'high',
  labels: { a: 'b' },
  data: { name: 'n', agent_id: null, attempt: 1, nested: { deep: true } },
};

it('every type of the wire stands for one of ours, and comes back', () => {
  for (const type of Object.values(EventType)) {
    const words = selectorOf(EventFilter.fromPartial({ type })).types;
    if (type === EventType.EVENT_TYPE_UNSPECIFIED) expect(words).toBeUndefined();
    else expect(eventMessage({ ...event, type: words![0]! }).type).toBe(type);
  }
  expect(eventMessage({ ...event, type: 'message.sent' }).type).toBe(EventType.EVENT_TYPE_UNSPECIFIED);
  expect(() => selectorOf(EventFilter.fromPartial({ type: 99 as EventType }))).toThrow(
    'type has no value 99',
  );
});

it("an event's data are texts, with what the wire has no field for", () => {
  expect(eventMessage(event)).toEqual({
    id: 'e',
    type: EventType.EVENT_TYPE_TASK_CREATED,
    source: 'orchestrator',
    timestamp: new Date(1_000),
    data: {
      name: 'n',
      attempt: '1',
      nested: '{"deep":true}',
      session_id: 's',
      agent_id: 'a',
      task_id: 't',
      event_type: 'task.created',
      sequence: '7',
    },
    metadata: {
      correlationId: '',
      sessionId: 's',
      containerId: '',
      userId: '',
      labels: { a: 'b' },
      priority: Priority.PRIORITY_HIGH,
    },
  });
});

it('a filter asks for what it gives, and for nothing else', () => {
  expect(selectorOf(undefined)).toEqual({});
  expect(selectorOf(EventFilter.fromPartial({}))).toEqual({ labels: {} });
  const whole = EventFilter.fromPartial({
    type: EventType.EVENT_TYPE_SESSION_CLOSED,
    source: 'x',
    sessionId: 's',
    containerId: 'c',
    priority: Priority.PRIORITY_LOW,
    labels: { a: 'b' },
    startTime: new Date(1),
    endTime: new Date(2),
  });
  expect(selectorOf(whole)).toEqual({
    types: ['session.closed'],
    source: 'x',
    sessionId: 's',
    containerId: 'c',
    priority: 'low',
    labels: { a: 'b' },
    startTime: 1,
    endTime: 2,
  });
});
