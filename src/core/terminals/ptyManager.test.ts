import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Orchestrator } from '../orchestrator.ts';

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

const eventTypes = (): string[] => core.events.read({ after: 0, limit: 100 }).map((event) => event.type);

describe('a terminal', () => {
  it('is written down, started, used, and ends', async () => {
    const terminal = await core.terminals.spawn({ cwd: '/srv/app', shell: 'sh', args: ['-l'], cols: 100 });
    expect(terminal).toMatchObject({
      name: 'sh',
      shell: '/bin/sh',
      state: 'running',
      cols: 100,
      rows: 24,
      pid: 1_000,
    });
    expect(core.sessions.get(terminal.sessionId)).toMatchObject({
      cwd: '/srv/app',
      state: 'active',
      name: 'app',
    });
    await core.terminals.write(terminal.id, 'ls\r');
    await core.terminals.resize(terminal.id, 80, 30);
    await core.terminals.resize(terminal.id, 80, 30);
    expect(harness.machine.terminal(terminal.id)).toMatchObject({
      input: 'ls\r',
      status: { cols: 80, rows: 30 },
    });
    expect((await core.terminals.rename(terminal.id, ' build ')).name).toBe('build');
    const exit = core.terminals.waitForExit(terminal.id);
    harness.machine.exitTerminal(terminal.id, { exitCode: 3 });
    harness.machine.exitTerminal(terminal.id, { exitCode: 4 });
    expect(await exit).toMatchObject({ exitCode: 3, reason: 'exited' });
    expect(core.terminals.get(terminal.id)).toMatchObject({ state: 'exited', name: 'build', rows: 30 });
    expect(core.sessions.isBusy(terminal.sessionId)).toBe(false);
    await expect(core.terminals.write(terminal.id, 'x')).rejects.toMatchObject({ reason: 'terminal_ended' });
    await core.terminals.remove(terminal.id);
    expect(core.terminals.list()).toEqual([]);
    expect(harness.machine.terminals.size).toBe(0);
    expect(eventTypes()).toEqual([
      'session.created',
      'terminal.created',
      'session.updated',
      'terminal.updated',
      'terminal.audit',
      'terminal.updated',
      'terminal.updated',
      'terminal.exited',
      'session.updated',
      'terminal.removed',
    ]);
  });

  it('has an audit log: who did what, how much was written but never what, gathered by the second', async () => {
    const by = 'orchestrator:a';
    const terminal = await core.terminals.spawn({ managedBy: by, by });
    await core.terminals.write(terminal.id, 'passwörd');
    await core.terminals.write(terminal.id, 'x', by);
    await core.terminals.write(terminal.id, 'yz', by);
    harness.clock.advance(1_000);
    await core.terminals.kill(terminal.id, { by });
    const audit = core.events.read({ after: 0, limit: 100 }).filter(({ type }) => type === 'terminal.audit');
    expect(audit.map(({ data }) => data)).toEqual([
      { principal: by, action: 'spawn', count: 1, bytes: 0 },
      { principal: 'user', action: 'write', count: 1, bytes: 9 },
      { principal: by, action: 'write', count: 2, bytes: 3 },
      { principal: by, action: 'kill', count: 1, bytes: 0 },
    ]);
    expect(audit.every(({ terminalId }) => terminalId === terminal.id)).toBe(true);
  });

  it('leaves nothing behind when it cannot be started', async () => {
    const failure = new OrchestratorError('INTERNAL', 'spawn_failed', 'no more PTYs');
    harness.machine.failWith.set('spawnTerminal', failure);
    await expect(core.terminals.spawn({})).rejects.toBe(failure);
    expect(core.terminals.list()).toEqual([]);
    expect(core.sessions.list().map(({ id }) => core.sessions.isBusy(id))).toEqual([false]);
  });

  it('that ends before its start was answered, has ended', async () => {
    const start = harness.machine.startTerminal.bind(harness.machine);
    harness.machine.startTerminal = (options) => {
      const status = start(options);
      harness.machine.exitTerminal(options.id, { exitCode: 7 });
      return status;
    };
    const terminal = await core.terminals.spawn({});
    expect(terminal).toMatchObject({ state: 'exited', exit: { exitCode: 7 }, pid: 1_000 });
  });

  it('is ended with all below it; one that the host does not know has ended', async () => {
    const [first, second] = [await core.terminals.spawn({}), await core.terminals.spawn({})];
    await core.terminals.kill(first.id);
    expect(core.terminals.get(first.id).exit?.reason).toBe('killed');
    await core.terminals.kill(first.id);
    harness.machine.terminals.delete(second.id);
    await core.terminals.kill(second.id);
    expect(core.terminals.get(second.id).exit?.reason).toBe('host_lost');
  });

  it('can be ended while it starts', async () => {
    const spawning = core.terminals.spawn({});
    await Promise.resolve();
    while (core.terminals.list().length === 0) await Promise.resolve();
    const [{ id } = { id: '' }] = core.terminals.list();
    expect(core.terminals.get(id).state).toBe('starting');
    await Promise.all([spawning, core.terminals.kill(id)]);
    expect(core.terminals.get(id)).toMatchObject({ state: 'exited', exit: { reason: 'killed' } });
    await expect(core.terminals.remove('nope')).rejects.toMatchObject({ reason: 'terminal_not_found' });
  });

  it.each([
    [{ cols: 0 }, 'invalid_request'],
    [{ rows: 1.5 }, 'invalid_request'],
    [{ cwd: '/nowhere' }, 'directory_missing'],
    [{ shell: 'fish' }, 'shell_missing'],
    [{ name: '  ' }, 'invalid_request'],
    [{ managedBy: 'a b' }, 'invalid_request'],
    [{ managedBy: 'x'.repeat(257) }, 'invalid_request'],
    [{ sessionId: 'x' }, 'session_not_found'],
  ])('is refused: %j', async (request, reason) => {
    await expect(core.terminals.spawn(request)).rejects.toMatchObject({ reason });
    expect(core.terminals.list()).toEqual([]);
  });
});

describe('the next core', () => {
  it('takes over what runs, ends what has ended or is not known', async () => {
    const running = await core.terminals.spawn({});
    const ended = await core.terminals.spawn({});
    const unknown = await core.terminals.spawn({});
    await core.close();
    harness.machine.exitTerminal(ended.id, { exitCode: 5 });
    harness.machine.terminals.delete(unknown.id);
    core = await harness.start();
    expect(core.terminals.get(running.id).state).toBe('running');
    expect(core.terminals.get(ended.id).exit).toMatchObject({ exitCode: 5, reason: 'exited' });
    expect(core.terminals.get(unknown.id).exit).toMatchObject({ exitCode: null, reason: 'host_lost' });
    expect(core.sessions.isBusy(running.sessionId)).toBe(true);
    expect(core.terminals.list().map((terminal) => terminal.id)).toEqual([running.id, ended.id, unknown.id]);
  });

  it('changes nothing when nothing has changed', async () => {
    await core.terminals.spawn({});
    const { lastSequence } = core.events;
    await core.close();
    core = await harness.start();
    expect(core.events.lastSequence).toBe(lastSequence);
  });

  it('gives a running terminal that no store knows a place in the tree', async () => {
    harness.machine.isRunning = true;
    const options = { file: '/bin/zsh', args: [], cwd: '/gone', env: {}, cols: 80, rows: 24 };
    harness.machine.startTerminal({ ...options, id: '3f1d2c4b-0000-4000-8000-000000000001' });
    await core.close();
    core = await harness.start();
    expect(core.terminals.list()).toMatchObject([{ name: 'zsh', state: 'running', runId: null }]);
  });

  it('starts no process host', async () => {
    await core.close();
    core = await harness.start();
    await settle();
    expect(harness.machine.isRunning).toBe(false);
  });
});
