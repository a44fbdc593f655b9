import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CoreHarness } from '../../../test/harness/core.ts';
import { nullLogger } from '../../base/logger.ts';
import type { NewEvent, OrchestratorEvent } from './event.ts';
import { EventHub, type EventGap, type EventSubscription, type SubscribeOptions } from './eventHub.ts';
import { EventLog } from './eventLog.ts';
import { type EventSelector, matchesEvent } from './eventSelector.ts';
import { StateMirror } from './stateMirror.ts';

let harness: CoreHarness;
let log: EventLog;
let hub: EventHub;

beforeEach(() => {
  harness = new CoreHarness();
  const { store, clock } = harness;
  log = new EventLog({ store, clock, logger: nullLogger, state: new StateMirror(store) });
  hub = new EventHub(log, clock, nullLogger);
});
afterEach(() => {
  hub.dispose();
  log.dispose();
  harness.dispose();
});

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A subscriber that takes as long as `takes` answers true. */
class Reader {
  readonly seen: number[] = [];
  gap: EventGap | undefined;
  isClosed = false;
  takes: () => boolean = () => true;
  readonly subscription: EventSubscription;

  constructor(options: SubscribeOptions = {}) {
    this.subscription = hub.subscribe(options, {
      deliver: (events) => {
        for (const { sequence } of events) this.seen.push(sequence);
        return this.takes();
      },
      onGap: (gap) => void (this.gap = gap),
      onClose: () => void (this.isClosed = true),
    });
  }
}

function append(count: number, over: Partial<NewEvent> = {}): void {
  log.commit((tx) => {
    for (let index = 0; index < count; index += 1)
      tx.append({ type: 'x', time: 1, data: { index }, ...over });
  });
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_value, index) => from + index);
/** Lets those that are behind read pages until they are not. */
const catchUp = (): void => {
  for (let turn = 0; turn < 1_000; turn += 1) harness.clock.advance(0);
};

describe('a subscription', () => {
  it('gets what comes, or what was and then what comes, each event once', () => {
    append(1_000);
    const [now, past] = [new Reader(), new Reader({ after: 10 })];
    append(5);
    expect(now.seen).toEqual(range(1_001, 1_005));
    expect(past.seen).toEqual([]);
    catchUp();
    append(1);
    expect(past.seen).toEqual(range(11, 1_006));
    expect(past.subscription.cursor).toBe(1_006);
    past.subscription.dispose();
    append(1);
    expect(past.seen.at(-1)).toBe(1_006);
    expect(() => new Reader({ after: 2_000 })).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  });

  it('pauses when its sink has had enough, and goes on without a loss', () => {
    const reader = new Reader();
    reader.takes = () => false;
    append(3);
    append(700);
    expect(reader.seen).toEqual([1, 2, 3]);
    reader.takes = () => true;
    reader.subscription.resume();
    catchUp();
    append(2);
    expect(reader.seen).toEqual(range(1, 705));
    expect(reader.gap).toBeUndefined();
  });

  it('is told its gap when it stands still too long, and resumes there', () => {
    const selector = { sessionId: 'wanted' };
    const reader = new Reader({ selector, lagLimit: 10 });
    reader.takes = () => false;
    append(1, selector);
    append(1_000);
    append(10, selector);
    expect(reader.gap).toBeUndefined();
    append(1, selector);
    expect(reader.gap).toEqual({ firstMissed: 1_002, missed: 11, lastSequence: 1_012 });
    expect(hub.size).toBe(0);
    const again = new Reader({ selector, after: reader.gap!.firstMissed - 1 });
    catchUp();
    expect([...reader.seen, ...again.seen]).toEqual([1, ...range(1_002, 1_012)]);
  });

  it('is told a gap that begins with what it had not read, when it stops while it catches up', () => {
    append(2_000);
    const reader = new Reader({ after: 0, lagLimit: 10 });
    reader.takes = () => false;
    catchUp();
    append(11);
    expect(reader.gap?.firstMissed).toBe(reader.seen.length + 1);
    expect(reader.seen.length).toBeLessThan(2_000);
  });

  it('sees every event once also when it commits or subscribes while it is told of one', () => {
    const seen: number[] = [];
    let late: Reader | undefined;
    hub.subscribe(
      {},
      {
        deliver: (events) => {
          for (const { sequence } of events) seen.push(sequence);
          if (seen.length === 1) {
            append(2);
            late = new Reader();
          }
          return true;
        },
        onGap: () => undefined,
        onClose: () => undefined,
      },
    );
    append(1);
    append(1);
    catchUp();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(late?.seen).toEqual([4]);
  });

  it('ends with the log, and a failing one by itself', () => {
    const reader = new Reader();
    const failing = new Reader();
    failing.takes = () => {
      throw new Error('broken');
    };
    append(2);
    expect([reader.seen, hub.size]).toEqual([[1, 2], 1]);
    log.dispose();
    expect([reader.isClosed, failing.isClosed, hub.size]).toEqual([true, false, 0]);
  });
});

describe('a thousand subscribers', () => {
  it('lose nothing when one in a hundred stands still, and nothing is held for those', {
    timeout: 60_000,
  }, () => {
    const count = 4_000;
    const batch = 20;
    let delivered = 0;
    const stalled: Reader[] = [];
    const lasts = new Map<number, number>();
    const disorders: number[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      if (index % 100 === 0) {
        const reader = new Reader({ lagLimit: 1_000 });
        reader.takes = () => false;
        stalled.push(reader);
        continue;
      }
      lasts.set(index, 0);
      hub.subscribe(
        {},
        {
          deliver: (events) => {
            for (const { sequence } of events) {
              if (sequence !== (lasts.get(index) ?? 0) + 1) disorders.push(sequence);
              lasts.set(index, sequence);
              delivered += 1;
            }
            return true;
          },
          onGap: () => disorders.push(-1),
          onClose: () => undefined,
        },
      );
    }
    const held: WeakRef<OrchestratorEvent>[] = [];
    log.onDidAppend((event) => held.push(new WeakRef(event)));
    for (let sent = 0; sent < count; sent += batch) append(batch);
    expect(disorders).toEqual([]);
    expect(delivered).toBe(990 * count);
    for (const reader of stalled) {
      expect(reader.seen).toEqual(range(1, batch));
      expect(reader.gap?.firstMissed).toBe(batch + 1);
    }
    expect(hub.size).toBe(990);
    const resumed = stalled.map((reader) => new Reader({ after: (reader.gap?.firstMissed ?? 0) - 1 }));
    catchUp();
    for (const reader of resumed) expect(reader.seen).toEqual(range(batch + 1, count));
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      collectGarbage();
      // What the log keeps for those who are up to date, twice at most.
      expect(held.filter((reference) => reference.deref() !== undefined).length).toBeLessThanOrEqual(700);
    });
  });
});

describe('a selector', () => {
  const event: OrchestratorEvent = {
    sequence: 1,
    id: '1',
    type: 'container.created',
    time: 100,
    sessionId: 's',
    containerId: 'c',
    labels: { a: '1', b: '2' },
    priority: 'high',
    data: {},
  };
  it.each<[EventSelector, boolean]>([
    [{}, true],
    [{ types: ['x', 'container.created'] }, true],
    [{ types: ['x'] }, false],
    [{ types: [] }, false],
    [{ source: 'orchestrator' }, true],
    [{ source: 'x' }, false],
    [{ sessionId: 's', containerId: 'c' }, true],
    [{ containerId: 'd' }, false],
    [{ agentId: 'a' }, false],
    [{ priority: 'high' }, true],
    [{ priority: 'normal' }, false],
    [{ labels: { a: '1' } }, true],
    [{ labels: { a: '1', c: '' } }, false],
    [{ startTime: 100, endTime: 100 }, true],
    [{ startTime: 101 }, false],
    [{ endTime: 99 }, false],
  ])('%j: %s', (selector, isWanted) => {
    expect(matchesEvent(event, selector)).toBe(isWanted);
  });

  it('takes what is missing for normal and without labels', () => {
    const plain: OrchestratorEvent = { sequence: 1, id: '1', type: 'x', time: 1, data: {} };
    expect(matchesEvent(plain, { priority: 'normal', labels: {} })).toBe(true);
    expect(matchesEvent(plain, { labels: { a: '1' } })).toBe(false);
  });
});

it('what an event belongs to and how urgent it is survives the store', () => {
  const extra = {
    containerId: 'c',
    agentId: 'a',
    taskId: 't',
    correlationId: 'r',
    source: 'agent.grpc',
    priority: 'low' as const,
    labels: { a: '1' },
  };
  append(1, { sessionId: 's', ...extra });
  append(1);
  const [full, plain] = log.read({ after: 0, limit: 2 });
  expect(full).toMatchObject({ sessionId: 's', ...extra });
  expect(plain?.priority).toBeUndefined();
});
