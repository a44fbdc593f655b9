import { describe, expect, it } from 'vitest';
import { Priority, ResourceLimits } from '../../../protocol/gen/common/v1/common.ts';
import {
  limitsMessage,
  limitsOf,
  msOfNs,
  nsOfMs,
  priorityMessage,
  priorityOf,
  sumUsage,
  usageMessage,
} from './commonMessages.ts';

describe('times', () => {
  it.each([
    [0n, 0],
    [1n, 1],
    [1_000_000n, 1],
    [1_000_001n, 2],
    [3_600_000_000_000n, 3_600_000],
  ])('%s ns are %s ms', (ns, ms) => expect(msOfNs(ns, 'x_ns')).toBe(ms));

  it('are exact the other way, and never negative', () => {
    expect(nsOfMs(3_600_000)).toBe(3_600_000_000_000n);
    expect(() => msOfNs(-1n, 'timeout_ns')).toThrow('timeout_ns cannot be negative');
  });
});

it('every priority of the wire but the first has a word, and comes back', () => {
  for (const priority of Object.values(Priority)) {
    const word = priorityOf(priority);
    if (priority === Priority.PRIORITY_UNSPECIFIED) expect(word).toBeUndefined();
    else expect(priorityMessage(word)).toBe(priority);
  }
  expect(() => priorityOf(9 as Priority)).toThrow('priority has no value 9');
});

describe('resources', () => {
  it('keep their limits; one of processes that is none is none', () => {
    const message = ResourceLimits.fromPartial({
      nanoCpus: 5n,
      memoryBytes: 1n << 40n,
      memorySwap: -1n,
      pidsLimit: 7n,
    });
    expect(limitsMessage(limitsOf(message))).toEqual(message);
    expect(limitsOf({ ...message, pidsLimit: -1n }).pidsLimit).toBeUndefined();
    expect(limitsOf(undefined)).toEqual({ nanoCpus: 0, memoryBytes: 0, memorySwap: 0 });
    expect(() => limitsOf({ ...message, memoryBytes: -1n })).toThrow('resource limits cannot be negative');
  });

  it('are added up, the memory as a share of all limits', () => {
    const one = { ...sumUsage([]), cpuPercent: 12.5, memoryUsage: 10, memoryLimit: 100, pidsCount: 2 };
    expect(usageMessage(sumUsage([one, { ...one, memoryUsage: 40 }]))).toMatchObject({
      cpuPercent: 25,
      memoryUsage: 50n,
      memoryLimit: 200n,
      memoryPercent: 25,
      pidsCount: 4n,
    });
    expect(sumUsage([]).memoryPercent).toBe(0);
  });
});
