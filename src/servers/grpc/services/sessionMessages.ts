import { given } from '../../../protocol/given.ts';
import type { Message, MessageRole, NewMessage } from '../../../core/sessions/message.ts';
import type {
  Session,
  SessionConfig,
  SessionMetadata,
  SessionState,
  UserPreferences,
} from '../../../core/sessions/session.ts';
import { Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  type Message as MessageMessage,
  MessageRole as MessageRoleMessage,
  type Session as SessionMessage,
  type SessionConfig as SessionConfigMessage,
  type SessionMetadata as SessionMetadataMessage,
  SessionState as SessionStateMessage,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import type { Container } from '../../../core/containers/container.ts';
import { limitsMessage, limitsOf, msOfNs, nsOfMs, usageMessage, wordOf } from './commonMessages.ts';
import { dateOf, optionalDate } from './values.ts';

const states: Readonly<Record<SessionState, SessionStateMessage>> = {
  initializing: SessionStateMessage.SESSION_STATE_INITIALIZING,
  active: SessionStateMessage.SESSION_STATE_ACTIVE,
  idle: SessionStateMessage.SESSION_STATE_IDLE,
  closing: SessionStateMessage.SESSION_STATE_CLOSING,
  closed: SessionStateMessage.SESSION_STATE_CLOSED,
};

const statuses: Readonly<Record<SessionState, Status>> = {
  initializing: Status.STATUS_STARTING,
  active: Status.STATUS_RUNNING,
  idle: Status.STATUS_RUNNING,
  closing: Status.STATUS_STOPPING,
  closed: Status.STATUS_STOPPED,
};

const roles: Readonly<Record<MessageRole, MessageRoleMessage>> = {
  user: MessageRoleMessage.MESSAGE_ROLE_USER,
  system: MessageRoleMessage.MESSAGE_ROLE_SYSTEM,
  assistant: MessageRoleMessage.MESSAGE_ROLE_ASSISTANT,
  tool: MessageRoleMessage.MESSAGE_ROLE_TOOL,
};

/** What a session is shown with besides itself. */
export interface SessionContents {
  readonly messages: readonly Message[];
  readonly containers: readonly Container[];
}

/** Every part is there, also where it is empty: clients of the contract read on without looking. */
export function sessionMessage(session: Session, { messages, containers }: SessionContents): SessionMessage {
  const { id, state, createdAt, updatedAt, expiresAt, closedAt } = session;
  const { name, description, labels, owner, tags, currentTaskId, taskHistory, preferences, config } = session;
  return {
    id,
    state: states[state],
    status: statuses[state],
    createdAt: dateOf(createdAt),
    updatedAt: dateOf(updatedAt),
    expiresAt: optionalDate(expiresAt),
    closedAt: optionalDate(closedAt),
    metadata: { name, description, labels: { ...labels }, ownerId: owner, tags: [...tags] },
    context: {
      messages: messages.map(messageMessage),
      currentTaskId: currentTaskId ?? '',
      taskHistory: [...taskHistory],
      preferences: { ...preferences },
      config: configMessage(config),
      resourceUsage: usageMessage(),
    },
    containerIds: containers.map((container) => container.id),
  };
}

export function sessionStateMessage(state: SessionState): SessionStateMessage {
  return states[state];
}

export function sessionStatus(state: SessionState): Status {
  return statuses[state];
}

/** Error: `invalid_request`. */
export function sessionStateOf(message: SessionStateMessage): SessionState | undefined {
  return wordOf(states, message, 'state');
}

/** @param owner whose the session is where the message does not say it. */
export function metadataOf(message: SessionMetadataMessage, owner?: string): SessionMetadata {
  const { name, description, labels, ownerId, tags } = message;
  return { name, description, labels, owner: given(ownerId) ?? owner, tags };
}

/** Errors: `invalid_request` for what is negative. */
export function configOf(message: SessionConfigMessage | undefined): Partial<SessionConfig> {
  if (message === undefined) return {};
  const { maxContainers, maxDurationNs, idleTimeoutNs, resourceLimits, allowedImages, policy } = message;
  return {
    maxContainers,
    maxDurationMs: msOfNs(maxDurationNs, 'max_duration_ns'),
    idleTimeoutMs: msOfNs(idleTimeoutNs, 'idle_timeout_ns'),
    resourceLimits: limitsOf(resourceLimits),
    allowedImages,
    ...(policy === undefined ? {} : { policy }),
  };
}

export function preferencesOf(message: UserPreferences | undefined): UserPreferences | undefined {
  return message === undefined ? undefined : { ...message };
}

export function messageMessage({ id, time, role, content, metadata }: Message): MessageMessage {
  return {
    id,
    timestamp: dateOf(time),
    role: roles[role],
    content,
    metadata: {
      containerId: metadata.containerId ?? '',
      toolName: metadata.toolName ?? '',
      toolCallId: metadata.toolCallId ?? '',
      extra: { ...metadata.extra },
    },
  };
}

/** A role that is missing or that we do not know counts as the user's. */
export function newMessageOf({ id, timestamp, role, content, metadata }: MessageMessage): NewMessage {
  return {
    id: given(id),
    time: timestamp?.getTime(),
    role: roleOf(role),
    content,
    metadata: metadata && {
      containerId: given(metadata.containerId),
      toolName: given(metadata.toolName),
      toolCallId: given(metadata.toolCallId),
      extra: metadata.extra,
    },
  };
}

function roleOf(message: MessageRoleMessage): MessageRole {
  const known = Object.entries(roles).find(([, number]) => number === message);
  return known === undefined ? 'user' : (known[0] as MessageRole);
}

function configMessage(config: SessionConfig): SessionConfigMessage {
  const { maxContainers, maxDurationMs, idleTimeoutMs, resourceLimits, allowedImages, policy } = config;
  return {
    maxContainers,
    maxDurationNs: nsOfMs(maxDurationMs),
    idleTimeoutNs: nsOfMs(idleTimeoutMs),
    resourceLimits: limitsMessage(resourceLimits),
    allowedImages: [...allowedImages],
    policy: {
      ...policy,
      allowedNetworks: [...policy.allowedNetworks],
      allowedPaths: [...policy.allowedPaths],
    },
  };
}
