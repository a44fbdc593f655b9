import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { MessageRole, NewMessage } from '../../../core/sessions/message.ts';
import type { CreateSessionRequest, Session, SessionState } from '../../../core/sessions/session.ts';
import {
  type CreateGatewaySessionRequest,
  type GatewayMessage,
  GatewayMessageRole,
  GatewaySessionConfig,
  type GatewaySession,
  GatewaySessionState,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import { msOfNs, wordOf } from './commonMessages.ts';
import { gatewayFactsOf, gatewayLabels, ownLabels } from './gatewaySessions.ts';
import { sessionStatus } from './sessionMessages.ts';
import { dateOf, optionalDate } from './values.ts';

const states: Readonly<Record<SessionState, GatewaySessionState>> = {
  initializing: GatewaySessionState.GATEWAY_SESSION_STATE_INITIALIZING,
  active: GatewaySessionState.GATEWAY_SESSION_STATE_ACTIVE,
  idle: GatewaySessionState.GATEWAY_SESSION_STATE_IDLE,
  closing: GatewaySessionState.GATEWAY_SESSION_STATE_CLOSING,
  closed: GatewaySessionState.GATEWAY_SESSION_STATE_CLOSED,
};

const roles: Readonly<Record<GatewayMessageRole, MessageRole>> = {
  [GatewayMessageRole.GATEWAY_MESSAGE_ROLE_UNSPECIFIED]: 'user',
  [GatewayMessageRole.GATEWAY_MESSAGE_ROLE_USER]: 'user',
  [GatewayMessageRole.GATEWAY_MESSAGE_ROLE_SYSTEM]: 'system',
  [GatewayMessageRole.GATEWAY_MESSAGE_ROLE_ASSISTANT]: 'assistant',
};

export function gatewaySessionMessage(session: Session): GatewaySession {
  const { id: orchestratorSessionId, state, createdAt, updatedAt, expiresAt, closedAt } = session;
  const { name, description, labels, owner, tags } = session;
  const facts = gatewayFactsOf(session);
  return {
    id: facts?.id ?? '',
    state: states[state],
    status: sessionStatus(state),
    createdAt: dateOf(createdAt),
    updatedAt: dateOf(updatedAt),
    expiresAt: optionalDate(expiresAt),
    closedAt: optionalDate(closedAt),
    metadata: {
      name,
      description,
      labels: { ...ownLabels(labels) },
      userId: owner,
      tags: [...tags],
      clientType: facts?.clientType ?? '',
      clientVersion: facts?.clientVersion ?? '',
    },
    config: facts?.config,
    orchestratorSessionId,
  };
}

export function gatewayStateMessage(state: SessionState): GatewaySessionState {
  return states[state];
}

/** Error: `invalid_request`. */
export function gatewayStateOf(message: GatewaySessionState): SessionState | undefined {
  return wordOf(states, message, 'state');
}

/**
 * The session of the orchestrator that a gateway's session stands for.
 * @param id the gateway's. @param owner whose it is where the message does not say it. Errors: `invalid_request`.
 */
export function gatewaySessionRequest(
  { metadata, config }: CreateGatewaySessionRequest,
  id: string,
  owner: string | undefined,
): CreateSessionRequest {
  if (metadata === undefined) throw invalidRequest('metadata is required');
  const { name, description, labels, userId, tags, clientType, clientVersion } = metadata;
  const wanted = config ?? GatewaySessionConfig.fromPartial({});
  return {
    name,
    description,
    tags,
    owner: given(userId) ?? owner,
    labels: { ...ownLabels(labels), ...gatewayLabels({ id, clientType, clientVersion, config: wanted }) },
    config: {
      maxDurationMs: msOfNs(wanted.timeoutNs, 'timeout_ns'),
      idleTimeoutMs: msOfNs(wanted.idleTimeoutNs, 'idle_timeout_ns'),
    },
  };
}

/**
 * What the orchestrator's messages have no field for goes along as extra texts. A role that we do not know counts as
 * the user's. Error: `invalid_request` for what is longer than the session takes.
 */
export function gatewayMessageOf(message: GatewayMessage, session: Session): NewMessage {
  const { id, timestamp, role, content, metadata } = message;
  const limit = gatewayFactsOf(session)?.config.maxMessageSize ?? 0;
  if (limit > 0 && Buffer.byteLength(content) > limit) {
    throw invalidRequest(`message is larger than the session's max_message_size of ${limit} bytes`);
  }
  const extra: Record<string, string> = { ...metadata?.extra };
  if (metadata !== undefined) {
    if (metadata.correlationId !== '') extra['client_correlation_id'] = metadata.correlationId;
    if (metadata.model !== '') extra['model'] = metadata.model;
    if (metadata.tokensUsed !== 0) extra['tokens_used'] = String(metadata.tokensUsed);
  }
  return {
    id: given(id),
    time: timestamp?.getTime(),
    // Over the wire any number may come.
    role: (roles as Readonly<Record<number, MessageRole>>)[role] ?? 'user',
    content,
    metadata: { extra },
  };
}

/** A message may say by its model which engine is to answer it: `shell`, or `agent:NAME`. */
export function engineOf({ metadata }: GatewayMessage): string | undefined {
  const model = metadata?.model ?? '';
  return model === 'shell' || model.startsWith('agent:') ? model : undefined;
}
