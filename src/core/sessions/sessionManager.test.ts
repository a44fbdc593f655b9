import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, ScriptedWorker, settle } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import { abortLimitMs } from '../runs/runExecutor.ts';

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
      state: 'idle',
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
    [{ name: '' }, 'invalid_request'],
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

  it('are active while something runs in them, and say so once', async () => {
    const session = await core.sessions.create({});
    const [first, second] = [
      await core.terminals.spawn({ sessionId: session.id }),
      await core.terminals.spawn({ sessionId: session.id }),
    ];
    harness.clock.advance(5_000);
    await core.terminals.kill(first.id);
    expect(core.sessions.get(session.id).state).toBe('active');
    await core.terminals.kill(second.id);
    expect(core.sessions.get(session.id)).toMatchObject({
      state: 'idle',
      lastActiveAt: session.createdAt + 5_000,
    });
    const updates = core.events
      .read({ after: 0, limit: 100 })
      .filter((event) => event.type === 'session.updated');
    expect(updates.map((event) => event.data['state'])).toEqual(['active', 'idle']);
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
