import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { defaultSource, type EventSelector } from '../../../core/events/eventSelector.ts';
import {
  type GatewayEvent,
  type GatewayEventFilter,
  GatewayEventType,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import { priorityMessage, priorityOf } from './commonMessages.ts';
import { eventTexts } from './eventMessages.ts';
import { dateOf } from './values.ts';

type KnownType = Exclude<GatewayEventType, GatewayEventType.GATEWAY_EVENT_TYPE_UNSPECIFIED>;

/** The core's words for each type of the wire; what has no type there goes out as UNSPECIFIED. */
const typeWords: Readonly<Record<KnownType, readonly string[]>> = {
  [GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_CREATED]: ['session.created'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_UPDATED]: ['session.updated'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_SESSION_CLOSED]: ['session.closed'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_SENT]: ['message.sent'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_RECEIVED]: ['message.sent'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_STREAM_STARTED]: ['response.created'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_STREAM_CHUNK]: ['runner.step.output', 'runner.task.output'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_STREAM_COMPLETE]: ['response.completed'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_STREAM_ERROR]: ['error', 'response.failed'],
  [GatewayEventType.GATEWAY_EVENT_TYPE_ERROR]: ['task.failed', 'agent.lost', 'processHost.lost'],
};

/** Without the messages, whose type depends on who speaks. */
const types: ReadonlyMap<string, GatewayEventType> = new Map(
  Object.entries(typeWords).flatMap(([type, words]) =>
    words.map((word) => [word, Number(type) as GatewayEventType]),
  ),
);

/** What the assistant says is received, all else is sent. */
export function gatewayEventType({ type, data }: OrchestratorEvent): GatewayEventType {
  if (type !== 'message.sent') return types.get(type) ?? GatewayEventType.GATEWAY_EVENT_TYPE_UNSPECIFIED;
  return data['role'] === 'assistant'
    ? GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_RECEIVED
    : GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_SENT;
}

/** @param gatewayId of the event's session; empty where that is none of a gateway's. */
export function gatewayEventMessage(event: OrchestratorEvent, gatewayId: string): GatewayEvent {
  const { session_id: orchestratorSessionId, ...texts } = eventTexts(event);
  const { message_id: messageId = '' } = texts;
  return {
    id: event.id,
    type: gatewayEventType(event),
    source: event.source ?? defaultSource,
    timestamp: dateOf(event.time),
    data: {
      ...texts,
      ...(orchestratorSessionId === undefined ? {} : { orchestrator_session_id: orchestratorSessionId }),
    },
    metadata: {
      sessionId: gatewayId,
      messageId,
      userId: '',
      correlationId: event.correlationId ?? '',
      labels: { ...event.labels },
      priority: priorityMessage(event.priority),
    },
  };
}

/** Every field that is given must match. Errors: `invalid_request` for numbers that the enums do not have. */
export function gatewaySelectorOf(
  filter: GatewayEventFilter | undefined,
  sessionId: string | undefined,
): EventSelector {
  if (filter === undefined) return { sessionId };
  const { type, source, priority, labels, startTime, endTime } = filter;
  return {
    sessionId,
    types: typesOf(type),
    source: given(source),
    priority: priorityOf(priority),
    labels,
    startTime: startTime?.getTime(),
    endTime: endTime?.getTime(),
  };
}

function typesOf(type: GatewayEventType): readonly string[] | undefined {
  if (type === GatewayEventType.GATEWAY_EVENT_TYPE_UNSPECIFIED) return undefined;
  // Over the wire any number may come.
  const words = (typeWords as Readonly<Record<number, readonly string[]>>)[type];
  if (words === undefined) throw invalidRequest(`type has no value ${type}`);
  return words;
}
