import { AsyncQueue } from '../../../base/asyncQueue.ts';
import { OrchestratorError } from '../../../base/errors.ts';

/** What one client leaves unread of a conversation at most; then it is cut off. */
const mostWaiting = 10_000;

/** What is to be sent to one client, in order: a queue that fails where its reader falls too far behind. */
export class Outbox<T> {
  private readonly queue = new AsyncQueue<T>();
  private waiting = 0;

  push(item: T): void {
    this.waiting += 1;
    if (this.waiting > mostWaiting) this.queue.fail(tooSlow());
    else this.queue.push(item);
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
    for await (const item of this.queue) {
      this.waiting -= 1;
      yield item;
    }
  }
}

function tooSlow(): OrchestratorError {
  return new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'events_missed',
    `More than ${mostWaiting} answers wait to be read. Open the stream again; what was said is in the session.`,
  );
}
