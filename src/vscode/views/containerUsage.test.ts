import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nullLogger } from '../../base/logger.ts';
import type { Container } from '../../core/containers/container.ts';
import type { EngineInfo } from '../../core/ports/containerEngine.ts';
import type { ResourceUsage } from '../../core/resources.ts';
import { ContainerUsage } from './containerUsage.ts';

let isWatched: boolean;
let running: string[];
let engine: EngineInfo | undefined;
let usage: ContainerUsage;
let changes: number;
/** Who is told of the figures of a container that is being measured. */
const measuring = new Map<string, (usage: ResourceUsage) => void>();

beforeEach(() => {
  vi.useFakeTimers();
  isWatched = true;
  running = ['a'];
  engine = {} as EngineInfo;
  changes = 0;
  measuring.clear();
  usage = new ContainerUsage({
    logger: nullLogger,
    isWatched: () => isWatched,
    containers: {
      get engine() {
        return engine;
      },
      list: () => running.map((id) => ({ id, state: 'running' }) as Container),
      watchUsage: (id, onUsage) => {
        measuring.set(id, onUsage);
        return Promise.resolve({ dispose: () => measuring.delete(id) });
      },
    },
  });
  usage.onDidChange(() => (changes += 1));
});
afterEach(() => {
  usage.dispose();
  vi.useRealTimers();
});

const figures = (cpuPercent: number): ResourceUsage => ({ cpuPercent }) as ResourceUsage;

describe('what containers use', () => {
  it('is measured only while somebody looks', async () => {
    isWatched = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(measuring.size).toBe(0);
    isWatched = true;
    await vi.advanceTimersByTimeAsync(1_000);
    expect([...measuring.keys()]).toEqual(['a']);
    isWatched = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(measuring.size).toBe(0);
  });

  it('starts no search for an engine', async () => {
    engine = undefined;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(measuring.size).toBe(0);
  });

  it('is shown at once, and then changes every three seconds at most', async () => {
    await vi.advanceTimersByTimeAsync(1_000);
    measuring.get('a')?.(figures(1));
    expect(usage.shown.get('a')).toEqual(figures(1));
    for (let second = 0; second < 9; second += 1) {
      measuring.get('a')?.(figures(second));
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(changes).toBe(1 + 3);
    expect(usage.latest('a')).toEqual(figures(8));
  });

  it('is over with the container', async () => {
    running = ['a', 'b'];
    await vi.advanceTimersByTimeAsync(1_000);
    measuring.get('a')?.(figures(1));
    measuring.get('b')?.(figures(2));
    running = ['b'];
    await vi.advanceTimersByTimeAsync(3_000);
    expect([...measuring.keys()]).toEqual(['b']);
    expect([...usage.shown.keys()]).toEqual(['b']);
  });
});
