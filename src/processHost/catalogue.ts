import type { Disposable } from '../base/disposable.ts';
import type { TerminalCeilings, TerminalExitStatus } from '../core/ports/processHost.ts';
import { readJsonLines } from './files.ts';
import { JsonLog } from './jsonLog.ts';

/** What outlives a terminal's process and its host, beside the record of its output. */
export interface TerminalMeta {
  readonly id: string;
  readonly pid: number;
  readonly file: string;
  readonly cwd: string;
  readonly startedAt: number;
  /** At its start; the record holds the changes. */
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
  readonly recordLimitBytes?: number | undefined;
  readonly ceilings?: TerminalCeilings | undefined;
  readonly exit?: TerminalExitStatus | undefined;
}

/**
 * What is known of each terminal, in one file for all: a short command would otherwise spend more time on making its own
 * file than on running. A full disk loses lines, not terminals that are there: one whose exit is not in the file is told
 * to have been lost with its host, which its bytes outlive.
 */
export class Catalogue implements Disposable {
  private readonly metas = new Map<string, TerminalMeta>();
  private readonly log: JsonLog;

  constructor(path: string) {
    for (const line of readJsonLines(path)) this.apply(line);
    this.log = new JsonLog(path, () => this.all);
  }

  get all(): TerminalMeta[] {
    return [...this.metas.values()];
  }

  put(meta: TerminalMeta): void {
    this.metas.set(meta.id, meta);
    this.log.tryWrite(meta);
  }

  remove(id: string): void {
    if (this.metas.delete(id)) this.log.tryWrite({ id, removed: true });
  }

  dispose(): void {
    this.log.dispose();
  }

  private apply(line: unknown): void {
    if (typeof line !== 'object' || line === null || !('id' in line) || typeof line.id !== 'string') return;
    if ('removed' in line) this.metas.delete(line.id);
    else if ('pid' in line) this.metas.set(line.id, line as unknown as TerminalMeta);
  }
}
