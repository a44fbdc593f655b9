import { expect, it } from 'vitest';
import { Bell } from './bell.ts';

it('wakes who waits, and lets the next one pass where it rang before', async () => {
  const bell = new Bell();
  const woken: number[] = [];
  const waiting = bell.heard().then(() => woken.push(1));
  bell.ring();
  await waiting;
  bell.ring();
  bell.ring();
  await bell.heard();
  let isWoken = false;
  const next = bell.heard().then(() => (isWoken = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isWoken).toBe(false);
  bell.ring();
  await next;
  expect(woken).toEqual([1]);
});
