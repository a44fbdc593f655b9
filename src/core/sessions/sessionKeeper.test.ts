import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import { expiredReason } from './sessionKeeper.ts';

let harness: CoreHarness;
let core: Orchestrator;
const minute = 60_000;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

const stateOf = (id: string): string => core.sessions.get(id).state;

describe('idle', () => {
  it('is a session that nothing has touched for its time, until something does', async () => {
    const session = await core.sessions.create({});
    const quick = await core.sessions.create({ config: { idleTimeoutMs: 1_000 } });
    harness.clock.advance(1_000);
    expect([stateOf(session.id), stateOf(quick.id)]).toEqual(['active', 'idle']);
    core.messages.append(quick.id, { content: 'still there?' });
    expect(stateOf(quick.id)).toBe('active');
    harness.clock.advance(999);
    expect(stateOf(quick.id)).toBe('active');
    harness.clock.advance(1);
    expect(stateOf(quick.id)).toBe('idle');
    harness.clock.advance(10 * minute);
    expect(stateOf(session.id)).toBe('idle');
    const told = core.events.read({ after: 0, limit: 100, sessionId: quick.id });
    expect(told.filter(({ type }) => type === 'session.updated').map(({ data }) => data['state'])).toEqual([
      'idle',
      'active',
      'idle',
    ]);
  });

  it('is none in which something runs', async () => {
    const terminal = await core.terminals.spawn({});
    harness.clock.advance(60 * minute);
    expect(stateOf(terminal.sessionId)).toBe('active');
    await core.terminals.kill(terminal.id);
    harness.clock.advance(10 * minute);
    expect(stateOf(terminal.sessionId)).toBe('idle');
    await core.terminals.spawn({ sessionId: terminal.sessionId });
    expect(stateOf(terminal.sessionId)).toBe('active');
  });
});

describe('the longest duration', () => {
  it('closes the session with what runs in it, and says why', async () => {
    const session = await core.sessions.create({ config: { maxDurationMs: 5 * minute } });
    expect(session.expiresAt).toBe(session.createdAt + 5 * minute);
    const terminal = await core.terminals.spawn({ sessionId: session.id });
    harness.clock.advance(5 * minute);
    await settle();
    expect(core.sessions.get(session.id)).toMatchObject({ state: 'closed', closeReason: expiredReason });
    expect(core.terminals.get(terminal.id).state).toBe('exited');
    const closed = core.events.read({ after: 0, limit: 100 }).find(({ type }) => type === 'session.closed');
    expect(closed?.data).toMatchObject({ reason: expiredReason, state: 'closed' });
  });

  it('counts while no core is there', async () => {
    const session = await core.sessions.create({ config: { maxDurationMs: 5 * minute } });
    await core.close();
    harness.clock.advance(10 * minute);
    core = harness.create();
    expect(() => core.sessions.getActive(session.id)).toThrow(`session has expired: ${session.id}`);
    await core.start();
    harness.clock.advance(0);
    await settle();
    expect(stateOf(session.id)).toBe('closed');
  });
});
