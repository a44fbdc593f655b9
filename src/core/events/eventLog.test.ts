import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CoreHarness, settle } from '../../../test/harness/core.ts';
import { nullLogger } from '../../base/logger.ts';
import type { OrchestratorEvent } from './event.ts';
import { EventLog } from './eventLog.ts';
import { StateMirror } from './stateMirror.ts';

let harness: CoreHarness;
let log: EventLog;
const errors: unknown[] = [];

beforeEach(() => {
  harness = new CoreHarness();
  errors.length = 0;
  const logger = { ...nullLogger, error: (...details: unknown[]) => void errors.push(details) };
  const { store, clock } = harness;
  log = new EventLog({ store, clock, logger, state: new StateMirror(store) });
});
afterEach(() => {
  log.dispose();
  harness.dispose();
});

function append(count: number, runId = 'r'): void {
  log.commit((tx) => {
    for (let index = 0; index < count; index += 1) tx.append({ type: 'x', time: 1, runId, data: { index } });
  });
}

async function collect(events: AsyncIterable<OrchestratorEvent>, into: number[]): Promise<void> {
  for await (const event of events) into.push(event.sequence);
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

const upTo = (last: number): number[] => Array.from({ length: last }, (_value, index) => index + 1);

describe('commit', () => {
  it('publishes after the transaction, in order, also when a listener commits', () => {
    const heard: number[] = [];
    const stored: number[] = [];
    log.onDidAppend((event) => {
      if (event.sequence === 1) append(1);
    });
    log.onDidAppend((event) => {
      heard.push(event.sequence);
      stored.push(harness.store.lastSequence());
    });
    append(3);
    expect(heard).toEqual([1, 2, 3, 4]);
    expect(stored).toEqual([4, 4, 4, 4]);
    expect(log.lastSequence).toBe(4);
  });

  it('changes and publishes nothing when it throws', () => {
    const heard = vi.fn();
    log.onDidAppend(heard);
    expect(() =>
      log.commit((tx) => {
        tx.append({ type: 'x', time: 1, data: {} });
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(heard).not.toHaveBeenCalled();
    expect(log.read({ after: 0, limit: 10 })).toEqual([]);
    append(1);
    expect(log.lastSequence).toBe(1);
  });

  it('keeps a failing listener from the others, and refuses a transaction inside another', () => {
    const heard = vi.fn();
    log.onDidAppend(() => {
      throw new Error('listener');
    });
    log.onDidAppend(heard);
    append(1);
    expect(heard).toHaveBeenCalledOnce();
    expect(errors).toHaveLength(1);
    expect(() => log.commit(() => log.commit(() => 1))).toThrow(/inside another/);
    append(1);
    expect(log.lastSequence).toBe(2);
  });

  it('is refused when closed', () => {
    log.dispose();
    expect(() => append(1)).toThrow(expect.objectContaining({ reason: 'closed' }));
  });
});

describe('follow', () => {
  it('reads what was, then what comes, until the signal', async () => {
    append(1_000);
    const end = new AbortController();
    const seen: number[] = [];
    const done = collect(log.follow({ after: 10, signal: end.signal }), seen);
    await settle();
    append(5);
    await settle();
    expect(seen).toEqual(upTo(1_005).slice(10));
    end.abort();
    await done;
    append(1);
    expect(seen.at(-1)).toBe(1_005);
  });

  it('ends when the log is closed and when its reader leaves', async () => {
    append(3);
    for await (const event of log.follow({ after: 0 })) if (event.sequence === 2) break;
    const seen: number[] = [];
    const done = collect(log.follow({ after: 0 }), seen);
    await settle();
    log.dispose();
    await done;
    expect(seen).toEqual([1, 2, 3]);
  });

  it('refuses a number of another log', async () => {
    append(3);
    const follower = log.follow({ after: 4 });
    await expect(follower.next()).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
  });

  it('filters, from the store and live', async () => {
    for (let round = 0; round < 400; round += 1) append(2, round % 3 === 0 ? 'wanted' : 'other');
    const seen: number[] = [];
    const end = new AbortController();
    const done = collect(log.follow({ after: 0, runId: 'wanted', signal: end.signal }), seen);
    await settle();
    append(1, 'other');
    append(1, 'wanted');
    await settle();
    end.abort();
    await done;
    const wanted = log.read({ after: 0, limit: 10_000, runId: 'wanted' }).map((event) => event.sequence);
    expect(seen).toEqual(wanted);
    expect(seen).toHaveLength(269);
  });

  it('holds no more for a slow reader than one page', async () => {
    const read = vi.spyOn(harness.store, 'readEvents');
    const slow = log.follow({ after: 0 });
    append(1);
    const first = await slow.next();
    expect(first.value?.sequence).toBe(1);
    const held: WeakRef<OrchestratorEvent>[] = [];
    log.onDidAppend((event) => held.push(new WeakRef(event)));
    for (let round = 0; round < 200; round += 1) append(100);
    await settle();
    collectGarbage();
    // What the log keeps for those who are up to date, twice at most.
    expect(held.filter((reference) => reference.deref() !== undefined).length).toBeLessThanOrEqual(700);
    expect(read).not.toHaveBeenCalled();
    // The rest is read in pages, in order and complete.
    const seen: number[] = [1];
    while (seen.length < 20_001) {
      const next = await slow.next();
      if (next.done === true) break;
      seen.push(next.value.sequence);
    }
    expect(seen).toEqual(upTo(20_001));
    for (const [filter] of read.mock.calls) expect(filter.limit).toBeLessThanOrEqual(256);
    await slow.return();
  });

  it('shows every follower the same order, however reads and commits interleave', async () => {
    const plan = fc.array(
      fc.oneof(
        fc.record({ append: fc.integer({ min: 1, max: 400 }) }),
        fc.record({ read: fc.integer({ min: 1, max: 300 }), reader: fc.nat(2) }),
      ),
      { minLength: 5, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(plan, async (actions) => {
        const start = log.lastSequence;
        const followers = [0, 1, 2].map(() => ({
          events: log.follow({ after: start }),
          seen: [] as number[],
        }));
        const readSome = async (reader: number, count: number): Promise<void> => {
          const follower = followers[reader]!;
          for (let left = count; left > 0 && follower.seen.length < log.lastSequence - start; left -= 1) {
            const next = await follower.events.next();
            if (next.done !== true) follower.seen.push(next.value.sequence - start);
          }
        };
        for (const action of actions) {
          if ('append' in action) append(action.append);
          else await readSome(action.reader, action.read);
        }
        for (const reader of [0, 1, 2]) await readSome(reader, Number.MAX_SAFE_INTEGER);
        for (const follower of followers) {
          expect(follower.seen).toEqual(upTo(log.lastSequence - start));
          await follower.events.return();
        }
      }),
      { numRuns: 30 },
    );
  });
});
