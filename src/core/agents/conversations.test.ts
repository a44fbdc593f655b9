import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { Message } from '../sessions/message.ts';
import type { AgentMessage } from './agentLink.ts';
import { timedOutText } from './conversations.ts';

let harness: CoreHarness;
let core: Orchestrator;
let sessionId: string;
let heard: Message[];

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
  sessionId = (await core.sessions.create({})).id;
  heard = [];
  core.conversations.listen(sessionId, (message) => heard.push(message));
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

/** An agent with an open stream, and what came over it. */
function connect(name: string, labels: Record<string, string> = {}): { id: string; inbox: AgentMessage[] } {
  const inbox: AgentMessage[] = [];
  const { id } = core.agents.register({ name, labels });
  core.agents.connect(id, {
    deliverTask: () => undefined,
    cancelTask: () => undefined,
    deliverMessage: (message) => void inbox.push(message),
  });
  return { id, inbox };
}

const answer = (to: AgentMessage, text: string, over: Partial<AgentMessage> = {}): AgentMessage => ({
  id: 'a',
  time: 1,
  sourceId: to.targetId,
  targetId: 'orchestrator',
  correlationId: to.correlationId,
  headers: {},
  body: { kind: 'data', contentType: 'text/plain', data: new TextEncoder().encode(text), headers: {} },
  ...over,
});
const stored = (): string[] =>
  core.messages.list({ sessionId }).map(({ role, content }) => `${role}: ${content}`);

it('a question goes to the assistant, and its answer to everyone who listens', () => {
  connect('other');
  const { id, inbox } = connect('Assistant');
  const second: Message[] = [];
  core.conversations.listen(sessionId, (message) => second.push(message));
  const { correlationId } = core.conversations.say(sessionId, { content: 'how are you?' });
  const [question] = inbox;
  expect(question).toMatchObject({ sourceId: 'orchestrator', targetId: id, sessionId, correlationId });
  expect(core.conversations.receive(id, answer(question!, 'fine'))).toBe(true);
  expect(core.conversations.receive(id, answer(question!, 'twice'))).toBe(false);
  expect(stored()).toEqual(['user: how are you?', 'assistant: fine']);
  expect(heard).toEqual(second);
  expect(heard[0]?.metadata.extra).toEqual({ correlation_id: correlationId });
  harness.clock.advance(60_000);
  expect(heard).toHaveLength(1);
});

it('the smallest id answers; the correlation id may stand in the headers', () => {
  const both = [connect('x', { role: 'assistant' }), connect('assistant')];
  const [first, last] = both.sort((left, right) => (left.id < right.id ? -1 : 1));
  core.conversations.say(sessionId, { content: 'a' });
  expect([first?.inbox.length, last?.inbox.length]).toEqual([1, 0]);
  const question = first!.inbox[0]!;
  const headers = { correlation_id: question.correlationId! };
  const body = { kind: 'data', contentType: '', data: new Uint8Array(), headers } as const;
  expect(core.conversations.receive(last!.id, answer(question, 'not asked'))).toBe(false);
  expect(core.conversations.receive(first!.id, answer(question, '', { sessionId: 'another' }))).toBe(false);
  expect(core.conversations.receive(first!.id, answer(question, '', { correlationId: '', body }))).toBe(true);
});

it('what cannot be sent is not stored', () => {
  expect(() => core.conversations.say(sessionId, { content: 'a' })).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND', message: 'assistant agent not found' }),
  );
  core.agents.register({ name: 'assistant' });
  expect(() => core.conversations.say(sessionId, { content: 'a' })).toThrow(
    expect.objectContaining({ code: 'UNAVAILABLE' }),
  );
  expect(stored()).toEqual([]);
  core.conversations.say(sessionId, { role: 'system', content: 'be kind' });
  expect(stored()).toEqual(['system: be kind']);
});

it('an answer that does not come is told after half a minute', () => {
  const { id, inbox } = connect('assistant');
  core.conversations.say(sessionId, { content: 'a' });
  harness.clock.advance(29_999);
  expect(heard).toEqual([]);
  harness.clock.advance(1);
  expect(heard.map(({ content }) => content)).toEqual([timedOutText]);
  expect(core.conversations.receive(id, answer(inbox[0]!, 'late'))).toBe(false);
  expect(stored()).toEqual(['user: a', `assistant: ${timedOutText}`]);
});

it('a closed session takes no questions, and drops late answers', async () => {
  const { id, inbox } = connect('assistant');
  core.conversations.say(sessionId, { content: 'a' });
  await core.sessions.close(sessionId);
  expect(core.conversations.receive(id, answer(inbox[0]!, 'late'))).toBe(false);
  expect(() => core.conversations.say(sessionId, { content: 'b' })).toThrow(
    `session is not active: ${sessionId} (state: closed)`,
  );
  expect(stored()).toEqual(['user: a']);
});
