import { given } from '../../../protocol/given.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { OrchestratorEvent, Priority } from '../../../core/events/event.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { mayTouch } from '../../../core/terminals/owners.ts';
import { Priority as PriorityMessage } from '../../../protocol/gen/common/v1/common.ts';
import {
  type Event,
  EventServiceDefinition,
  type ReadEventsRequest,
  type ReadEventsResponse,
} from '../../../protocol/gen/event/v1/event.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { dateOf } from './values.ts';

/** The event log over gRPC, as it is stored. */
export function eventService(orchestrator: Orchestrator): ServiceImplementation {
  return implement(EventServiceDefinition, {
    readEvents: (request, call) => readEvents(orchestrator, request, call),
  });
}

async function* readEvents(
  orchestrator: Orchestrator,
  request: ReadEventsRequest,
  call: CallContext,
): AsyncGenerator<ReadEventsResponse, void, undefined> {
  const { events } = orchestrator;
  checkRights(orchestrator, request, call);
  const { afterSequence: after, follows } = request;
  const scope = {
    sessionId: given(request.sessionId),
    runId: given(request.runId),
    terminalId: given(request.terminalId),
  };
  const { signal } = call;
  if (follows) {
    for await (const event of events.follow({ ...scope, after, signal })) yield { event: toMessage(event) };
    return;
  }
  events.checkCursor(after);
  const last = events.lastSequence;
  for (let cursor = after; cursor < last && !signal.aborted; ) {
    const page = events.page({ ...scope, after: cursor });
    for (const event of page.events) {
      if (event.sequence > last) return;
      yield { event: toMessage(event) };
    }
    cursor = page.readTo;
  }
}

/** An agent is not told of what others do: it names a run, or a terminal of its own. */
function checkRights(
  { terminals }: Orchestrator,
  { runId, terminalId }: ReadEventsRequest,
  { principal }: CallContext,
): void {
  if (principal === null || runId !== '') return;
  const terminal = terminals.find(terminalId);
  if (terminal !== undefined && mayTouch(principal, terminal.managedBy)) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `${principal} may not read the whole log. Name a run, or a terminal of yours.`,
  );
}

const priorities: Readonly<Record<Priority, PriorityMessage>> = {
  low: PriorityMessage.PRIORITY_LOW,
  normal: PriorityMessage.PRIORITY_NORMAL,
  high: PriorityMessage.PRIORITY_HIGH,
  critical: PriorityMessage.PRIORITY_CRITICAL,
};

function toMessage(event: OrchestratorEvent): Event {
  const { sequence, id, type, time, priority, labels, data } = event;
  return {
    sequence,
    id,
    type,
    time: dateOf(time),
    sessionId: event.sessionId ?? '',
    runId: event.runId ?? '',
    terminalId: event.terminalId ?? '',
    containerId: event.containerId ?? '',
    agentId: event.agentId ?? '',
    taskId: event.taskId ?? '',
    correlationId: event.correlationId ?? '',
    source: event.source ?? '',
    priority: priority === undefined ? PriorityMessage.PRIORITY_UNSPECIFIED : priorities[priority],
    labels: { ...labels },
    data,
  };
}
