import { describe, expect, it } from 'vitest';
import { decideRestart, defaultRestartPolicy, type RestartPolicy } from './restartPolicy.ts';

const failed = { outcome: 'failed', isPermanent: false, isStopping: false, ranMs: 1_000 } as const;

describe('decideRestart', () => {
  it('waits 2, 4, 8 … 300 s between failures in a row', () => {
    const delays: number[] = [];
    let failures = 0;
    for (let index = 0; index < 12; index += 1) {
      const decision = decideRestart(defaultRestartPolicy, failures, failed);
      failures = decision.failures;
      if (decision.next === 'restart') delays.push(decision.delayMs / 1_000);
    }
    expect(delays).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
  });

  it('ends with success, and with being stopped', () => {
    expect(decideRestart(defaultRestartPolicy, 3, { ...failed, outcome: 'succeeded' })).toEqual({
      next: 'end',
      state: 'succeeded',
      failures: 0,
    });
    const always: RestartPolicy = { ...defaultRestartPolicy, mode: 'always' };
    expect(decideRestart(always, 3, { ...failed, outcome: 'stopped' })).toMatchObject({ state: 'stopped' });
    expect(decideRestart(always, 3, { ...failed, outcome: 'succeeded' })).toEqual({
      next: 'restart',
      delayMs: 2_000,
      failures: 0,
    });
  });

  it('starts nothing again whose end was asked for, however it ended', () => {
    const always: RestartPolicy = { ...defaultRestartPolicy, mode: 'always' };
    const stopping = { ...failed, isStopping: true };
    expect(decideRestart(always, 3, stopping)).toEqual({ next: 'end', state: 'stopped', failures: 0 });
    expect(decideRestart(always, 3, { ...stopping, outcome: 'succeeded' })).toMatchObject({
      state: 'succeeded',
    });
  });

  it('counts anew after an execution that was stable', () => {
    const { stableAfterMs } = defaultRestartPolicy;
    expect(decideRestart(defaultRestartPolicy, 7, { ...failed, ranMs: stableAfterMs })).toEqual({
      next: 'restart',
      delayMs: 2_000,
      failures: 1,
    });
    expect(decideRestart(defaultRestartPolicy, 7, { ...failed, ranMs: stableAfterMs - 1 })).toMatchObject({
      failures: 8,
    });
  });

  it('gives up at the limit, where it is told not to retry, and where retrying cannot help', () => {
    const limited = { ...defaultRestartPolicy, maxFailures: 2 };
    expect(decideRestart(limited, 1, failed)).toMatchObject({ next: 'restart' });
    expect(decideRestart(limited, 2, failed)).toEqual({ next: 'end', state: 'failed', failures: 3 });
    expect(decideRestart({ ...limited, mode: 'never' }, 0, failed)).toMatchObject({ state: 'failed' });
    expect(decideRestart(limited, 0, { ...failed, isPermanent: true })).toMatchObject({ state: 'failed' });
  });

  it('has no delay that is no number, however long it fails', () => {
    const policy = { ...defaultRestartPolicy, initialDelayMs: 0 };
    expect(decideRestart(policy, 5_000, failed)).toMatchObject({ delayMs: 0 });
  });
});
