import { expect, test } from 'vitest';
import { AsyncQueue } from './asyncQueue.ts';

test('gives what was pushed in order, before and while it is read', async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.push(2);
  const seen: number[] = [];
  for await (const item of queue) {
    seen.push(item);
    if (item === 2) queue.push(3);
    if (item === 3) setImmediate(() => queue.push(4));
    if (item === 4) queue.end();
  }
  expect(seen).toEqual([1, 2, 3, 4]);
});

test('fails after what was pushed before the failure', async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.fail(new Error('broken'));
  queue.push(2);
  const seen: number[] = [];
  await expect(async () => {
    for await (const item of queue) seen.push(item);
  }).rejects.toThrow('broken');
  expect(seen).toEqual([1]);
});
