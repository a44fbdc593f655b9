import { given } from '../../protocol/given.ts';
import {
  defaultSessionConfig,
  noPreferences,
  type Session,
  type SessionConfig,
  type SessionState,
  type SessionType,
} from '../../core/sessions/session.ts';
import {
  type Session as SessionMessage,
  type SessionConfig as ConfigMessage,
  SessionState as StateMessage,
} from '../../protocol/gen/session/v1/session.ts';
import { optionalTime, timeOf, wordOf } from './values.ts';

const states: Readonly<Record<number, SessionState>> = {
  [StateMessage.SESSION_STATE_INITIALIZING]: 'initializing',
  [StateMessage.SESSION_STATE_ACTIVE]: 'active',
  [StateMessage.SESSION_STATE_IDLE]: 'idle',
  [StateMessage.SESSION_STATE_CLOSING]: 'closing',
  [StateMessage.SESSION_STATE_CLOSED]: 'closed',
};

export function sessionOf(message: SessionMessage): Session {
  const { id, name, owner, type, state, cwd, description, labels, tags, taskHistory } = message;
  return {
    id,
    name,
    owner,
    // A type that we do not know is shown by its name, and nothing here depends on it.
    type: type as SessionType,
    state: wordOf(states, state, 'state of a session'),
    cwd,
    description,
    labels,
    tags,
    config: configOf(message.config),
    preferences: message.preferences ?? noPreferences,
    currentTaskId: given(message.currentTaskId),
    taskHistory,
    createdAt: timeOf(message.createdAt),
    updatedAt: timeOf(message.updatedAt),
    lastActiveAt: timeOf(message.lastActiveAt),
    expiresAt: optionalTime(message.expiresAt),
    closedAt: optionalTime(message.closedAt),
    closeReason: given(message.closeReason),
  };
}

function configOf(message: ConfigMessage | undefined): SessionConfig {
  if (message === undefined) return defaultSessionConfig;
  const { maxContainers, maxDurationMs, idleTimeoutMs, allowedImages } = message;
  return {
    maxContainers,
    maxDurationMs,
    idleTimeoutMs,
    resourceLimits: message.resourceLimits ?? defaultSessionConfig.resourceLimits,
    allowedImages,
    policy: message.policy ?? defaultSessionConfig.policy,
  };
}
