import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, ScriptedWorker, settle } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import { abortLimitMs } from '../runs/runExecutor.ts';
import { checkTransition } from './sessionState.ts';

let harness: CoreHarness;
let core: Orchestrator;

beforeEach(async () => {
  harness = new CoreHarness();
  core = await harness.start();
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

describe('sessions', () => {
  it('are made, named, renamed and listed, oldest first', async () => {
    const first = await core.sessions.create({ cwd: '/srv/app/' });
    const second = await core.sessions.create({ name: ' my\n session ', owner: 'orchestrator:c-1' });
    expect(first).toMatchObject({
      name: 'app',
      cwd: '/srv/app',
      owner: 'user',
      type: 'shell',
      state: 'active',
    });
    expect(first.id).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toMatchObject({ name: 'my session', cwd: '/home/me' });
    expect((await core.sessions.rename(first.id, 'other')).name).toBe('other');
    expect(core.sessions.list().map((session) => session.name)).toEqual(['other', 'my session']);
    await core.close();
    core = await harness.start();
    expect(core.sessions.list().map((session) => session.name)).toEqual(['other', 'my session']);
  });

  it.each([
    [{ name: 'x'.repeat(121) }, 'invalid_request'],
    [{ cwd: '/nowhere' }, 'directory_missing'],
    [{ cwd: 'relative' }, 'directory_missing'],
  ])('are refused: %j', async (request, reason) => {
    await expect(core.sessions.create(request)).rejects.toMatchObject({ reason });
    expect(core.sessions.list()).toEqual([]);
  });

  it('have one default a directory, also for two who ask at once', async () => {
    const [first, second] = await Promise.all([
      core.sessions.ensureDefault('/srv/app'),
      core.sessions.ensureDefault('/srv/app/'),
    ]);
    expect(first.id).toBe(second.id);
    await core.sessions.close(first.id);
    expect((await core.sessions.ensureDefault('/srv/app')).id).not.toBe(first.id);
  });

  it('are busy while something runs in them, and say so once', async () => {
    const session = await core.sessions.create({});
    const [first, second] = [
      await core.terminals.spawn({ sessionId: session.id }),
      await core.terminals.spawn({ sessionId: session.id }),
    ];
    harness.clock.advance(5_000);
    await core.terminals.kill(first.id);
    expect(core.sessions.isBusy(session.id)).toBe(true);
    await core.terminals.kill(second.id);
    expect(core.sessions.isBusy(session.id)).toBe(false);
    expect(core.sessions.get(session.id)).toMatchObject({
      state: 'active',
      lastActiveAt: session.createdAt + 5_000,
    });
    const updates = core.events
      .read({ after: 0, limit: 100 })
      .filter((event) => event.type === 'session.updated');
    expect(updates.map((event) => event.data['busy'])).toEqual([true, false]);
  });
});

describe('what is said of a session', () => {
  it('is kept, replaced as a whole, and found by', async () => {
    const config = { maxContainers: 3, allowedImages: ['busybox'] };
    const metadata = { name: 'a', owner: 'me', description: 'd', labels: { x: '1', y: '2' }, tags: ['t'] };
    const session = await core.sessions.create({ ...metadata, config });
    expect(session).toMatchObject({ ...metadata, config: { ...config, maxDurationMs: 0 } });
    await core.sessions.create({ labels: { x: '1' } });
    const names = (filter: object): string[] => core.sessions.list(filter).map(({ name }) => name);
    expect(names({ labels: { x: '1', y: '2' } })).toEqual(['a']);
    expect(names({ labels: { toString: 'x' } })).toEqual([]);
    expect(names({ owner: 'me' })).toEqual(['a']);
    expect(names({ state: 'idle' })).toEqual([]);
    harness.clock.advance(5);
    const updated = core.sessions.update(session.id, { metadata: { name: 'b', tags: ['u'] } });
    expect(updated).toMatchObject({ name: 'b', owner: 'user', description: '', labels: {}, tags: ['u'] });
    expect(updated).toMatchObject({ config, updatedAt: session.createdAt + 5 });
    await core.sessions.close(session.id, 'done');
    expect(core.sessions.get(session.id).closeReason).toBe('done');
    expect(names({ state: 'closed' })).toEqual(['b']);
    expect(() => core.sessions.update(session.id, {})).toThrow('cannot update closed session');
    expect(() => core.sessions.getActive(session.id)).toThrow(
      `session is not active: ${session.id} (state: closed)`,
    );
  });

  it('has limits', async () => {
    for (const request of [
      { description: 'x'.repeat(4_097) },
      { labels: { ['x'.repeat(257)]: '' } },
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_value, index) => [index, ''])) },
      { tags: ['x'.repeat(257)] },
    ]) {
      await expect(core.sessions.create(request)).rejects.toMatchObject({ reason: 'invalid_request' });
    }
    expect(core.sessions.list()).toEqual([]);
  });

  it('counts open sessions only', async () => {
    await core.close();
    core = await harness.start({ limits: { maxSessions: 2 } });
    const [first] = [await core.sessions.create({}), await core.sessions.create({})];
    await expect(core.sessions.create({})).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: 'maximum sessions limit reached: 2',
    });
    await core.sessions.close(first.id);
    await core.sessions.create({});
  });

  it('changes its state only along the contract', () => {
    expect(() => checkTransition('closed', 'active')).toThrow('invalid state transition: closed -> active');
    expect(() => checkTransition('closing', 'idle')).toThrow('invalid state transition: closing -> idle');
    checkTransition('idle', 'active');
    checkTransition('closed', 'closed');
  });
});

describe('closing a session', () => {
  it('ends its runs and terminals, and nothing starts in it any more', async () => {
    harness.machine.onStart = (worker) => new ScriptedWorker(harness.machine, worker).next();
    const session = await core.sessions.create({});
    const other = await core.terminals.spawn({ cwd: '/srv/app' });
    const terminal = await core.terminals.spawn({ sessionId: session.id });
    const run = await core.runs.start({ sessionId: session.id, task: 'sleep 60' });
    await settle();
    expect(core.sessions.closePreview(session.id)).toEqual({ liveTerminals: 1, runningRuns: 1 });
    const closing = Promise.all([core.sessions.close(session.id), core.sessions.close(session.id)]);
    await settle();
    expect(core.sessions.get(session.id).state).toBe('closing');
    await expect(core.runs.start({ sessionId: session.id, task: 'a' })).rejects.toMatchObject({
      reason: 'session_closed',
    });
    harness.clock.advance(abortLimitMs);
    await closing;
    expect(core.sessions.get(session.id)).toMatchObject({ state: 'closed', closedAt: harness.clock.now() });
    expect(core.runs.get(run.id).status).toBe('cancelled');
    expect(core.terminals.get(terminal.id).state).toBe('exited');
    expect(core.terminals.get(other.id).state).toBe('running');
    expect(core.sessions.list().map(({ id }) => id)).toEqual([other.sessionId]);
    expect(core.sessions.list({ includeClosed: true })).toHaveLength(2);
    await core.sessions.close(session.id);
    const again = await core.runs.retry(run.id);
    expect(again.sessionId).not.toBe(session.id);
  });

  it('goes on in the next core', async () => {
    const terminal = await core.terminals.spawn({});
    const closing = core.sessions.close(terminal.sessionId).catch((error: unknown) => error);
    await core.close();
    expect(await closing).toMatchObject({ reason: 'closed' });
    core = await harness.start();
    await settle();
    expect(core.sessions.get(terminal.sessionId).state).toBe('closed');
    expect(harness.machine.terminal(terminal.id).status.exit).toBeDefined();
  });
});
