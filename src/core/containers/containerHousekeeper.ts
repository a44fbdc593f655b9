import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { CleanupReason } from '../events/event.ts';
import type { Container } from './container.ts';
import { isElsewhere } from './containerContext.ts';

const intervalMs = 60_000;

/**
 * Keeps ended containers within the limits: how long they are kept, and how much of what they printed. Each that goes,
 * and each that loses its output, is named in the log. One that was never started is left to whoever made it.
 */
export class ContainerHousekeeper implements Disposable {
  private readonly context: CoreContext;
  private readonly remove: (id: string) => Promise<void>;
  private timer: Disposable | undefined;
  private isDisposed = false;

  /** @param remove takes a container away with its record. */
  constructor(context: CoreContext, remove: (id: string) => Promise<void>) {
    this.context = context;
    this.remove = remove;
  }

  /** Begins to look once a minute. */
  watch(): void {
    if (this.isDisposed || this.context.containers === undefined) return;
    this.timer = this.context.clock.setTimer(intervalMs, () => {
      this.tidy()
        .catch((error: unknown) => this.context.failures.report(error, 'tidy the containers'))
        .finally(() => this.watch());
    });
  }

  /** Does nothing to containers without a connection to their engine, and never makes one. */
  async tidy(): Promise<void> {
    const ended = [...this.context.state.containers.values()]
      .filter(({ state, exit }) => state === 'exited' && exit !== undefined)
      .sort((a, b) => endOf(b) - endOf(a));
    this.clearRecords(ended);
    await this.removeOld(ended);
  }

  dispose(): void {
    this.isDisposed = true;
    this.timer?.dispose();
  }

  /** What the engine has kept of it stays with the container. */
  private clearRecords(newestFirst: readonly Container[]): void {
    const { limits, containers } = this.context;
    if (containers === undefined || limits.endedContainerRecordBytes === 0) return;
    let bytes = 0;
    for (const container of newestFirst) {
      const record = containers.records.find(container.id);
      if (record === undefined || record.start === record.end) continue;
      bytes += record.end - record.start;
      if (bytes <= limits.endedContainerRecordBytes) continue;
      bytes -= record.end - record.start;
      record.clear();
      this.tell(container, 'output', 'too_much');
    }
  }

  private async removeOld(newestFirst: readonly Container[]): Promise<void> {
    const { limits, clock, containers } = this.context;
    if (containers?.engine.info === undefined || limits.keepEndedContainersMs === 0) return;
    const old = newestFirst.filter(
      (container) =>
        clock.now() - endOf(container) > limits.keepEndedContainersMs &&
        !isElsewhere(this.context, container),
    );
    for (const container of old) {
      try {
        await this.remove(container.id);
        this.tell(container, 'container', 'too_old');
      } catch (error) {
        // A person was faster.
        if (!OrchestratorError.is(error, 'container_not_found')) throw error;
      }
    }
  }

  private tell(
    { id, sessionId, name }: Container,
    kind: 'container' | 'output',
    reason: CleanupReason,
  ): void {
    const scope = { sessionId, containerId: id };
    this.context.log.commit((tx) =>
      tx.report('container.cleanup', scope, { kind, name, reason, removed: true }),
    );
  }
}

function endOf({ exit, createdAt }: Container): number {
  return exit?.exitedAt ?? createdAt;
}
