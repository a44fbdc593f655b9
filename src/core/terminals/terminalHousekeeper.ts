import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { TerminalStatus } from '../ports/processHost.ts';
import type { PtyManager } from './ptyManager.ts';
import type { Terminal } from './terminal.ts';

const intervalMs = 60_000;

/**
 * Keeps terminals within the limits: how many an owner may have, how long one of an agent may be idle, how long and how
 * much of ended ones is kept. A run's terminals are its output and stay as long as the run does; a person's own are
 * never ended for being idle; and what somebody holds (`PtyManager.hold`) is neither idle nor deleted.
 */
export class TerminalHousekeeper implements Disposable {
  private readonly context: CoreContext;
  private readonly terminals: PtyManager;
  /** Where each live terminal's output ended, and since when: what neither prints nor is written to is idle. */
  private readonly quiet = new Map<string, { readonly end: number; readonly since: number }>();
  private timer: Disposable | undefined;
  private isDisposed = false;

  constructor(context: CoreContext, terminals: PtyManager) {
    this.context = context;
    this.terminals = terminals;
  }

  /** Begins to look once a minute. */
  watch(): void {
    if (this.isDisposed) return;
    this.timer = this.context.clock.setTimer(intervalMs, () => {
      this.tidy()
        .catch((error: unknown) => this.context.logger.warn('The terminals could not be tidied', error))
        .finally(() => this.watch());
    });
  }

  /** Ends and removes what is over the limits. Does nothing without a process host, and never starts one. */
  async tidy(): Promise<void> {
    const { processHost, limits } = this.context;
    if (processHost.connection.state !== 'connected') return;
    if (limits.idleTimeoutMs === 0 && limits.keepEndedMs === 0 && limits.endedRecordBytes === 0) return;
    const statuses = new Map((await processHost.listTerminals()).map((status) => [status.id, status]));
    const results = await Promise.allSettled([...this.endIdle(statuses), ...this.removeOld(statuses)]);
    for (const result of results) {
      // One that cannot be ended or removed does not keep the others from it.
      if (result.status === 'rejected') {
        this.context.logger.warn('A terminal could not be tidied', result.reason);
      }
    }
  }

  dispose(): void {
    this.isDisposed = true;
    this.timer?.dispose();
  }

  private *endIdle(statuses: ReadonlyMap<string, TerminalStatus>): Generator<Promise<void>> {
    const { limits, clock, logger } = this.context;
    const now = clock.now();
    for (const id of [...this.quiet.keys()]) {
      const isWatched = limits.idleTimeoutMs > 0 && this.terminals.find(id)?.state === 'running';
      if (!isWatched || this.terminals.isHeld(id)) this.quiet.delete(id);
    }
    if (limits.idleTimeoutMs === 0) return;
    for (const { id, name, managedBy, runId, state } of this.terminals.list()) {
      const end = statuses.get(id)?.end;
      if (state !== 'running' || end === undefined || managedBy === null || runId !== null) continue;
      if (this.terminals.isHeld(id)) continue;
      const known = this.quiet.get(id);
      // What is typed is echoed or answered: the output's end moves with it.
      if (known?.end !== end) this.quiet.set(id, { end, since: now });
      else if (now - known.since >= limits.idleTimeoutMs) {
        logger.info(
          `The terminal "${name}" of ${managedBy} was idle for ${limits.idleTimeoutMs} ms and is ended`,
        );
        yield this.terminals.kill(id, { by: 'system' });
      }
    }
  }

  private *removeOld(statuses: ReadonlyMap<string, TerminalStatus>): Generator<Promise<void>> {
    const { limits, clock } = this.context;
    const ended = this.terminals
      .list()
      .filter(({ state, runId }) => state === 'exited' && runId === null)
      .sort((a, b) => endOf(b) - endOf(a));
    let bytes = 0;
    for (const terminal of ended) {
      const status = statuses.get(terminal.id);
      bytes += status === undefined ? 0 : status.end - status.recordStart;
      const isOld = limits.keepEndedMs > 0 && clock.now() - endOf(terminal) > limits.keepEndedMs;
      const isTooMuch = limits.endedRecordBytes > 0 && bytes > limits.endedRecordBytes;
      if ((isOld || isTooMuch) && !this.terminals.isHeld(terminal.id))
        yield this.terminals.remove(terminal.id);
    }
  }
}

function endOf({ exit, createdAt }: Terminal): number {
  return exit?.exitedAt ?? createdAt;
}
