import { afterEach, beforeEach, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';

let harness: CoreHarness;
let core: Orchestrator;
let sessionId: string;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
  sessionId = (await core.sessions.create({ labels: { team: 'a' } })).id;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

it('keeps what was said, in order, with what a client brings and what it leaves out', () => {
  const first = core.messages.append(sessionId, { content: 'hello' });
  expect(first).toMatchObject({ role: 'user', time: harness.clock.now(), metadata: { extra: {} } });
  expect(first.id).toMatch(/^[0-9a-f]{32}$/);
  core.messages.append(sessionId, { id: 'mine', role: 'assistant', content: 'hi', time: 5 });
  core.messages.append(sessionId, {
    content: 'ls',
    role: 'tool',
    metadata: { toolName: 'bash', extra: { a: 'b' } },
  });
  const contents = (filter: object): string[] =>
    core.messages.list({ sessionId, ...filter }).map(({ content }) => content);
  expect(contents({})).toEqual(['hello', 'hi', 'ls']);
  expect(contents({ after: 'mine' })).toEqual(['ls']);
  expect(contents({ last: 2 })).toEqual(['hi', 'ls']);
  expect(contents({ last: 0 })).toEqual([]);
  expect(core.messages.find(sessionId, 'mine')).toMatchObject({ time: 5, role: 'assistant' });
  const told = core.events
    .read({ after: 0, limit: 10, sessionId })
    .filter(({ type }) => type === 'message.sent');
  expect(told.map(({ data, labels }) => [data, labels])).toContainEqual([
    { message_id: 'mine', role: 'assistant' },
    { team: 'a' },
  ]);
});

it('refuses what cannot be kept, and changes nothing', async () => {
  core.messages.append(sessionId, { id: 'mine', content: 'a' });
  const append = (message: object) => () => core.messages.append(sessionId, { content: '', ...message });
  expect(append({ id: 'mine' })).toThrow('message already in session: mine');
  expect(append({ id: 'x'.repeat(129) })).toThrow(expect.objectContaining({ reason: 'invalid_request' }));
  expect(append({ content: 'x'.repeat(1_000_001) })).toThrow(
    expect.objectContaining({ reason: 'invalid_request' }),
  );
  expect(() => core.messages.append('none', { content: '' })).toThrow('session not found: none');
  expect(() => core.messages.list({ sessionId, after: 'none' })).toThrow(
    expect.objectContaining({ reason: 'invalid_request' }),
  );
  await core.sessions.close(sessionId);
  expect(append({})).toThrow('cannot add message to closed session');
  expect(core.messages.list({ sessionId })).toHaveLength(1);
});

it('lets two sessions use the same id', async () => {
  const other = await core.sessions.create({});
  core.messages.append(sessionId, { id: '1', content: 'a' });
  core.messages.append(other.id, { id: '1', content: 'b' });
  expect(core.messages.find(other.id, '1')?.content).toBe('b');
});
