import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import type { Orchestrator } from '../orchestrator.ts';
import type { ProcessMetrics, TreeUsage } from '../ports/processMetrics.ts';

let harness: CoreHarness;
let core: Orchestrator;
let usage: TreeUsage;
let looks: number;
const processMetrics: ProcessMetrics = {
  sample: (roots) => {
    looks += 1;
    return Promise.resolve(new Map(roots.map((root) => [root, usage])));
  },
};

beforeEach(() => {
  harness = new CoreHarness();
  usage = { processes: 2, cpuMs: 100, memoryBytes: 1_000, readBytes: 1, writtenBytes: 2 };
  looks = 0;
});
afterEach(async () => {
  await core.close();
  harness.dispose();
});

const thresholds = (): unknown[] =>
  core.events
    .read({ after: 0, limit: 100 })
    .filter(({ type }) => type === 'terminal.threshold')
    .map(({ data }) => data);

describe('metrics of a terminal', () => {
  it('are taken only when somebody looks, and the share of a processor between two looks', async () => {
    core = await harness.start({ processMetrics });
    const { id } = await core.terminals.spawn({});
    harness.clock.advance(60_000);
    await settle();
    expect(looks).toBe(0);
    const first = core.terminalSessions.getTerminalMetrics(id);
    await settle();
    usage = { ...usage, cpuMs: 225 };
    harness.clock.advance(250);
    expect(await first).toEqual({ ...usage, cpuPercent: 50 });
    harness.clock.advance(1_000);
    expect(await core.terminalSessions.getTerminalMetrics(id)).toMatchObject({ cpuPercent: 0 });
    harness.machine.exitTerminal(id);
    expect(await core.terminalSessions.getTerminalMetrics(id)).toBeUndefined();
  });

  it('tell of a passed threshold once, until the value has fallen again', async () => {
    const limits = { memoryThresholdBytes: 5_000, cpuThresholdPercent: 80 };
    core = await harness.start({ processMetrics, limits });
    await core.terminals.spawn({});
    const look = async (more: Partial<TreeUsage>): Promise<void> => {
      usage = { ...usage, ...more };
      harness.clock.advance(5_000);
      await settle();
    };
    await look({});
    await look({ memoryBytes: 6_000 });
    await look({ memoryBytes: 4_900 });
    await look({ memoryBytes: 6_000, cpuMs: 5_100 });
    await look({ memoryBytes: 1_000, cpuMs: 5_100 });
    await look({ memoryBytes: 5_000 });
    expect(thresholds()).toEqual([
      { metric: 'memory_bytes', value: 6_000, threshold: 5_000 },
      { metric: 'cpu_percent', value: 100, threshold: 80 },
      { metric: 'memory_bytes', value: 5_000, threshold: 5_000 },
    ]);
  });
});
