import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { AgentLink } from './agentLink.ts';

let harness: CoreHarness;
let core: Orchestrator;
const silence = 90_000;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

const typesOf = (agentId: string): string[] =>
  core.events
    .read({ after: 0, limit: 1_000 })
    .filter((event) => event.agentId === agentId)
    .map(({ type }) => type);

describe('registration', () => {
  it('keeps what an agent says, and fills in what it leaves out', () => {
    const agent = core.agents.register({
      name: 'python-executor',
      type: 'worker',
      version: '1.0.0',
      labels: { role: 'assistant' },
      capabilities: { tasks: ['code-execution'], maxConcurrentTasks: 5 },
    });
    expect(agent).toMatchObject({ state: 'online', registeredAt: harness.clock.now(), hostname: '' });
    expect(agent.id).toMatch(/^[0-9a-f]{32}$/);
    const second = core.agents.register({ name: 'python-executor' });
    expect(second.capabilities).toMatchObject({ tasks: [], maxConcurrentTasks: 10 });
    expect(core.agents.list({ name: 'python-executor' })).toHaveLength(2);
    expect(core.agents.list({ labels: { role: 'assistant' } })).toEqual([agent]);
    expect(core.agents.list({ capability: 'code-execution' })).toEqual([agent]);
    expect(core.agents.status(agent.id)).toMatchObject({
      state: 'idle',
      activeTasks: [],
      isConnected: false,
    });
  });

  it('is refused without a name, beyond the limits, and ended', async () => {
    expect(() => core.agents.register({ name: ' ' })).toThrow('name is required');
    expect(() => core.agents.register({ name: 'a', capabilities: { maxConcurrentTasks: -1 } })).toThrow(
      expect.objectContaining({ reason: 'invalid_request' }),
    );
    expect(() => core.agents.get('none')).toThrow('agent not found');
    await core.close();
    core = await harness.start({ limits: { maxAgents: 1 } });
    const agent = core.agents.register({ name: 'a' });
    expect(() => core.agents.register({ name: 'b' })).toThrow('maximum agents limit reached: 1');
    core.agents.unregister(agent.id, 'shutting down');
    expect(() => core.agents.touch(agent.id)).toThrow('agent not found');
    expect(typesOf(agent.id)).toEqual(['agent.registered', 'agent.unregistered']);
    core.agents.register({ name: 'b' });
  });
});

describe('a silent agent', () => {
  it('is lost, comes back with its next sign of life, and is forgotten after an hour', () => {
    const agent = core.agents.register({ name: 'a' });
    harness.clock.advance(silence - 1);
    core.tasks.heartbeat(agent.id);
    harness.clock.advance(silence - 1);
    expect(core.agents.get(agent.id).state).toBe('online');
    harness.clock.advance(1);
    expect(core.agents.status(agent.id).state).toBe('lost');
    core.tasks.heartbeat(agent.id);
    expect(core.agents.status(agent.id).state).toBe('idle');
    harness.clock.advance(silence);
    expect(core.agents.get(agent.id).state).toBe('lost');
    harness.clock.advance(60 * 60_000);
    expect(core.agents.find(agent.id)).toBeUndefined();
    expect(typesOf(agent.id)).toEqual([
      'agent.registered',
      'agent.lost',
      'agent.returned',
      'agent.lost',
      'agent.unregistered',
    ]);
  });

  it('gets the whole limit again from a new core', async () => {
    const agent = core.agents.register({ name: 'a' });
    await core.close();
    harness.clock.advance(10 * silence);
    core = await harness.start();
    harness.clock.advance(silence - 1);
    expect(core.agents.get(agent.id).state).toBe('online');
    harness.clock.advance(1);
    expect(core.agents.get(agent.id).state).toBe('lost');
  });
});

describe('a stream', () => {
  it('is one an agent: the newest counts, and the end of the former one leaves it', () => {
    const agent = core.agents.register({ name: 'a' });
    const heard: string[] = [];
    const link = (name: string): AgentLink => ({
      deliverTask: () => undefined,
      cancelTask: () => undefined,
      deliverMessage: ({ id }) => void heard.push(`${name} ${id}`),
    });
    const message = { time: 1, sourceId: 'orchestrator', targetId: agent.id, headers: {} };
    const body = { kind: 'control', command: 'status', parameters: {} } as const;
    expect(() => core.agents.send(agent.id, { ...message, id: '0', body })).toThrow(
      'agent stream not connected',
    );
    const first = core.agents.connect(agent.id, link('first'));
    const second = core.agents.connect(agent.id, link('second'));
    first.dispose();
    core.agents.send(agent.id, { ...message, id: '1', body });
    expect(heard).toEqual(['second 1']);
    expect(core.agents.status(agent.id).isConnected).toBe(true);
    second.dispose();
    expect(core.agents.status(agent.id).isConnected).toBe(false);
  });
});
