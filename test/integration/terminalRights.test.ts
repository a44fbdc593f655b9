// What an agent can reach of terminals: every operation of the API against every terminal that is not its own.
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TerminalEvents } from '../../src/core/terminals/terminalEvents.ts';
import type { TerminalSessions } from '../../src/core/terminals/terminalSessions.ts';
import { createTerminalApi, type TerminalApi } from '../../src/vscode/api.ts';
import { buildHost, HostFixture, until } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let distDir: string;
let fixture: HostFixture;
let real: RealCore;
let person: TerminalSessions;

beforeAll(async () => {
  distDir = await buildHost();
});
afterAll(() => rmSync(distDir, { recursive: true, force: true }));
beforeEach(async () => {
  fixture = new HostFixture(distDir);
  real = await startRealCore(fixture);
  person = real.core.terminalSessions;
});
afterEach(async () => {
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
});

const agentId = 'orchestrator:a';
/** A person's, another agent's, one of a like name, the parent's; seen by a sub-agent also its sibling's and parent's. */
const foreign: readonly [agent: string, owner: string | null][] = [
  [agentId, null],
  [agentId, 'orchestrator:b'],
  [agentId, 'orchestrator:ab'],
  [agentId, 'orchestrator'],
  [`${agentId}:x`, agentId],
  [`${agentId}:x`, `${agentId}:y`],
];

type Operation = Exclude<keyof TerminalSessions, 'asPrincipal' | keyof TerminalEvents>;
type ById = Exclude<
  Operation,
  | 'spawnTerminal'
  | 'spawnTerminalManaged'
  | 'listTerminalSessions'
  | 'listSessionsByManager'
  | 'killSessionsByManager'
>;

/** Every operation on one terminal: an operation that is missing here does not compile. */
const byId: Readonly<Record<ById, (api: TerminalApi, id: string) => Promise<unknown>>> = {
  getTerminalSessionInfo: (api, id) => api.getTerminalSessionInfo(id),
  executeTerminalCommand: (api, id) => api.executeTerminalCommand(id, 'intruder'),
  writeToTerminal: (api, id) => api.writeToTerminal(id, 'intruder'),
  resizeTerminal: (api, id) => api.resizeTerminal(id, 7, 7),
  killTerminal: (api, id) => api.killTerminal(id),
  listenToTerminalOutput: (api, id) => api.listenToTerminalOutput(id, () => undefined, { from: 0 }),
  waitForCompletion: (api, id) => api.waitForCompletion(id, { timeoutMs: 5_000 }),
  readOutput: (api, id) => api.readOutput(id),
  readLastLines: (api, id) => api.readLastLines(id, 5),
  readScreen: (api, id) => api.readScreen(id),
  searchOutput: (api, id) => api.searchOutput(id, 'secret'),
  waitForPattern: (api, id) => api.waitForPattern(id, 'secret', { from: 0 }),
  getTerminalMetrics: (api, id) => api.getTerminalMetrics(id),
};

/** As the extension makes it for `asPrincipal`. */
function apiOf(owner: string): TerminalApi {
  return createTerminalApi(
    () => Promise.resolve(person),
    (attach) => attach(person),
    (all) => all.asPrincipal(owner),
  );
}

async function spawnSecret(managedBy: string | null): Promise<string> {
  const { id } = await real.core.terminals.spawn({
    managedBy,
    shell: 'sh',
    args: ['-c', 'echo secret; exec cat'],
  });
  await person.waitForPattern(id, 'secret', { from: 0 });
  return id;
}

describe.each(foreign)('%s at a terminal of %s', (agent, owner) => {
  it('is refused by every operation, and changes nothing', async () => {
    const id = await spawnSecret(owner);
    const before = await person.readOutput(id);
    const api = apiOf(agent);
    for (const [name, call] of Object.entries(byId)) {
      await expect(call(api, id), name).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        reason: 'permission_denied',
      });
    }
    expect(await api.listTerminalSessions()).toEqual([]);
    for (const manager of [owner ?? 'user', 'orchestrator', '', ':']) {
      expect(await api.listSessionsByManager(manager)).toEqual([]);
      expect(await api.killSessionsByManager(manager)).toBe(0);
    }
    expect(person.getTerminalSessionInfo(id)).toMatchObject({ is_alive: true, session: { cols: 80 } });
    expect(await person.readOutput(id)).toEqual(before);
  });

  it('does not get there by starting something, nor by another name', async () => {
    const api = apiOf(agent);
    expect((await api.spawnTerminal(80, 24)).managed_by).toBe(agent);
    expect(api).not.toHaveProperty('asPrincipal');
    const denied = { reason: 'permission_denied' };
    if (owner !== null) {
      await expect(api.spawnTerminalManaged(80, 24, owner)).rejects.toMatchObject(denied);
      expect(() => person.asPrincipal(agent).asPrincipal(owner)).toThrow(expect.objectContaining(denied));
    }
    const smuggled: object = { by: null, managedBy: owner, sessionId: 'x' };
    expect((await api.spawnTerminal(80, 24, smuggled)).managed_by).toBe(agent);
  });

  it('hears of no end and no threshold', async () => {
    const told: string[] = [];
    const api = apiOf(agent);
    const subscriptions = [
      api.onDidExitTerminal(({ id }) => told.push(id)),
      api.onDidPassThreshold(({ id }) => told.push(id)),
    ];
    const own = await spawnSecret(agent);
    const id = await spawnSecret(owner);
    await person.killTerminal(id);
    await person.killTerminal(own);
    await until(() => told.length > 0, 'its own end is told');
    expect(told).toEqual([own]);
    for (const subscription of subscriptions) subscription.dispose();
  });
});

it('an agent can do all of it at its own terminals and at those below it', async () => {
  const api = apiOf(agentId);
  for (const owner of [agentId, `${agentId}:x`, `${agentId}:x:y`]) {
    const id = await spawnSecret(owner);
    const { killTerminal, waitForCompletion, ...others } = byId;
    for (const [name, call] of Object.entries(others)) {
      await expect(call(api, id), name).resolves.not.toThrow();
    }
    await killTerminal(api, id);
    expect(await waitForCompletion(api, id)).toMatchObject({ output: expect.stringContaining('secret') });
    expect(await api.getTerminalSessionInfo(id)).toMatchObject({ is_alive: false });
  }
});

it.each([
  'user',
  'system',
  'user:x',
  '',
  ' ',
  'a b',
  'a\0',
  '\u001b[31m',
  'a\u202eb',
  'x'.repeat(257),
  null,
  7,
])('nobody can be the agent %j', async (owner) => {
  const invalid = { code: 'INVALID_ARGUMENT', reason: 'invalid_request' };
  expect(() => person.asPrincipal(owner as string)).toThrow(expect.objectContaining(invalid));
  await expect(person.spawnTerminalManaged(80, 24, owner as string)).rejects.toMatchObject(invalid);
});

it('an end is told with its code or signal, and what it means', async () => {
  const told: unknown[] = [];
  const subscription = person.onDidExitTerminal((exit) => told.push(exit));
  const run = async (script: string): Promise<string> => {
    const { id } = await real.core.terminals.spawn({ shell: 'sh', args: ['-c', script], managedBy: agentId });
    await real.core.terminals.waitForExit(id);
    return id;
  };
  const failed = await run('exit 3');
  const killed = await run('kill -9 $$');
  const own = { managed_by: agentId, reason: 'exited' };
  expect(told).toEqual([
    { ...own, id: failed, exit_code: 3, signal: null, message: 'The process ended with exit code 3.' },
    { ...own, id: killed, exit_code: 137, signal: 9, message: 'The process was ended by signal 9.' },
  ]);
  subscription.dispose();
  await run('exit 4');
  expect(told).toHaveLength(2);
});
