import { describe, expect, it } from 'vitest';
import type { CoreHolder } from '../../processHost/coreHolder.ts';
import { type ClaimOptions, claimState } from './stateClaim.ts';
import type { YieldOutcome } from './yieldSocket.ts';

const holder: CoreHolder = {
  pid: 1,
  label: 'w',
  kind: 'vscode',
  startedAt: 0,
  yieldSocket: '/s',
  yieldToken: 't',
};
const lock = { dispose: () => undefined };

/** Locks and answers in the order in which they are asked for; the last one stays. */
function claim(
  locks: boolean[],
  answers: YieldOutcome[],
  more: Partial<ClaimOptions> = {},
): ReturnType<typeof claimState> {
  const next = <T>(list: T[]): T | undefined => (list.length > 1 ? list.shift() : list[0]);
  return claimState({
    tryLock: () => (next(locks) === true ? lock : undefined),
    readHolder: async () => holder,
    requestYield: async () => next(answers) ?? 'unreachable',
    isForced: false,
    patienceMs: 250,
    ...more,
  });
}

describe('claiming a state directory', () => {
  it('takes a free one without asking anybody', async () => {
    const asked: boolean[] = [];
    const requestYield = async (_: CoreHolder, isForced: boolean): Promise<YieldOutcome> => {
      asked.push(isForced);
      return 'refused';
    };
    expect(await claim([true], [], { requestYield })).toEqual({ kind: 'held', lock });
    expect(asked).toEqual([]);
  });

  it('waits for an extension host that is closing', async () => {
    expect(await claim([false, false, true], ['unreachable'])).toMatchObject({ kind: 'held' });
  });

  it('takes over from a window that nobody sees', async () => {
    expect(await claim([false, true], ['yielded'])).toMatchObject({ kind: 'held' });
  });

  it('gives way to a window that is there, and says whose it is', async () => {
    expect(await claim([false], ['refused'])).toEqual({ kind: 'inUse', holder });
  });

  it('gives up in the end on a holder that cannot be asked', async () => {
    const serve: CoreHolder = { pid: 1, label: 'serve', kind: 'serve', startedAt: 0 };
    expect(await claim([false], [], { readHolder: async () => serve })).toEqual({
      kind: 'inUse',
      holder: serve,
    });
  });

  it('hands the confirmation on', async () => {
    const asked: boolean[] = [];
    const requestYield = async (_: CoreHolder, isForced: boolean): Promise<YieldOutcome> => {
      asked.push(isForced);
      return 'yielded';
    };
    await claim([false, true], [], { requestYield, isForced: true });
    expect(asked).toEqual([true]);
  });
});
