import type { Event } from '../../base/emitter.ts';
import type { CoreContext } from '../context.ts';
import type { ContainerRecord, RecordedOutput } from '../ports/containerRecords.ts';
import { checkInteger } from '../text.ts';
import { type Container, isContainerLive } from './container.ts';
import { containerParts } from './containerContext.ts';

export interface FollowOutputOptions {
  /** Offset of the first byte; the oldest that is kept when missing. */
  readonly from?: number | undefined;
  /** Only the last so many lines of what there is now, 0 to 100,000. Over `from`. */
  readonly lines?: number | undefined;
  /** Milliseconds since the epoch: what came before is left out. Over `from`. */
  readonly since?: number | undefined;
  /** Goes on with what comes, until the container has ended or is removed. */
  readonly follows?: boolean | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

const pieceBytes = 256 * 1024;
const newLine = 0x0a;

/** What containers have printed, out of our own record: of ended ones too, and without asking the engine. */
export class ContainerOutput {
  /** Something was recorded of the container of this id. */
  readonly onDidRecord: Event<string>;
  private readonly context: CoreContext;
  private readonly get: (id: string) => Container;

  constructor(context: CoreContext, onDidRecord: Event<string>, get: (id: string) => Container) {
    this.context = context;
    this.onDidRecord = onDidRecord;
    this.get = get;
  }

  /** Offset after the last byte that was recorded. Error: `container_not_found`. */
  end(id: string): number {
    return this.record(id)?.end ?? 0;
  }

  /**
   * Piece by piece, as fast as it is taken: what is not taken waits on the disk, and slows nobody. Errors:
   * `container_not_found`, `invalid_request`.
   */
  async *follow(
    id: string,
    options: FollowOutputOptions = {},
  ): AsyncGenerator<RecordedOutput, void, undefined> {
    const { signal, follows = false } = options;
    let cursor = this.startOf(id, options);
    let wake: () => void = () => undefined;
    const wakeUp = (): void => wake();
    const { log } = this.context;
    const subscriptions = [
      this.onDidRecord((changed) => {
        if (changed === id) wakeUp();
      }),
      log.onDidCommit(wakeUp),
      log.onDidClose(wakeUp),
    ];
    let isClosed = false;
    subscriptions.push(log.onDidClose(() => (isClosed = true)));
    signal?.addEventListener('abort', wakeUp);
    const isEnded = (): boolean => isClosed || signal?.aborted === true;
    try {
      while (!isEnded()) {
        // Asked before it is read: what is recorded after the end was told does not come any more.
        const isOver = !follows || this.isOver(id);
        const pieces = this.context.state.containers.has(id)
          ? (this.record(id)?.read(cursor, pieceBytes) ?? [])
          : [];
        for (const piece of pieces) {
          if (isEnded()) return;
          cursor = piece.offset + piece.data.length;
          yield piece;
        }
        if (pieces.length > 0) continue;
        if (isOver) return;
        // Nothing can be recorded between this check and the wait: both are in one turn.
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      for (const subscription of subscriptions) subscription.dispose();
      signal?.removeEventListener('abort', wakeUp);
    }
  }

  /** A container that was only made may still be started. */
  private isOver(id: string): boolean {
    const container = this.context.state.containers.get(id);
    return container === undefined || (container.state !== 'created' && !isContainerLive(container));
  }

  private startOf(id: string, { from = 0, lines, since }: FollowOutputOptions): number {
    checkInteger(from, 0, Number.MAX_SAFE_INTEGER, 'The offset "from"');
    const record = this.record(id);
    if (record === undefined) return from;
    if (lines !== undefined) {
      checkInteger(lines, 0, 100_000, 'The number of lines');
      return lastLines(record, lines);
    }
    return since === undefined ? from : record.offsetAt(since);
  }

  private record(id: string): ContainerRecord | undefined {
    this.get(id);
    return containerParts(this.context).records.find(id);
  }
}

/** Where the last so many lines begin; one without its end counts. Reads backwards, and no more than it must. */
function lastLines(record: ContainerRecord, count: number): number {
  if (count === 0) return record.end;
  let missing = count;
  let isLast = true;
  for (let end = record.end; end > record.start; ) {
    const from = Math.max(record.start, end - pieceBytes);
    for (const { offset, data } of record.read(from, end - from).reverse()) {
      for (let index = data.length - 1; index >= 0; index -= 1) {
        // The end of the last line does not begin another one.
        if (data[index] === newLine && !isLast) missing -= 1;
        isLast = false;
        if (missing === 0) return offset + index + 1;
      }
    }
    end = from;
  }
  return record.start;
}
