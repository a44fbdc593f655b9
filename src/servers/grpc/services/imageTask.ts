import { AsyncQueue } from '../../../base/asyncQueue.ts';
import type { ImageProgress, ImageTaskOptions } from '../../../core/ports/containerEngine.ts';
import type { CallContext } from '../rpcHandlers.ts';

/** Lines that wait for a client at most; to one that is further behind those that come meanwhile are not told. */
const mostWaiting = 1_000;

/** A task with images as a stream: how far it is, at last what came of it. It is given up when the client leaves. */
export async function* imageTask<T>(
  { signal }: CallContext,
  tell: (progress: ImageProgress) => T,
  work: (options: ImageTaskOptions) => Promise<T | undefined>,
): AsyncGenerator<T, void, undefined> {
  const queue = new AsyncQueue<ImageProgress>();
  const stop = new AbortController();
  let waiting = 0;
  let result: T | undefined;
  const onProgress = (progress: ImageProgress): void => {
    if (waiting >= mostWaiting) return;
    waiting += 1;
    queue.push(progress);
  };
  work({ onProgress, signal: AbortSignal.any([signal, stop.signal]) }).then(
    (made) => {
      result = made;
      queue.end();
    },
    (error: unknown) => queue.fail(error),
  );
  try {
    for await (const progress of queue) {
      waiting -= 1;
      yield tell(progress);
    }
    if (result !== undefined) yield result;
  } finally {
    stop.abort();
  }
}
