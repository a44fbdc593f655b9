import type { OrchestratorEvent, Priority } from '../../core/events/event.ts';
import { Priority as PriorityMessage } from '../../protocol/gen/common/v1/common.ts';
import type { Event } from '../../protocol/gen/event/v1/event.ts';
import { timeOf } from './values.ts';

const priorities: Readonly<Record<number, Priority>> = {
  [PriorityMessage.PRIORITY_LOW]: 'low',
  [PriorityMessage.PRIORITY_NORMAL]: 'normal',
  [PriorityMessage.PRIORITY_HIGH]: 'high',
  [PriorityMessage.PRIORITY_CRITICAL]: 'critical',
};

/** As the store has it: what was not set is not there, so that it prints alike. */
export function eventOf(message: Event): OrchestratorEvent {
  const { sequence, id, type, labels, data } = message;
  const priority = priorities[message.priority];
  return {
    sequence,
    id,
    type,
    time: timeOf(message.time),
    ...set('sessionId', message.sessionId),
    ...set('runId', message.runId),
    ...set('terminalId', message.terminalId),
    ...set('containerId', message.containerId),
    ...set('agentId', message.agentId),
    ...set('taskId', message.taskId),
    ...set('correlationId', message.correlationId),
    ...set('source', message.source),
    ...(priority === undefined ? {} : { priority }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    data: data ?? {},
  };
}

function set<K extends string>(key: K, value: string): Partial<Record<K, string>> {
  return value === '' ? {} : ({ [key]: value } as Partial<Record<K, string>>);
}
