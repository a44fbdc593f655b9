import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CoreHarness, ScriptedWorker, settle } from '../../test/harness/core.ts';
import { Crash, CrashPlan, crashingHost, crashingStore } from '../../test/harness/crashes.ts';
import { FakeProcessHost } from '../../test/harness/fakeProcessHost.ts';
import { FakeClock } from '../base/clock.ts';
import type { Orchestrator } from './orchestrator.ts';
import { abortLimitMs } from './runs/runExecutor.ts';
import { isRunEnded, type Run } from './runs/run.ts';
import type { Terminal } from './terminals/terminal.ts';

/**
 * A person runs a task, opens a terminal and ends it, while cores die at every moment there is. Whatever the moment,
 * the next core comes to the same end: nothing lost, nothing done twice.
 */
interface Story {
  /** Moments at which the first, second … core dies. */
  readonly crashes: readonly number[];
  /** The worker comes to its end while there is no core, or waits for the next core. */
  readonly workerGoesOn: boolean;
  /** The person aborts the run at its third stage; the worker does not react, and is killed. */
  readonly aborts: boolean;
}

interface Ending {
  readonly crashed: readonly string[];
}

const runTypes = [
  'response.created',
  'response.in_progress',
  'runner.started',
  'runner.steps.planned',
  'runner.terminal',
  'runner.shell.marks',
  'runner.step.started',
  'runner.step.execution.started',
  'runner.step.output',
  'runner.step.execution.completed',
  'runner.step.completed',
  'runner.step.started',
  'runner.step.execution.started',
  'runner.step.output',
  'runner.step.execution.completed',
  'runner.step.completed',
  'runner.completed',
  'response',
  'response.completed',
];

async function tell(story: Story): Promise<Ending> {
  const harness = new CoreHarness();
  const { machine } = harness;
  let script: ScriptedWorker | undefined;
  machine.onStart = (worker) => (script = new ScriptedWorker(machine, worker));
  const crashed: string[] = [];
  let cores = 0;
  let plan = new CrashPlan(-1);

  /** A core that is started; each next one dies by its own plan. */
  const nextCore = async (): Promise<Orchestrator> => {
    for (;;) {
      plan = new CrashPlan(story.crashes[cores++] ?? -1);
      harness.clock = new FakeClock(harness.clock.now() + 1);
      const core = harness.create({
        store: crashingStore(harness.store, plan),
        processHost: crashingHost(new FakeProcessHost(machine), plan),
      });
      try {
        await core.start();
        return core;
      } catch (error) {
        if (!plan.hasCrashed) throw error;
        crashed.push(String(plan.at));
      }
    }
  };
  /** What the person asked for fails with the core, never otherwise. */
  const ask = async (action: () => Promise<unknown>): Promise<boolean> => {
    try {
      await action();
      return true;
    } catch (error) {
      if (!plan.hasCrashed) throw error;
      return false;
    }
  };

  let core = await nextCore();
  let isAborted = false;
  try {
    for (let turn = 0; ; turn += 1) {
      expect(turn).toBeLessThan(200);
      await settle();
      if (plan.hasCrashed) {
        crashed.push(String(plan.at));
        if (story.workerGoesOn) await script?.finish();
        core = await nextCore();
        continue;
      }
      const run: Run | undefined = core.runs.list()[0];
      const own: Terminal | undefined = core.terminals
        .list()
        .find(({ runId, exit }) => runId === null && exit?.reason !== 'host_lost');
      if (run === undefined) {
        await ask(() => core.runs.start({ task: 'a\nb' }));
      } else if (own === undefined) {
        await ask(() => core.terminals.spawn({ sessionId: run.sessionId }));
      } else if (story.aborts && !isAborted && run.steps[0]?.status === 'running') {
        isAborted = await ask(() => core.runs.abort(run.id));
      } else if (!isAborted && script?.next() === true) {
        continue;
      } else if (isAborted && !isRunEnded(run)) {
        harness.clock.advance(abortLimitMs);
      } else if (own.state !== 'exited') {
        await ask(() => core.terminals.kill(own.id));
      } else {
        break;
      }
    }
    check(harness, core, story);
  } finally {
    await core.close().catch(() => undefined);
    harness.dispose();
  }
  return { crashed };
}

function check(harness: CoreHarness, core: Orchestrator, story: Story): void {
  const { machine } = harness;
  const runs = core.runs.list();
  expect(runs).toHaveLength(1);
  const [run] = runs as [Run];
  const events = core.events.read({ after: 0, limit: 10_000 });
  expect(events.map((event) => event.sequence)).toEqual(events.map((_event, index) => index + 1));
  const told = events.filter(
    ({ type, runId }) => runId === run.id && /^(?:response|runner|error)/.test(type),
  );
  if (story.aborts && run.status === 'cancelled') {
    expect(told.filter(({ type }) => type === 'response.completed')).toHaveLength(1);
    expect(told.at(-1)?.type).toBe('response.completed');
  } else {
    expect(run.status).toBe('succeeded');
    expect(told.map(({ type }) => type)).toEqual(runTypes);
  }
  expect(machine.workerStarts.get(run.id)).toBe(1);
  expect(machine.workerStarts.size).toBe(1);
  expect(machine.workers.size).toBe(0);

  const terminals = core.terminals.list();
  for (const terminal of terminals) {
    expect(terminal.state).toBe('exited');
    const exits = events.filter(
      ({ type, terminalId }) => type === 'terminal.exited' && terminalId === terminal.id,
    );
    expect(exits).toHaveLength(1);
  }
  for (const [id, { status }] of machine.terminals) {
    expect(terminals.some((terminal) => terminal.id === id)).toBe(true);
    expect(status.exit).toBeDefined();
    expect(machine.terminalStarts.get(id)).toBe(1);
  }
  expect(terminals.filter((terminal) => terminal.runId === run.id)).toHaveLength(1);
  expect(core.sessions.list().map(({ id }) => core.sessions.isBusy(id))).toEqual([false]);
  expect(core.activity()).toEqual({ runningRuns: 0, liveTerminals: 0, queuedRuns: 0 });
}

describe('a core that is killed', () => {
  it.each([
    { workerGoesOn: false, aborts: false },
    { workerGoesOn: true, aborts: false },
    { workerGoesOn: false, aborts: true },
  ])('at any one moment, loses and doubles nothing: %j', { timeout: 120_000 }, async (kind) => {
    const moments: string[] = [];
    for (let moment = 0; ; moment += 1) {
      const { crashed } = await tell({ ...kind, crashes: [moment] }).catch((error: unknown) => {
        throw new Error(`with a crash at moment ${moment} (after ${String(moments.at(-1))})`, {
          cause: error,
        });
      });
      if (crashed.length === 0) break;
      moments.push(...crashed);
    }
    // The story must really pass all the kinds of moments there are.
    for (const call of [
      'startWorker',
      'followWorker',
      'ackWorker',
      'removeWorker',
      'spawnTerminal',
      'a transaction',
    ]) {
      expect(moments).toContain(`before ${call}`);
      expect(moments).toContain(`after ${call}`);
    }
    expect(moments.length).toBeGreaterThan(40);
  });

  it('several times, also while it takes up what was left, loses and doubles nothing', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          crashes: fc.array(fc.nat(60), { minLength: 2, maxLength: 6 }),
          workerGoesOn: fc.boolean(),
          aborts: fc.boolean(),
        }),
        async (story) => {
          await tell(story);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is told apart from an ordinary error', () => {
    expect(new Crash('x').name).toBe('Crash');
  });
});
