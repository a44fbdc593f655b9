import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../base/clock.ts';
import {
  EventGate,
  gateBurst,
  type GateEvent,
  type GateOutcome,
  gateQueueLimit,
  gateRate,
} from './eventGate.ts';

interface Scene {
  readonly clock: FakeClock;
  readonly gate: EventGate;
  readonly told: string[];
  offer(name: string, options?: Partial<GateEvent>): Promise<GateOutcome>;
}

function scene(): Scene {
  const clock = new FakeClock();
  const gate = new EventGate(clock);
  const told: string[] = [];
  const offer: Scene['offer'] = (name, options = {}) =>
    gate.offer({
      tell: (replaced) => {
        told.push(replaced === 0 ? name : `${name} for ${replaced + 1}`);
        return Promise.resolve();
      },
      bytes: 100,
      isReplaceable: false,
      ...options,
    });
  return { clock, gate, told, offer };
}

/** Uses up what may come at once. */
async function saturate({ offer, told }: Scene): Promise<void> {
  for (let index = 0; index < gateBurst; index += 1) await offer('early');
  told.length = 0;
}

describe('EventGate', () => {
  it('lets a burst through as it comes, and then so many a second, in order', async () => {
    const one = scene();
    await saturate(one);
    const offered = ['a', 'b', 'c'].map((name) => one.offer(name));
    expect(one.told).toEqual([]);
    one.clock.advance(1_000 / gateRate);
    expect(one.told).toEqual(['a']);
    one.clock.advance(2_000 / gateRate);
    expect(one.told).toEqual(['a', 'b', 'c']);
    expect(await Promise.all(offered)).toEqual(['told', 'told', 'told']);
  });

  it('keeps only the newest of what may be replaced, between what may not', async () => {
    const one = scene();
    await saturate(one);
    for (const name of ['1', '2', '3']) expect(await one.offer(name, { isReplaceable: true })).toBe('waits');
    const log = one.offer('log');
    for (const name of ['4', '5']) await one.offer(name, { isReplaceable: true });
    one.clock.advance(10_000);
    await log;
    expect(one.told).toEqual(['3 for 3', 'log', '5 for 2']);
  });

  it('refuses when too much waits', async () => {
    const one = scene();
    await saturate(one);
    const waiting = Array.from({ length: gateQueueLimit }, (_, index) => one.offer(String(index)));
    expect(await one.offer('over')).toBe('refused');
    one.clock.advance((gateQueueLimit * 1_000) / gateRate);
    expect(await Promise.all(waiting)).not.toContain('refused');
    expect(one.told).toHaveLength(gateQueueLimit);
  });

  it('counts large ones for more', async () => {
    const one = scene();
    await saturate(one);
    const large = one.offer('large', { bytes: 1024 * 1024 });
    one.clock.advance(64 * (1_000 / gateRate));
    expect(one.told).toEqual([]);
    one.clock.advance(1_000 / gateRate);
    expect(await large).toBe('told');
  });

  it('holds few large ones, so that memory and the wait stay bounded', async () => {
    const one = scene();
    await saturate(one);
    const bytes = 1024 * 1024;
    const waiting = [1, 2, 3].map((name) => one.offer(String(name), { bytes }));
    expect(await one.offer('over', { bytes })).toBe('refused');
    one.clock.advance((gateQueueLimit * 1_000) / gateRate);
    expect(await Promise.all(waiting)).toEqual(['told', 'told', 'told']);
  });

  it('counts what replaces another by its own size', async () => {
    const one = scene();
    await saturate(one);
    const bytes = 1024 * 1024;
    expect(await one.offer('small', { isReplaceable: true })).toBe('waits');
    const between = [1, 2, 3].map((name) => one.offer(String(name), { bytes }));
    expect(await one.offer('last', { isReplaceable: true })).toBe('waits');
    expect(await one.offer('last', { isReplaceable: true, bytes })).toBe('refused');
    await one.gate.flush();
    expect(await Promise.all(between)).toEqual(['told', 'told', 'told']);
    expect(await one.offer('again', { isReplaceable: true, bytes })).toBe('waits');
  });

  it('goes on at its rate when the clock is set back', async () => {
    const clock = new FakeClock();
    let backMs = 0;
    const gate = new EventGate({
      now: () => clock.now() - backMs,
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    });
    const event = { tell: () => Promise.resolve(), bytes: 1, isReplaceable: false };
    for (let index = 0; index < gateBurst; index += 1) await gate.offer(event);
    backMs = 3_600_000;
    const offered = gate.offer(event);
    clock.advance(1_000);
    expect(await offered).toBe('told');
  });

  it('forces the last word through, after all that came before it', async () => {
    const one = scene();
    await saturate(one);
    void one.offer('a');
    void one.offer('b', { isReplaceable: true });
    await one.gate.force({
      tell: () => {
        one.told.push('result');
        return Promise.resolve();
      },
      bytes: 1,
      isReplaceable: false,
    });
    expect(one.told).toEqual(['a', 'b', 'result']);
  });

  it('tells its sender what goes wrong', async () => {
    const one = scene();
    const broken = one.offer('x', { tell: () => Promise.reject(new Error('disk full')) });
    await expect(broken).rejects.toThrow('disk full');
  });
});
