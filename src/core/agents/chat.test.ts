import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { AgentMessage } from './agentLink.ts';
import type { ChatChunk, ChatOptions } from './chat.ts';

let harness: CoreHarness;
let core: Orchestrator;
let sessionId: string;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
  sessionId = (await core.sessions.create({})).id;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

function ask(content: string, options?: ChatOptions): { chunks: ChatChunk[]; done: Promise<void> } {
  const chunks: ChatChunk[] = [];
  const collect = async (): Promise<void> => {
    for await (const chunk of core.chat.answer(sessionId, { content }, options)) chunks.push(chunk);
  };
  return { chunks, done: collect() };
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const contents = (): string[] => core.messages.list({ sessionId }).map(({ content }) => content);

it('the assistant answers, where one is connected', async () => {
  const inbox: AgentMessage[] = [];
  const { id } = core.agents.register({ name: 'assistant' });
  core.agents.connect(id, {
    deliverTask: () => undefined,
    cancelTask: () => undefined,
    deliverMessage: (message) => void inbox.push(message),
  });
  const { chunks, done } = ask('hello');
  await settle();
  expect(chunks).toMatchObject([{ kind: 'accepted', message: { content: 'hello', role: 'user' } }]);
  const body = { kind: 'data', contentType: 'text/plain', data: bytes('hi'), headers: {} } as const;
  core.conversations.receive(id, { ...inbox[0]!, body });
  await done;
  expect(chunks.slice(1)).toMatchObject([
    { kind: 'text', text: 'hi' },
    { kind: 'end', outcome: 'succeeded', answer: { content: 'hi', role: 'assistant' } },
  ]);
  const given = new AbortController();
  const second = ask('again', { signal: given.signal });
  await settle();
  given.abort();
  await second.done;
  expect(second.chunks.at(-1)).toMatchObject({ kind: 'end', outcome: 'cancelled' });
});

it('nothing is answered in a session that is closed meanwhile', async () => {
  const { id } = core.agents.register({ name: 'assistant' });
  core.agents.connect(id, {
    deliverTask: () => undefined,
    cancelTask: () => undefined,
    deliverMessage: () => undefined,
  });
  const { done } = ask('hello');
  const failed = expect(done).rejects.toMatchObject({ reason: 'session_closed' });
  await settle();
  await core.sessions.close(sessionId);
  await failed;
});

it('a run of an agent answers with what it prints, as it prints it', async () => {
  const agentId = core.agents.register({ name: 'builder' }).id;
  const { chunks, done } = ask('build', { engine: 'agent:builder' });
  await settle();
  const [taskId] = core.tasks.heartbeat(agentId);
  const reporter = core.tasks.reporter(taskId!);
  reporter.output('stdout', bytes('\x1b[32mone\r\n'));
  await settle();
  expect(chunks).toMatchObject([{ kind: 'accepted' }, { kind: 'text', text: 'one\n' }]);
  reporter.output('stderr', bytes('two'));
  reporter.complete({ exitCode: 1 });
  await done;
  expect(chunks.slice(2)).toMatchObject([
    { kind: 'text', text: 'two' },
    { kind: 'end', outcome: 'failed', answer: { content: 'one\ntwo', role: 'assistant' } },
  ]);
  expect(contents()).toEqual(['build', 'one\ntwo']);
});

it('is aborted by its signal, and kept when its reader leaves', async () => {
  const agentId = core.agents.register({ name: 'builder' }).id;
  const given = new AbortController();
  const { chunks, done } = ask('build', { engine: 'agent:builder', signal: given.signal });
  await settle();
  given.abort();
  await done;
  expect(chunks.at(-1)).toMatchObject({ kind: 'end', outcome: 'cancelled' });
  const left = core.chat.answer(sessionId, { content: 'go on' }, { engine: 'agent:builder' });
  await left.next();
  await left.return();
  const [taskId] = core.tasks.heartbeat(agentId).slice(-1);
  core.tasks.reporter(taskId!).output('stdout', bytes('done'));
  core.tasks.reporter(taskId!).complete();
  await settle();
  expect(contents().at(-1)).toBe('done');
});

it('nobody answers in a session of an agent that is not there', async () => {
  const session = await core.sessions.create({ type: 'claude-code' });
  const answer = core.chat.answer(session.id, { content: 'rm everything' });
  await expect(answer.next()).rejects.toMatchObject({ message: 'assistant agent not found' });
  expect(core.runs.list()).toEqual([]);
});
