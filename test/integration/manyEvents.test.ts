// Runs with very many events: the real core, process host and worker, and an agent that calls tools without end.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openSqliteStoreReadOnly } from '../../src/adapters/sqlite/sqliteStore.ts';
import { isAlive } from '../harness/processes.ts';
import { countCalls, type FakeAgent, makeFakeAgent, startCallingCore } from './agentHarness.ts';
import { buildProduct } from './cliHarness.ts';
import { collect, HostFixture, terminalOptions, until } from './processHostHarness.ts';
import { startRealCore } from './realCore.ts';

const calls = 15_000;
/** The calls, and what is told of any run of an agent. */
const eventsOfCalls = 2 * calls + 13;

let dist: string;
let fixture: HostFixture;
let agent: FakeAgent;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(() => {
  fixture = new HostFixture(dist);
  agent = makeFakeAgent();
});
afterEach(async () => {
  await fixture.dispose();
  agent[Symbol.dispose]();
  expect(agent.calls().filter(({ pid }) => isAlive(pid))).toEqual([]);
});

it(`stores ${eventsOfCalls} events of one run once and in order, and terminals answer meanwhile`, async () => {
  await using real = await startRealCore(fixture);
  const { core, home } = real;
  const host = fixture.client();
  const echoing = terminalOptions('sh', ['-c', 'stty raw -echo; echo ready; exec cat']);
  await host.spawnTerminal(echoing);
  const terminal = await collect(host, echoing.id);
  await until(() => terminal.text().includes('ready'), 'the terminal is ready');
  const hostPid = fixture.hostPid();

  const { id: sessionId } = await core.sessions.create({ type: 'claude-code', cwd: home });
  const { id } = await core.runs.start({ task: `calls ${calls}`, sessionId, env: agent.env });
  const end = core.runs.waitForEnd(id);
  let isOver = false;
  void end.then(() => (isOver = true));
  const waits: number[] = [];
  while (!isOver) {
    const [before, startMs] = [terminal.next, performance.now()];
    await host.writeTerminal(echoing.id, 'x');
    await until(() => terminal.next > before, 'the terminal answers');
    waits.push(performance.now() - startMs);
  }

  expect(await end).toMatchObject({ status: 'succeeded' });
  expect(countCalls(core, id, calls)).toEqual({ events: eventsOfCalls, wrong: 0, missing: 0 });
  expect(fixture.hostPid()).toBe(hostPid);
  // The least that a person must not feel on a machine that is full; npm run bench events has the figures.
  expect(waits.length).toBeGreaterThan(10);
  expect(waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)]).toBeLessThan(250);
}, 60_000);

it('loses and doubles nothing when the core is killed in the middle', async () => {
  const killed = startCallingCore(fixture.stateDir, dist, agent.dir, String(calls));
  const path = join(fixture.stateDir, 'orchestrator.db');
  await until(() => killed.lines.length > 0, 'the run is started');
  const store = openSqliteStoreReadOnly(path);
  await until(() => (store?.lastSequence() ?? 0) > calls / 2, 'a part of it is stored');
  killed.kill();
  await killed.closed;
  const stored = store?.lastSequence() ?? 0;
  store?.dispose();
  expect(killed.lines).toHaveLength(1);
  expect(stored).toBeLessThan(eventsOfCalls);

  await using real = await startRealCore(fixture);
  const [id = ''] = killed.lines;
  expect(await real.core.runs.waitForEnd(id)).toMatchObject({ status: 'succeeded' });
  expect(countCalls(real.core, id, calls)).toEqual({ events: eventsOfCalls, wrong: 0, missing: 0 });
}, 60_000);
