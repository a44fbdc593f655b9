import { describe, expect, it } from 'vitest';
import {
  AgentMessage,
  ControlCommand,
  MessageType,
  TaskState,
} from '../../../protocol/gen/agent/v1/agent.ts';
import { agentMessageOf, wireMessage } from './agentWire.ts';

const defaults = { id: 'new', time: 5, sourceId: 'orchestrator', targetId: 'a1' };

const envelope = {
  id: 'm1',
  timestamp: new Date(1_000),
  sourceId: 's',
  targetId: 't',
  metadata: { correlationId: 'c', sessionId: 'x', headers: { h: '1' }, priority: 3 },
};

const payloads: readonly (readonly [MessageType, AgentMessage['payload']])[] = [
  [
    MessageType.MESSAGE_TYPE_TASK_RESPONSE,
    {
      $case: 'taskMessage',
      value: {
        taskId: 't1',
        sessionId: 's1',
        state: TaskState.TASK_STATE_RUNNING,
        progress: 0.5,
        statusMessage: 'going',
        output: Buffer.from('o'),
      },
    },
  ],
  [
    MessageType.MESSAGE_TYPE_DATA,
    {
      $case: 'dataMessage',
      value: { contentType: 'text/plain', data: Buffer.from('d'), headers: { a: 'b' } },
    },
  ],
  [
    MessageType.MESSAGE_TYPE_EVENT,
    { $case: 'eventMessage', value: { eventType: 'e', source: 's', data: { a: 'b' } } },
  ],
  [MessageType.MESSAGE_TYPE_HEARTBEAT, undefined],
];

describe('a message of an agent', () => {
  it.each(payloads)('of type %i comes and goes unchanged', (type, payload) => {
    const message: AgentMessage = { ...envelope, type, payload };
    expect(wireMessage(agentMessageOf(message, defaults))).toEqual(message);
  });

  it.each(Object.values(MessageType).filter((type) => type !== 0))('keeps its type %i', (type) => {
    const message: AgentMessage = { ...envelope, type, payload: undefined };
    expect(wireMessage(agentMessageOf(message, defaults)).type).toBe(type);
  });

  it.each(Object.values(ControlCommand))('carries the command %i', (command) => {
    const payload = { $case: 'controlMessage', value: { command, parameters: { a: 'b' } } } as const;
    const message: AgentMessage = { ...envelope, type: MessageType.MESSAGE_TYPE_CONTROL, payload };
    expect(wireMessage(agentMessageOf(message, defaults))).toEqual(message);
  });

  it('has its type by its payload, and the rest by default, where it does not say', () => {
    for (const [type, payload] of payloads.slice(1, 3)) {
      const message = AgentMessage.fromPartial({ payload });
      const read = agentMessageOf(message, defaults);
      expect(read).toMatchObject({
        id: 'new',
        time: 5,
        sourceId: 'orchestrator',
        targetId: 'a1',
        headers: {},
      });
      expect(wireMessage(read).type).toBe(type);
    }
  });

  it('of a paused task tells of one that runs; other numbers are refused', () => {
    const tell = (state: number) =>
      agentMessageOf(
        AgentMessage.fromPartial({ payload: { $case: 'taskMessage', value: { state: state as TaskState } } }),
        defaults,
      ).body;
    expect(tell(TaskState.TASK_STATE_PAUSED)).toMatchObject({ state: 'running' });
    expect(tell(TaskState.TASK_STATE_UNSPECIFIED)).toMatchObject({ state: undefined });
    expect(() => tell(99)).toThrow('state has no value 99');
  });
});
