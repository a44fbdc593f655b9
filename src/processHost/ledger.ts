import { closeSync, openSync, writeSync } from 'node:fs';
import type { Disposable } from '../base/disposable.ts';
import { readJsonLines, writeFileAtomic } from './files.ts';

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

/** Lines of ended entries that are carried along until the file is written anew. */
const compactAfterLines = 2_000;

export class Ledger implements Disposable {
  private readonly path: string;
  private readonly entries = new Map<string, LedgerEntry>();
  private descriptor: number;
  private lines = 0;
  /** The last line may be a part only: the disk was full. */
  private isTorn = false;

  constructor(path: string) {
    this.path = path;
    for (const line of readJsonLines(path)) this.apply(line);
    this.descriptor = this.compact();
  }

  /** Not known to have ended. */
  get open(): LedgerEntry[] {
    return [...this.entries.values()];
  }

  /** Before the process is made. Throws where it cannot be written: then nothing may be started. */
  begin(entry: LedgerEntry): void {
    this.write({ ...entry });
    this.apply(entry);
  }

  /** Directly after it was made. */
  started(id: string, pid: number, startTime: string | undefined): void {
    this.apply({ id, pid, startTime });
    this.tryWrite({ id, pid, startTime });
  }

  /** Once nothing of its process tree is left. */
  ended(id: string, at: number): void {
    this.apply({ id, ended: at });
    this.tryWrite({ id, ended: at });
    if (this.lines > compactAfterLines + this.entries.size * 2) this.isTorn = true;
  }

  dispose(): void {
    closeSync(this.descriptor);
  }

  private write(line: Record<string, unknown>): void {
    if (this.isTorn) this.rewrite();
    this.isTorn = true;
    const content = Buffer.from(`${JSON.stringify(line)}\n`);
    const written = writeSync(this.descriptor, content);
    if (written < content.length)
      throw Object.assign(new Error('The ledger was cut short.'), { code: 'ENOSPC' });
    this.isTorn = false;
    this.lines += 1;
  }

  /**
   * What has happened cannot be refused for a full disk. Without its line the next host still knows the process by its
   * token, and finds an ended one gone.
   */
  private tryWrite(line: Record<string, unknown>): void {
    try {
      this.write(line);
    } catch {
      // The next line writes the whole file anew.
    }
  }

  private rewrite(): void {
    const previous = this.descriptor;
    this.descriptor = this.compact();
    this.isTorn = false;
    closeSync(previous);
  }

  private apply(line: unknown): void {
    if (typeof line !== 'object' || line === null || !('id' in line) || typeof line.id !== 'string') return;
    const { id } = line;
    const known = this.entries.get(id);
    if ('ended' in line) this.entries.delete(id);
    else if ('token' in line) this.entries.set(id, line as unknown as LedgerEntry);
    else if (known !== undefined) this.entries.set(id, { ...known, ...(line as Partial<LedgerEntry>) });
  }

  /** Leaves out what has ended; also repairs a torn last line, to which the next would be glued. */
  private compact(): number {
    writeFileAtomic(this.path, this.open.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    this.lines = this.entries.size;
    return openSync(this.path, 'a', 0o600);
  }
}
