import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { Session } from '../../../core/sessions/session.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import { Event, OrchestratorServiceDefinition } from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { containerCalls } from './containerCalls.ts';
import { eventMessage, selectorOf } from './eventMessages.ts';
import { eventEncoder, streamEvents } from './eventStream.ts';
import { keepGatewayLabels, ownLabels } from './gatewaySessions.ts';
import { messageStreams } from './messageStream.ts';
import type { ServerFacts } from './serverFacts.ts';
import {
  configOf,
  metadataOf,
  newMessageOf,
  preferencesOf,
  sessionStateMessage,
  sessionStateOf,
  sessionStatus,
} from './sessionMessages.ts';
import { checkMayChange, showSession, showSessions } from './sessionView.ts';
import { dateOf, required } from './values.ts';

/** What the product is made of, as far as a client may ask for its health. */
const subsystems = ['session_manager', 'event_bus', 'terminal_manager', 'run_manager', 'container_manager'];

/** Sessions, their messages, containers and events. An agent changes only what is in sessions that it owns. */
export function orchestratorService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const { sessions, messages } = orchestrator;
  const encode = eventEncoder(Event, eventMessage);

  const find = (id: string): Session => sessions.get(required(id, 'session_id'));
  const findOwn = (id: string, call: CallContext): Session => {
    const session = find(id);
    checkMayChange(session, call);
    return session;
  };

  return implement(OrchestratorServiceDefinition, {
    createSession: async ({ metadata, config }, { principal }) => {
      if (metadata === undefined) throw invalidRequest('metadata is required');
      const wanted = metadataOf(metadata, principal ?? undefined);
      if (!mayTouch(principal, wanted.owner ?? null))
        throw permissionDenied(principal, `what ${wanted.owner ?? 'user'} owns`);
      const session = await sessions.create({
        ...wanted,
        labels: ownLabels(wanted.labels),
        config: configOf(config),
      });
      return { sessionId: session.id, session: showSession(orchestrator, session) };
    },
    getSession: ({ sessionId }) => ({ session: showSession(orchestrator, find(sessionId)) }),
    listSessions: ({ filter }) => {
      const found = sessions.list({
        includeClosed: true,
        state: filter && sessionStateOf(filter.state),
        owner: given(filter?.ownerId ?? ''),
        labels: filter?.labels,
      });
      const status = given(filter?.status ?? 0);
      const wanted = found.filter(({ state }) => status === undefined || sessionStatus(state) === status);
      return { sessions: showSessions(orchestrator, wanted), totalCount: wanted.length };
    },
    updateSession: ({ sessionId, metadata, context }, call) => {
      const preferences = preferencesOf(context?.preferences);
      if (metadata === undefined && preferences === undefined) {
        return { session: showSession(orchestrator, find(sessionId)) };
      }
      const session = findOwn(sessionId, call);
      const wanted = metadata && metadataOf(metadata, call.principal ?? undefined);
      if (wanted !== undefined && !mayTouch(call.principal, wanted.owner ?? null))
        throw permissionDenied(call.principal, `what ${wanted.owner ?? 'user'} owns`);
      const updated = sessions.update(session.id, {
        metadata: wanted && { ...wanted, labels: keepGatewayLabels(session, wanted.labels) },
        preferences,
      });
      return { session: showSession(orchestrator, updated) };
    },
    closeSession: async ({ sessionId, reason }, call) => {
      const { id } = findOwn(sessionId, call);
      await sessions.close(id, given(reason));
      return { sessionId: id, state: sessionStateMessage(sessions.get(id).state) };
    },
    sendMessage: ({ sessionId, message }, call) => {
      required(sessionId, 'session_id');
      if (message === undefined) throw invalidRequest('message is required');
      const { id, time } = messages.append(findOwn(sessionId, call).id, newMessageOf(message));
      return { messageId: id, sessionId, timestamp: dateOf(time) };
    },
    streamMessages: messageStreams(orchestrator, facts),
    ...containerCalls(orchestrator),
    subscribeEvents: ({ filter }, call) => streamEvents(orchestrator, selectorOf(filter), encode, call),
    healthCheck: () => ({
      health: orchestrator.isReady ? Health.HEALTH_HEALTHY : Health.HEALTH_UNHEALTHY,
      version: facts.version,
      subsystems,
    }),
    getStatus: () => {
      const containers = orchestrator.containers.list();
      return {
        status: orchestrator.isReady ? Status.STATUS_RUNNING : Status.STATUS_STOPPING,
        activeSessions: sessions.list().filter(({ state }) => state === 'active' || state === 'idle').length,
        activeContainers: containers.filter(({ state }) => state !== 'exited' && state !== 'removing').length,
        startedAt: dateOf(facts.startedAt),
        // The contract has a point in time here: so long after the epoch as the server runs.
        uptime: dateOf(facts.now() - facts.startedAt),
      };
    },
  });
}
