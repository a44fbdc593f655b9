import { expect, it } from 'vitest';
import { defaultSessionConfig, noPreferences, type Session } from '../../../core/sessions/session.ts';
import { Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  Message,
  MessageRole,
  Session as SessionMessage,
  SessionConfig,
  SessionState,
} from '../../../protocol/gen/orchestrator/v1/orchestrator.ts';
import {
  configOf,
  messageMessage,
  metadataOf,
  newMessageOf,
  sessionMessage,
  sessionStateMessage,
  sessionStateOf,
  sessionStatus,
} from './sessionMessages.ts';

const session: Session = {
  id: 's',
  name: 'n',
  owner: 'o',
  type: 'shell',
  state: 'active',
  cwd: '/',
  description: '',
  labels: {},
  tags: [],
  config: defaultSessionConfig,
  preferences: noPreferences,
  taskHistory: [],
  createdAt: 1,
  updatedAt: 2,
  lastActiveAt: 3,
};

it('every state of the wire but the first has a word, and comes back', () => {
  for (const state of Object.values(SessionState)) {
    const word = sessionStateOf(state);
    if (state === SessionState.SESSION_STATE_UNSPECIFIED) expect(word).toBeUndefined();
    else expect(sessionStateMessage(word!)).toBe(state);
  }
  expect(() => sessionStateOf(77 as SessionState)).toThrow('state has no value 77');
  expect(sessionStatus('idle')).toBe(Status.STATUS_RUNNING);
});

it('a session on the wire has every part, and limits that were set come back', () => {
  const config = SessionConfig.fromPartial({
    maxContainers: 3,
    maxDurationNs: 5_000_000n,
    idleTimeoutNs: 6_000_000n,
    resourceLimits: { nanoCpus: 1n, memoryBytes: 2n },
    allowedImages: ['a'],
    policy: { allowNetwork: true, allowedNetworks: ['n'], allowedPaths: ['/p'], requireApproval: true },
  });
  const whole = { ...session, config: { ...defaultSessionConfig, ...configOf(config) } };
  const message = sessionMessage(whole, { messages: [], containers: [] });
  expect(message.context!.config).toEqual(config);
  const bare = SessionMessage.decode(
    SessionMessage.encode(sessionMessage(session, { messages: [], containers: [] })).finish(),
  );
  const { metadata, context } = bare;
  expect([
    metadata,
    context?.preferences,
    context?.config?.resourceLimits,
    context?.resourceUsage,
  ]).not.toContain(undefined);
  expect(context!.config!.policy).toMatchObject({ allowNetwork: false, allowVolumeMount: false });
  expect(bare.expiresAt).toBeUndefined();
});

it('metadata names the caller as the owner where it names none', () => {
  const metadata = { name: '', description: '', labels: {}, ownerId: '', tags: [] };
  expect(metadataOf(metadata, 'agent').owner).toBe('agent');
  expect(metadataOf({ ...metadata, ownerId: 'me' }, 'agent').owner).toBe('me');
});

it('every role comes back; none and an unknown one are the user', () => {
  for (const role of [...Object.values(MessageRole), 99 as MessageRole]) {
    const { metadata, ...said } = newMessageOf(Message.fromPartial({ id: 'm', content: 'x', role }));
    const stored = { ...said, id: 'm', sessionId: 's', time: 1, role: said.role!, metadata: { extra: {} } };
    expect(metadata).toBeUndefined();
    const known = role > 0 && role < 5;
    expect(messageMessage(stored).role).toBe(known ? role : MessageRole.MESSAGE_ROLE_USER);
  }
});
