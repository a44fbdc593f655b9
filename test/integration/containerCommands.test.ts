import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import { ContainerCore } from '../harness/containerCore.ts';
import { TestEngine } from '../harness/dockerEngine.ts';
import { waitUntil } from '../harness/processes.ts';
import { startCore } from './coreProcess.ts';

let engine: TestEngine;
let folder: string;

beforeAll(async () => {
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ow-commands-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const nothing = { onData: () => undefined, onEnd: () => undefined };
/** A command that has started another one: both last. */
const family = ['sh', '-c', 'sleep 1001 & sleep 1002'];

/** What runs in the container besides its own program. */
function commandsIn(id: string): string[] {
  const [, ...lines] = engine.docker('top', id, '-o', 'pid,args').split('\n');
  return lines.flatMap((line) => /^\s*\d+\s+(sleep 1\d{3})$/.exec(line)?.[1] ?? []).sort();
}

function cleanups(core: Orchestrator): unknown[] {
  return core.events
    .read({ after: 0, limit: 1_000 })
    .filter(({ type }) => type === 'container.cleanup')
    .map(({ data }) => data);
}

/** Kills a core that has begun the family in a container; that of a foreigner goes on beside it. */
async function leaveBehind(options: { readonly isPaused?: boolean } = {}): Promise<string> {
  const core = startCore(engine.socketPath, folder);
  try {
    const id = await core.said;
    engine.docker('exec', '--detach', id, 'sleep', '1777');
    await waitUntil('all of them run', () => commandsIn(id).length === 3);
    if (options.isPaused === true) engine.docker('pause', id);
    return id;
  } finally {
    await core.kill();
  }
}

it('that a killed core left running are ended by the next one, and nothing else is', async () => {
  const id = await leaveBehind();
  expect(commandsIn(id)).toEqual(['sleep 1001', 'sleep 1002', 'sleep 1777']);
  await using next = new ContainerCore(engine.client(), { folder });
  const core = await next.start();
  await core.containers.ready();
  expect(commandsIn(id)).toEqual(['sleep 1777']);
  expect(core.containers.get(id).state).toBe('running');
  expect(cleanups(core)).toEqual([{ kind: 'command', name: 'sh', reason: 'core_ended', removed: true }]);
  for (const session of core.sessions.list()) await core.sessions.close(session.id);
});

it('in a container that is paused are ended once it goes on', async () => {
  const id = await leaveBehind({ isPaused: true });
  await using next = new ContainerCore(engine.client(), { folder });
  const core = await next.start();
  await core.containers.ready();
  expect(core.containers.get(id).state).toBe('paused');
  await core.containers.unpause(id);
  await waitUntil('they are gone', () => commandsIn(id).join() === 'sleep 1777');
  for (const session of core.sessions.list()) await core.sessions.close(session.id);
});

it('end when they are let go of, as what they have started does', async () => {
  await using fixture = new ContainerCore(engine.client(), { folder });
  const core = await fixture.start();
  const session = await fixture.session();
  const { id } = await fixture.create(session.id, 'sleep 600');
  await core.containers.start(id);
  const held = await core.containers.exec(id, { command: family }, nothing);
  const other = await core.containers.exec(id, { command: ['sleep', '1003'] }, nothing);
  await waitUntil('all of them run', () => commandsIn(id).length === 3);
  held.dispose();
  await waitUntil('the family is gone', () => commandsIn(id).join() === 'sleep 1003');
  expect(await held.exitCode).toBeUndefined();
  await core.containers.stop(id, { graceMs: 0 });
  // The engine says 137 of it, or nothing where it has forgotten it.
  expect([137, undefined]).toContain(await other.exitCode);
  expect(cleanups(core)).toEqual([{ kind: 'command', name: 'sh', reason: 'let_go', removed: true }]);
  await core.sessions.close(session.id);
});
