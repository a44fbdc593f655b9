import { availableParallelism } from 'node:os';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Flooding, FloodLane } from './floodLane.ts';

/** Writers that always have more, and the order in which they were read. */
function floods(count: number): { members: Flooding[]; reads: { index: number; maxBytes: number }[] } {
  const reads: { index: number; maxBytes: number }[] = [];
  const members = Array.from({ length: count }, (_, index) => ({
    readSlice(maxBytes: number) {
      reads.push({ index, maxBytes });
      return true;
    },
  }));
  return { members, reads };
}

describe('the flood lane', () => {
  it('reads one after the other, each again only after all others', async () => {
    const lane = new FloodLane();
    const { members, reads } = floods(3);
    for (const member of members) lane.add(member);
    while (reads.length < 9) await turn();
    expect(reads.slice(0, 9).map(({ index }) => index)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    for (const member of members) lane.delete(member);
    const { length } = reads;
    await turn();
    await turn();
    expect(reads.length).toBe(length);
  });

  it('forgets who has nothing more, until it is added again', async () => {
    const lane = new FloodLane();
    let reads = 0;
    const member = {
      readSlice() {
        reads += 1;
        return false;
      },
    };
    lane.add(member);
    for (let index = 0; index < 5; index++) await turn();
    expect(reads).toBe(1);
    lane.add(member);
    for (let index = 0; index < 5; index++) await turn();
    expect(reads).toBe(2);
  });

  it('takes small slices while somebody types and writers outnumber processors', async () => {
    const lane = new FloodLane();
    const { members, reads } = floods(availableParallelism());
    lane.onInput();
    for (const member of members) lane.add(member);
    await delay(20);
    for (const member of members) lane.delete(member);
    expect(reads.length).toBeGreaterThan(0);
    expect(reads.length).toBeLessThanOrEqual(40);
    expect(reads.every(({ maxBytes }) => maxBytes <= 4_096)).toBe(true);
  });
});
