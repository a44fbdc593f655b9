import { describe, expect, it, vi } from 'vitest';
import { FakeClock } from './clock.ts';
import { disposeAll, DisposableMap, DisposableStore, toDisposable } from './disposable.ts';
import { Emitter } from './emitter.ts';
import { OrchestratorError } from './errors.ts';
import { isUuid, systemIds, uuidV7At } from './ids.ts';

describe('disposables', () => {
  it('disposes once, newest first, and goes on after one that throws', () => {
    const order: string[] = [];
    const failing = toDisposable(() => {
      order.push('b');
      throw new Error('b failed');
    });
    const items = [toDisposable(() => order.push('a')), failing, toDisposable(() => order.push('c'))];
    expect(() => disposeAll(items)).toThrow('b failed');
    disposeAll(items);
    expect(order).toEqual(['c', 'b', 'a']);
  });

  it('disposes at once what is added to an ended store or map', () => {
    const disposed = vi.fn();
    const store = new DisposableStore();
    store.dispose();
    store.add(toDisposable(disposed));
    const map = new DisposableMap<string, ReturnType<typeof toDisposable>>();
    map.dispose();
    map.set('a', toDisposable(disposed));
    expect(disposed).toHaveBeenCalledTimes(2);
  });

  it('disposes a map value when it is replaced or deleted, and not when it is taken', () => {
    const map = new DisposableMap<string, ReturnType<typeof toDisposable>>();
    const ends = [vi.fn(), vi.fn(), vi.fn()];
    map.set('a', toDisposable(ends[0]!));
    map.set('a', toDisposable(ends[1]!));
    expect(ends.map((end) => end.mock.calls.length)).toEqual([1, 0, 0]);
    map.delete('a');
    map.set('b', toDisposable(ends[2]!));
    map.take('b');
    map.dispose();
    expect(ends.map((end) => end.mock.calls.length)).toEqual([1, 1, 0]);
  });
});

describe('Emitter', () => {
  it('calls every listener although one throws, and lets them unsubscribe while called', () => {
    const errors: unknown[] = [];
    const emitter = new Emitter<number>((error) => errors.push(error));
    const seen: string[] = [];
    const first = emitter.event((value) => {
      seen.push(`first ${value}`);
      first.dispose();
    });
    emitter.event(() => {
      throw new Error('listener');
    });
    emitter.event((value) => seen.push(`third ${value}`));
    emitter.fire(1);
    emitter.fire(2);
    expect(seen).toEqual(['first 1', 'third 1', 'third 2']);
    expect(errors).toHaveLength(2);
  });

  it('lets one function subscribe twice, each with its own end', () => {
    const emitter = new Emitter<number>();
    const listener = vi.fn();
    const once = emitter.event(listener);
    emitter.event(listener);
    once.dispose();
    emitter.fire(1);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe('FakeClock', () => {
  it('runs due timers in the order of their times, also those that a timer sets', () => {
    const clock = new FakeClock(0);
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push(`b at ${clock.now()}`));
    clock.setTimer(10, () => {
      seen.push(`a at ${clock.now()}`);
      clock.setTimer(5, () => seen.push(`c at ${clock.now()}`));
    });
    clock.setTimer(12, () => seen.push('never')).dispose();
    clock.advance(30);
    expect(seen).toEqual(['a at 10', 'c at 15', 'b at 20']);
    expect(clock.now()).toBe(30);
  });
});

describe('ids', () => {
  it('makes UUID v7 with the time in front and the version and variant bits of RFC 9562', () => {
    const id = uuidV7At(0x0123456789ab, new Uint8Array(10).fill(0xff));
    expect(id).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
    expect(isUuid(id)).toBe(true);
  });

  it('makes ids of the documented forms', () => {
    expect(systemIds.hexId()).toMatch(/^[0-9a-f]{32}$/);
    expect(isUuid(systemIds.uuidV4())).toBe(true);
    expect(isUuid(systemIds.uuidV7())).toBe(true);
    expect(isUuid('../../etc/passwd')).toBe(false);
  });
});

describe('OrchestratorError', () => {
  it('keeps code and reason over a wire, and never the cause', () => {
    const error = new OrchestratorError('NOT_FOUND', 'run_not_found', 'No such run.', {
      details: { id: 'x' },
      cause: new Error('secret'),
    });
    const shape = error.toShape();
    expect(JSON.stringify(shape)).not.toContain('secret');
    expect(OrchestratorError.is(OrchestratorError.fromShape(shape), 'run_not_found')).toBe(true);
  });

  it('names a full disk as such, from the file system and from the store', () => {
    const fromFile = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
    expect(OrchestratorError.from(fromFile).reason).toBe('disk_full');
    expect(OrchestratorError.from(new Error('database or disk is full')).reason).toBe('disk_full');
  });

  it('takes an aborted wait for cancelled, and anything else for internal', () => {
    expect(OrchestratorError.from(new DOMException('stop', 'AbortError')).code).toBe('CANCELLED');
    expect(OrchestratorError.from('text').code).toBe('INTERNAL');
  });
});
