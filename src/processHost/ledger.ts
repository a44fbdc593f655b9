import type { Disposable } from '../base/disposable.ts';
import { readJsonLines } from './files.ts';
import { JsonLog } from './jsonLog.ts';

/**
 * What this state directory's hosts have started and not seen the end of. A line is written before the process is
 * made, so that the next host finds it whatever happens in between.
 */
export interface LedgerEntry {
  readonly id: string;
  readonly kind: 'terminal' | 'worker';
  /** Random, in the child's environment as ORCHESTRATOR_TOKEN. */
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Missing while it is being started. */
  readonly pid?: number | undefined;
  /** Identity together with the pid: see processTree.ts. */
  readonly startTime?: string | undefined;
  /** Folders of its control groups, made after this was written: see cgroups.ts. */
  readonly groups?: readonly string[] | undefined;
}

export class Ledger implements Disposable {
  private readonly entries = new Map<string, LedgerEntry>();
  private readonly log: JsonLog;

  constructor(path: string) {
    for (const line of readJsonLines(path)) this.apply(line);
    this.log = new JsonLog(path, () => this.open);
  }

  /** Not known to have ended. */
  get open(): LedgerEntry[] {
    return [...this.entries.values()];
  }

  /** Before the process is made. Throws where it cannot be written: then nothing may be started. */
  begin(entry: LedgerEntry): void {
    this.log.write(entry);
    this.apply(entry);
  }

  /**
   * Directly after it was made. Without its line, on a full disk, the next host still knows the process by its token.
   */
  started(id: string, pid: number, startTime: string | undefined): void {
    this.apply({ id, pid, startTime });
    this.log.tryWrite({ id, pid, startTime });
  }

  /** Once nothing of its process tree is left. */
  ended(id: string, at: number): void {
    this.apply({ id, ended: at });
    this.log.tryWrite({ id, ended: at });
  }

  dispose(): void {
    this.log.dispose();
  }

  private apply(line: unknown): void {
    if (typeof line !== 'object' || line === null || !('id' in line) || typeof line.id !== 'string') return;
    const { id } = line;
    const known = this.entries.get(id);
    if ('ended' in line) this.entries.delete(id);
    else if ('token' in line) this.entries.set(id, line as unknown as LedgerEntry);
    else if (known !== undefined) this.entries.set(id, { ...known, ...(line as Partial<LedgerEntry>) });
  }
}
