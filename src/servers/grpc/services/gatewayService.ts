import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Message, NewMessage } from '../../../core/sessions/message.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  GatewayEvent,
  GatewayServiceDefinition,
  type SubscribeToEventsRequest,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { eventEncoder, streamEvents } from './eventStream.ts';
import { streamChat } from './gatewayChat.ts';
import { gatewayEventMessage, gatewayEventType, gatewaySelectorOf } from './gatewayEvents.ts';
import {
  gatewayMessageOf,
  gatewaySessionMessage,
  gatewaySessionRequest,
  gatewayStateMessage,
  gatewayStateOf,
} from './gatewayMessages.ts';
import { streamResponses } from './gatewayResponses.ts';
import { gatewayIdOf, getGatewaySession, listGatewaySessions } from './gatewaySessions.ts';
import type { ServerFacts } from './serverFacts.ts';
import { sessionStatus } from './sessionMessages.ts';
import { checkMayChange } from './sessionView.ts';
import { dateOf, required } from './values.ts';

const subsystems = ['session_manager', 'event_bus', 'gateway_registry'];

/** Sessions of chat clients, each of them a session of the orchestrator, and the chat in them. */
export function gatewayService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const { sessions } = orchestrator;
  let activeStreams = 0;
  const encode = eventEncoder(GatewayEvent, (event) =>
    gatewayEventMessage(event, gatewayIdOf(orchestrator, event.sessionId)),
  );

  const find = (id: string): Session => getGatewaySession(orchestrator, required(id, 'session_id'));
  const findOwn = (id: string, call: CallContext): Session => {
    const session = find(id);
    checkMayChange(session, call);
    return session;
  };
  async function* counted<T>(stream: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    activeStreams += 1;
    try {
      yield* stream;
    } finally {
      activeStreams -= 1;
    }
  }
  const subscribe = (
    { sessionId, filter }: SubscribeToEventsRequest,
    call: CallContext,
  ): ReturnType<typeof streamEvents<GatewayEvent>> => {
    const session = sessionId === '' ? undefined : find(sessionId);
    const type = given(filter?.type ?? 0);
    // Two of the types are one to the core, so that the selector alone does not tell them apart.
    return streamEvents(
      orchestrator,
      gatewaySelectorOf(filter, session?.id),
      (event) => (type === undefined || gatewayEventType(event) === type ? encode(event) : undefined),
      call,
    );
  };

  return implement(GatewayServiceDefinition, {
    createGatewaySession: async (request, { principal }) => {
      const wanted = gatewaySessionRequest(request, facts.newId(), principal ?? undefined);
      if (!mayTouch(principal, wanted.owner ?? null))
        throw permissionDenied(principal, `what ${wanted.owner ?? 'user'} owns`);
      const session = gatewaySessionMessage(await sessions.create(wanted));
      return { sessionId: session.id, session };
    },
    getGatewaySession: ({ sessionId }) => ({ session: gatewaySessionMessage(find(sessionId)) }),
    listGatewaySessions: ({ filter }) => {
      const state = filter && gatewayStateOf(filter.state);
      const status = given(filter?.status ?? 0);
      const owner = given(filter?.userId ?? '');
      const wanted = listGatewaySessions(orchestrator, filter?.labels).filter(
        (session) =>
          (state === undefined || session.state === state) &&
          (status === undefined || sessionStatus(session.state) === status) &&
          (owner === undefined || session.owner === owner),
      );
      return { sessions: wanted.map(gatewaySessionMessage), totalCount: wanted.length };
    },
    closeGatewaySession: async ({ sessionId, reason }, call) => {
      const { id } = findOwn(sessionId, call);
      await sessions.close(id, given(reason));
      return { sessionId, state: gatewayStateMessage(sessions.get(id).state) };
    },
    gatewaySendMessage: ({ sessionId, message }, call) => {
      required(sessionId, 'session_id');
      if (message === undefined) throw invalidRequest('message is required');
      const session = findOwn(sessionId, call);
      const { id, time } = sayOrStore(orchestrator, session, gatewayMessageOf(message, session));
      return { messageId: id, sessionId, timestamp: dateOf(time) };
    },
    streamChat: (requests, call) => counted(streamChat(orchestrator, facts, requests, call)),
    streamResponses: (request, call) => counted(streamResponses(orchestrator, facts, request, call)),
    subscribeToEvents: (request, call) => subscribe(request, call),
    healthCheck: () => ({
      health: orchestrator.isReady ? Health.HEALTH_HEALTHY : Health.HEALTH_UNHEALTHY,
      version: facts.version,
      subsystems,
    }),
    getStatus: () => ({
      status: orchestrator.isReady ? Status.STATUS_RUNNING : Status.STATUS_STOPPING,
      activeSessions: listGatewaySessions(orchestrator).length,
      activeStreams,
      startedAt: dateOf(facts.startedAt),
      // The contract has a point in time here: so long after the epoch as the server runs.
      uptime: dateOf(facts.now() - facts.startedAt),
    }),
  });
}

/** A message that no assistant can answer is stored all the same: the contract's servers only store. */
function sayOrStore(
  { conversations, messages }: Orchestrator,
  { id }: Session,
  message: NewMessage,
): Message {
  try {
    return conversations.say(id, message).message;
  } catch (error) {
    const hasNoAssistant =
      OrchestratorError.is(error, 'agent_not_found') || OrchestratorError.is(error, 'agent_unavailable');
    if (!hasNoAssistant) throw error;
    return messages.append(id, message);
  }
}
