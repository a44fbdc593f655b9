import type { EventLog } from '../../core/events/eventLog.ts';
import { type HostMessage, type TaskLogEntry, taskLogLimit } from '../../protocol/runPanel.ts';
import { taskLogEntry } from './taskLog.ts';

export interface TaskLogStreamOptions {
  readonly runId: string;
  readonly read: EventLog['read'];
  /** Resolves with whether the page took it. */
  readonly post: (message: HostMessage) => Promise<boolean>;
}

const pageSize = 500;

/**
 * The log of a container task's execution, from its run's events: what was there before and what comes are read the
 * same way, so an old run looks as it did. Of a long one the newest entries are sent.
 */
export class TaskLogStream {
  private readonly options: TaskLogStreamOptions;
  private cursor = 0;
  private isFirst = true;
  private isWanted = false;
  private pumping: Promise<void> | undefined;
  private isStopped = false;

  constructor(options: TaskLogStreamOptions) {
    this.options = options;
  }

  /** There may be more; what is asked for while it reads is read next. */
  update(): void {
    this.isWanted = true;
    this.pumping ??= this.pump().finally(() => {
      this.pumping = undefined;
    });
  }

  /** Everything up to now was sent. Rejects with what reading met. */
  async settled(): Promise<void> {
    await this.pumping;
  }

  stop(): void {
    this.isStopped = true;
  }

  private async pump(): Promise<void> {
    while (this.isWanted && !this.isStopped) {
      this.isWanted = false;
      const { entries, omitted } = await this.readOn();
      if (this.stopped() || (entries.length === 0 && !this.isFirst)) continue;
      const isReset = this.isFirst;
      this.isFirst = false;
      await this.options.post({ type: 'taskLog', entries, isReset, omitted });
    }
  }

  private async readOn(): Promise<{ entries: TaskLogEntry[]; omitted: number }> {
    const { runId, read } = this.options;
    let entries: TaskLogEntry[] = [];
    let omitted = 0;
    for (;;) {
      const events = read({ after: this.cursor, limit: pageSize, runId });
      this.cursor = events.at(-1)?.sequence ?? this.cursor;
      entries.push(...events.flatMap((event) => taskLogEntry(event) ?? []));
      const tooMany = entries.length - taskLogLimit;
      if (tooMany > 0) {
        omitted += tooMany;
        entries = entries.slice(tooMany);
      }
      if (events.length < pageSize || this.stopped()) return { entries, omitted };
      // A long log must not keep the editor waiting.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** By a call: it changes while others wait. */
  private stopped(): boolean {
    return this.isStopped;
  }
}
