import { invalidRequest } from '../../../core/text.ts';
import type { Session, SessionState, SessionType } from '../../../core/sessions/session.ts';
import {
  type Session as SessionMessage,
  SessionState as StateMessage,
} from '../../../protocol/gen/session/v1/session.ts';
import { dateOf, optionalDate } from './values.ts';

const states: Readonly<Record<SessionState, StateMessage>> = {
  initializing: StateMessage.SESSION_STATE_INITIALIZING,
  active: StateMessage.SESSION_STATE_ACTIVE,
  idle: StateMessage.SESSION_STATE_IDLE,
  closing: StateMessage.SESSION_STATE_CLOSING,
  closed: StateMessage.SESSION_STATE_CLOSED,
};

const types: Readonly<Record<SessionType, true>> = {
  shell: true,
  container: true,
  'claude-code': true,
  codex: true,
  gemini: true,
  opencode: true,
};

/** Error: `invalid_request` for a type that there is not. */
export function sessionTypeOf(text: string): SessionType | undefined {
  if (text === '') return undefined;
  if (Object.hasOwn(types, text)) return text as SessionType;
  throw invalidRequest(`There is no session type "${text}". There are ${Object.keys(types).join(', ')}.`);
}

export function sessionRecord(session: Session): SessionMessage {
  const { id, name, owner, type, state, cwd, description, labels, tags, config, preferences } = session;
  const { resourceLimits, policy } = config;
  return {
    id,
    name,
    owner,
    type,
    state: states[state],
    cwd,
    description,
    labels: { ...labels },
    tags: [...tags],
    config: {
      ...config,
      resourceLimits: { ...resourceLimits },
      allowedImages: [...config.allowedImages],
      policy: {
        ...policy,
        allowedNetworks: [...policy.allowedNetworks],
        allowedPaths: [...policy.allowedPaths],
      },
    },
    preferences: { ...preferences },
    currentTaskId: session.currentTaskId ?? '',
    taskHistory: [...session.taskHistory],
    createdAt: dateOf(session.createdAt),
    updatedAt: dateOf(session.updatedAt),
    lastActiveAt: dateOf(session.lastActiveAt),
    expiresAt: optionalDate(session.expiresAt),
    closedAt: optionalDate(session.closedAt),
    closeReason: session.closeReason ?? '',
  };
}
