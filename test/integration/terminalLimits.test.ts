// The limits of terminals against a real store and a real process host; only the core's clock is the test's.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../src/base/clock.ts';
import type { OrchestratorLimits } from '../../src/core/orchestrator.ts';
import { buildProduct } from './cliHarness.ts';
import { HostFixture, until } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let distDir: string;
let fixture: HostFixture;
let clock: FakeClock;
let real: RealCore;

beforeAll(() => {
  // With the worker of the product: runs are part of it.
  distDir = buildProduct();
});
afterAll(() => rmSync(distDir, { recursive: true, force: true }));
beforeEach(() => {
  fixture = new HostFixture(distDir);
  clock = new FakeClock(Date.now());
});
afterEach(async () => {
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
});

const none: Partial<OrchestratorLimits> = { keepEndedMs: 0, endedRecordBytes: 0 };
const minuteMs = 60_000;

async function spawn(script: string, managedBy: string | null = null): Promise<string> {
  const { id } = await real.core.terminals.spawn({ shell: 'sh', args: ['-c', script], managedBy });
  return id;
}

/** A terminal that has printed so much and ended. */
async function ended(bytes: number): Promise<string> {
  const id = await spawn(`head -c ${bytes} /dev/zero`);
  await real.core.terminals.waitForExit(id);
  return id;
}

const isRunning = (id: string): boolean => real.core.terminals.find(id)?.state === 'running';
const isKept = (id: string): boolean => real.core.terminals.find(id) !== undefined;
const hasRecord = (id: string): boolean => existsSync(join(fixture.paths.terminals, id));

/** Minutes pass until it is so. */
async function minutesUntil(check: () => boolean, what: string): Promise<void> {
  await until(() => {
    if (check()) return true;
    clock.advance(minuteMs);
    return check();
  }, what);
}

describe('an idle terminal', () => {
  it('of an agent is ended; not one that prints, is open, is waited for, or is a person’s', async () => {
    real = await startRealCore(fixture, { clock, limits: { ...none, idleTimeoutMs: 100 * minuteMs } });
    const { terminals, terminalSessions } = real.core;
    const printing = await spawn('while :; do echo .; sleep 0.02; done', 'agent');
    const open = await spawn('cat', 'agent');
    const tab = terminals.hold(open);
    const waitedFor = await spawn('read line; echo got $line', 'agent');
    const result = terminalSessions.waitForCompletion(waitedFor);
    const own = await spawn('cat');
    const idle = await spawn('cat', 'agent');
    await minutesUntil(() => !isRunning(idle), 'the idle one is ended');
    expect([printing, open, waitedFor, own].map(isRunning)).toEqual([true, true, true, true]);
    // Once its tab is closed it is like any other.
    tab.dispose();
    await minutesUntil(() => !isRunning(open), 'what was open is ended');
    await terminalSessions.writeToTerminal(waitedFor, 'it\n');
    expect(await result).toMatchObject({ exitCode: 0, output: expect.stringContaining('got it') });
    const audit = real.core.events
      .read({ after: 0, limit: 1_000 })
      .filter(({ type, data }) => type === 'terminal.audit' && data['action'] === 'kill');
    expect(audit.map(({ data, terminalId }) => [data['principal'], terminalId])).toEqual([
      ['system', idle],
      ['system', open],
    ]);
  });
});

describe('what is kept of ended terminals', () => {
  it('has an age; what is in a tab and what belongs to a run stays', async () => {
    real = await startRealCore(fixture, { clock, limits: { ...none, keepEndedMs: 10 * minuteMs } });
    const { runs, terminals, terminalSessions } = real.core;
    const run = await runs.start({ task: 'echo of the run', cwd: real.home });
    const finished = await runs.waitForEnd(run.id);
    expect(finished.status).toBe('succeeded');
    const ofRun = terminals.list().find(({ runId }) => runId === run.id)?.id ?? '';
    await terminals.waitForExit(ofRun);
    const old = await ended(10);
    const open = await ended(10);
    const tab = terminals.hold(open);
    await minutesUntil(() => !isKept(old), 'the old one is removed');
    expect([ofRun, open].map(isKept)).toEqual([true, true]);
    expect([ofRun, open, old].map(hasRecord)).toEqual([true, true, false]);
    expect((await terminalSessions.readOutput(ofRun)).text).toContain('of the run');
    tab.dispose();
    await minutesUntil(() => !isKept(open), 'what was open is removed');
    expect(isKept(ofRun)).toBe(true);
  });

  it('has a size, from when that is set, the newest kept', async () => {
    real = await startRealCore(fixture, { clock, limits: none });
    const ids = [await ended(300_000), await ended(200_000), await ended(100_000)];
    const live = await spawn('head -c 900000 /dev/zero; cat');
    for (let passed = 0; passed < 5; passed++) clock.advance(minuteMs);
    real.core.setLimits({ endedRecordBytes: 350_000 });
    await minutesUntil(() => !isKept(ids[0]!), 'the oldest is removed');
    expect([...ids.slice(1), live].map(isKept)).toEqual([true, true, true]);
    real.core.setLimits({ endedRecordBytes: 150_000 });
    await minutesUntil(() => !isKept(ids[1]!), 'the next is removed');
    expect(isKept(ids[2]!)).toBe(true);
    expect(isRunning(live)).toBe(true);
  });
});

describe('limits that are set while the core runs', () => {
  it('hold from then on: terminals of an agent, runs at a time, thresholds', async () => {
    real = await startRealCore(fixture, { clock, limits: { ...none, maxConcurrentRuns: 1 } });
    const { core } = real;
    await spawn('cat', 'agent');
    core.setLimits({ maxTerminalsPerOwner: 1 });
    await expect(spawn('cat', 'agent:below')).rejects.toMatchObject({ reason: 'terminal_limit' });
    core.setLimits({ maxTerminalsPerOwner: 2 });
    const id = await spawn('cat', 'agent:below');

    const runs = [
      await core.runs.start({ task: 'sleep 60' }),
      await core.runs.start({ task: 'echo second' }),
    ];
    await until(() => core.activity().runningRuns === 1, 'the first run runs');
    expect(core.runs.find(runs[1]!.id)?.status).toBe('queued');
    core.setLimits({ maxConcurrentRuns: 2 });
    expect((await core.runs.waitForEnd(runs[1]!.id)).status).toBe('succeeded');
    await core.runs.abort(runs[0]!.id);
    await core.runs.waitForEnd(runs[0]!.id);

    const passed: string[] = [];
    core.terminalSessions.onDidPassThreshold((event) => passed.push(`${event.id} ${event.metric}`));
    core.setLimits({ memoryThresholdBytes: 1 });
    await minutesUntil(() => passed.includes(`${id} memory_bytes`), 'the threshold is told');
    await minutesUntil(() => passed.length >= 2, 'of every terminal');
    const told = passed.length;
    for (let look = 0; look < 3; look++) clock.advance(minuteMs);
    expect(passed).toHaveLength(told);
  });
});
