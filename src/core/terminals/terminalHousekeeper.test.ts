import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import type { OrchestratorLimits } from '../limits.ts';
import type { Orchestrator } from '../orchestrator.ts';

let harness: CoreHarness;
let core: Orchestrator;

beforeEach(() => {
  harness = new CoreHarness();
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

async function start(limits: Partial<OrchestratorLimits>): Promise<void> {
  core = await harness.start({ limits: { keepEndedMs: 0, endedRecordBytes: 0, ...limits } });
}

/** One minute, and what is done in it. */
async function minute(): Promise<void> {
  harness.clock.advance(60_000);
  await settle();
}

function print(id: string, bytes: number): void {
  const terminal = harness.machine.terminal(id);
  terminal.status = { ...terminal.status, end: terminal.status.end + bytes };
}

describe('limits of terminals', () => {
  it('are counted for an agent with all below it, and never for a person', async () => {
    await start({ maxTerminalsPerOwner: 2 });
    const first = await core.terminals.spawn({ managedBy: 'orchestrator:a:x' });
    await core.terminals.spawn({ managedBy: 'orchestrator:a:y' });
    await expect(core.terminals.spawn({ managedBy: 'orchestrator:a' })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'terminal_limit',
    });
    await core.terminals.spawn({ managedBy: 'orchestrator:ab' });
    for (let count = 0; count < 3; count += 1) await core.terminals.spawn({});
    await core.terminals.kill(first.id);
    await core.terminals.spawn({ managedBy: 'orchestrator:a' });
  });

  it('end a terminal of an agent that is idle, not one of a person, and not one that prints', async () => {
    await start({ idleTimeoutMs: 120_000 });
    const idle = await core.terminals.spawn({ managedBy: 'a' });
    const busy = await core.terminals.spawn({ managedBy: 'a' });
    const own = await core.terminals.spawn({});
    for (let passed = 0; passed < 4; passed += 1) {
      print(busy.id, 1);
      await minute();
    }
    expect([idle, busy, own].map(({ id }) => core.terminals.get(id).state)).toEqual([
      'exited',
      'running',
      'running',
    ]);
  });

  it('remove ended ones that are old, or whose output is too much, the newest kept', async () => {
    await start({ keepEndedMs: 600_000, endedRecordBytes: 1_000 });
    const spawn = async (bytes: number): Promise<string> => {
      const { id } = await core.terminals.spawn({});
      print(id, bytes);
      return id;
    };
    const ids = [await spawn(600), await spawn(500), await spawn(400)];
    for (const id of ids) {
      harness.clock.advance(1);
      harness.machine.exitTerminal(id);
    }
    const live = await spawn(5_000);
    await minute();
    const known = (): string[] => core.terminals.list().map(({ id }) => id);
    expect(known()).toEqual([...ids.slice(1), live]);
    expect(harness.machine.terminals.has(ids[0]!)).toBe(false);
    for (let passed = 0; passed < 11; passed += 1) await minute();
    expect(known()).toEqual([live]);
  });
});
