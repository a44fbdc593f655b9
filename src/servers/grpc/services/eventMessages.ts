import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { defaultSource, type EventSelector } from '../../../core/events/eventSelector.ts';
import {
  type Event,
  type EventFilter,
  EventType,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { priorityMessage, priorityOf } from './commonMessages.ts';
import { dateOf } from './values.ts';

type KnownEventType = Exclude<EventType, EventType.EVENT_TYPE_UNSPECIFIED>;

/** The core's word for each type of the wire; what has no type there goes out as UNSPECIFIED. */
const typeWords: Readonly<Record<KnownEventType, string>> = {
  [EventType.EVENT_TYPE_CONTAINER_CREATED]: 'container.created',
  [EventType.EVENT_TYPE_CONTAINER_STARTED]: 'container.started',
  [EventType.EVENT_TYPE_CONTAINER_STOPPED]: 'container.stopped',
  [EventType.EVENT_TYPE_CONTAINER_REMOVED]: 'container.removed',
  [EventType.EVENT_TYPE_CONTAINER_ERROR]: 'container.error',
  [EventType.EVENT_TYPE_SESSION_CREATED]: 'session.created',
  [EventType.EVENT_TYPE_SESSION_UPDATED]: 'session.updated',
  [EventType.EVENT_TYPE_SESSION_CLOSED]: 'session.closed',
  [EventType.EVENT_TYPE_TASK_CREATED]: 'task.created',
  [EventType.EVENT_TYPE_TASK_UPDATED]: 'task.updated',
  [EventType.EVENT_TYPE_TASK_COMPLETED]: 'task.completed',
  [EventType.EVENT_TYPE_TASK_FAILED]: 'task.failed',
  [EventType.EVENT_TYPE_IPC_MESSAGE]: 'ipc.message',
  [EventType.EVENT_TYPE_POLICY_VIOLATION]: 'policy.violation',
  [EventType.EVENT_TYPE_RESOURCE_THRESHOLD]: 'terminal.threshold',
  [EventType.EVENT_TYPE_SYSTEM_STARTUP]: 'system.startup',
  [EventType.EVENT_TYPE_SYSTEM_SHUTDOWN]: 'system.shutdown',
};

const types: ReadonlyMap<string, EventType> = new Map(
  Object.entries(typeWords).map(([type, word]) => [word, Number(type) as EventType]),
);

export function eventMessage(event: OrchestratorEvent): Event {
  const { id, type, source, time, correlationId, sessionId, containerId, labels, priority } = event;
  return {
    id,
    type: types.get(type) ?? EventType.EVENT_TYPE_UNSPECIFIED,
    source: source ?? defaultSource,
    timestamp: dateOf(time),
    data: eventTexts(event),
    metadata: {
      correlationId: correlationId ?? '',
      sessionId: sessionId ?? '',
      containerId: containerId ?? '',
      userId: '',
      labels: { ...labels },
      priority: priorityMessage(priority),
    },
  };
}

/**
 * The event's data as texts, with what the wire has no other place for: the ids of what it belongs to, our word for its
 * type, and its sequence in the log, after which a client may resume.
 */
export function eventTexts(event: OrchestratorEvent): Record<string, string> {
  const { sessionId, runId, terminalId, agentId, taskId, data } = event;
  const texts = {
    ...data,
    owner_id: data['owner'],
    session_id: sessionId,
    run_id: runId,
    terminal_id: terminalId,
    agent_id: agentId ?? data['agent_id'],
    task_id: taskId,
    event_type: event.type,
    sequence: event.sequence,
  };
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, value]) =>
      value === undefined || value === null ? [] : [[key, textOf(value)]],
    ),
  );
}

/** Every field that is given must match. Errors: `invalid_request` for numbers that the enums do not have. */
export function selectorOf(filter: EventFilter | undefined): EventSelector {
  if (filter === undefined) return {};
  const { type, source, sessionId, containerId, priority, labels, startTime, endTime } = filter;
  return {
    types: typesOf(type),
    source: given(source),
    sessionId: given(sessionId),
    containerId: given(containerId),
    priority: priorityOf(priority),
    labels,
    startTime: startTime?.getTime(),
    endTime: endTime?.getTime(),
  };
}

function typesOf(type: EventType): readonly string[] | undefined {
  if (type === EventType.EVENT_TYPE_UNSPECIFIED) return undefined;
  // Over the wire any number may come.
  const word = (typeWords as Readonly<Record<number, string>>)[type];
  if (word === undefined) throw invalidRequest(`type has no value ${type}`);
  return [word];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
