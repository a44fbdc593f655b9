import { AsyncQueue } from '../../../base/asyncQueue.ts';
import { OrchestratorError } from '../../../base/errors.ts';

/** What one client leaves unread of a conversation at most; then it is cut off. */
const mostWaiting = 10_000;

interface Entry<T> {
  readonly item: T;
  readonly onRead?: ((isRead: boolean) => void) | undefined;
}

/** What is to be sent to one client, in order: a queue that fails where its reader falls too far behind. */
export class Outbox<T> {
  private readonly queue = new AsyncQueue<Entry<T>>();
  private readonly unread = new Set<(isRead: boolean) => void>();
  private waiting = 0;
  private isOver = false;

  push(item: T): void {
    this.add({ item });
  }

  /**
   * Resolves once the reader has come to it, with false where the reader is gone: whoever waits for that never fills the
   * queue.
   */
  put(item: T): Promise<boolean> {
    if (this.isOver) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.unread.add(resolve);
      this.add({ item, onRead: resolve });
    });
  }

  /** The reader ends after what was pushed. */
  end(): void {
    this.queue.end();
  }

  /** The reader fails after what was pushed. */
  fail(error: unknown): void {
    this.queue.fail(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for await (const { item, onRead } of this.queue) {
        this.waiting -= 1;
        yield item;
        if (onRead === undefined) continue;
        this.unread.delete(onRead);
        onRead(true);
      }
    } finally {
      this.isOver = true;
      for (const giveUp of this.unread) giveUp(false);
    }
  }

  private add(entry: Entry<T>): void {
    this.waiting += 1;
    if (this.waiting > mostWaiting) this.queue.fail(tooSlow());
    else this.queue.push(entry);
  }
}

function tooSlow(): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'events_missed',
    `More than ${mostWaiting} answers wait to be read. Open the stream again; what was said is in the session.`,
  );
}
