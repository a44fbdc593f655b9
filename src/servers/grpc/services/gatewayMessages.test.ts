import { expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import {
  CreateGatewaySessionRequest,
  GatewayEventFilter,
  GatewayEventType,
  GatewaySessionState,
} from '../../../protocol/gen/gateway/v1/gateway.ts';
import { splitText } from './answerChunks.ts';
import { gatewayEventMessage, gatewayEventType, gatewaySelectorOf } from './gatewayEvents.ts';
import { gatewaySessionRequest, gatewayStateMessage, gatewayStateOf } from './gatewayMessages.ts';

const event: OrchestratorEvent = { sequence: 1, id: 'e', type: '', time: 1, sessionId: 's', data: {} };

it('every type of the wire stands for some of ours, and comes back', () => {
  for (const type of Object.values(GatewayEventType)) {
    const { types } = gatewaySelectorOf(GatewayEventFilter.fromPartial({ type }), undefined);
    if (type === GatewayEventType.GATEWAY_EVENT_TYPE_UNSPECIFIED) {
      expect(types).toBeUndefined();
      continue;
    }
    const isReceived = type === GatewayEventType.GATEWAY_EVENT_TYPE_MESSAGE_RECEIVED;
    const data = { role: isReceived ? 'assistant' : 'user' };
    for (const word of types!) expect(gatewayEventType({ ...event, type: word, data })).toBe(type);
  }
  const unknown = GatewayEventFilter.fromPartial({ type: 99 as GatewayEventType });
  expect(() => gatewaySelectorOf(unknown, undefined)).toThrow('type has no value 99');
});

it('every state of the wire but the first has a word, and comes back', () => {
  for (const state of Object.values(GatewaySessionState)) {
    const word = gatewayStateOf(state);
    if (state === GatewaySessionState.GATEWAY_SESSION_STATE_UNSPECIFIED) expect(word).toBeUndefined();
    else expect(gatewayStateMessage(word!)).toBe(state);
  }
});

it('an event names the gateway session, and the other one among its texts', () => {
  const { metadata, data } = gatewayEventMessage({ ...event, data: { message_id: 'm' } }, 'g');
  expect(metadata).toMatchObject({ sessionId: 'g', messageId: 'm' });
  expect(data).toMatchObject({ orchestrator_session_id: 's', message_id: 'm' });
  expect(data['session_id']).toBeUndefined();
});

it('a client cannot give itself the labels of a gateway session', () => {
  const metadata = { labels: { 'gateway.id': 'forged', a: 'b' }, clientType: 'web' };
  const request = CreateGatewaySessionRequest.fromPartial({ metadata });
  expect(gatewaySessionRequest(request, 'g', undefined).labels).toMatchObject({
    'gateway.id': 'g',
    'gateway.client_type': 'web',
    a: 'b',
  });
});

it.each([
  ['', 4, ['']],
  ['abcd', 4, ['abcd']],
  ['abcdef', 4, ['abcd', 'ef']],
  ['aäöü', 2, ['a', 'ä', 'ö', 'ü']],
  ['🙂🙂a', 3, ['🙂', '🙂', 'a']],
  ['€a', 1, ['€', 'a']],
])('the text "%s" is split at %s bytes between characters', (text, size, pieces) => {
  expect(splitText(Buffer.from(text), size).map(String)).toEqual(pieces);
});
