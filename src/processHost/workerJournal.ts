import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Disposable } from '../base/disposable.ts';
import { OrchestratorError } from '../base/errors.ts';
import type { WorkerEvent } from '../core/ports/processHost.ts';
import { parseJsonLines, writeFileAtomic } from './files.ts';

/** An index entry for so many events, so that a reader starts near its place. */
const indexStep = 64;
/** A journal of less is not worth being written anew. */
const pruneBytes = 4 * 1024 * 1024;
const pageBytes = 256 * 1024;

/**
 * Events of one worker, a JSON line each, on disk before anyone is told. Sequences count from 1 without gap. What is
 * acknowledged may be pruned, the last event never, so that the count goes on after a restart.
 */
export class WorkerJournal implements Disposable {
  private readonly workerId: string;
  private readonly path: string;
  private descriptor: number;
  private size = 0;
  private last = 0;
  private lastEventType: string | undefined;
  private acked = 0;
  /** Where in the file some of the events start. */
  private index: { sequence: number; position: number }[] = [];
  /** The host's own last word, which a full disk must not swallow. */
  private volatile: WorkerEvent | undefined;

  constructor(dir: string, workerId: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.workerId = workerId;
    this.path = join(dir, 'journal.jsonl');
    this.descriptor = openSync(this.path, 'a+', 0o600);
    this.load();
  }

  get lastSequence(): number {
    return this.last;
  }

  get lastType(): string | undefined {
    return this.lastEventType;
  }

  /** @throws OrchestratorError disk_full; then the event does not exist. */
  append(type: string, data: Readonly<Record<string, unknown>>, time: number): WorkerEvent {
    const event = { workerId: this.workerId, sequence: this.last + 1, time, type, data };
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    let written = 0;
    try {
      while (written < line.length) written += writeSync(this.descriptor, line, written);
    } catch (error) {
      // Half a line would spoil the next one.
      ftruncateSync(this.descriptor, this.size);
      throw OrchestratorError.from(error);
    }
    this.note(event, this.size);
    this.size += line.length;
    return event;
  }

  /** As `append`; where the disk is full, the event lives as long as the host. */
  appendLast(type: string, data: Readonly<Record<string, unknown>>, time: number): WorkerEvent {
    try {
      return this.append(type, data, time);
    } catch {
      this.volatile = { workerId: this.workerId, sequence: this.last + 1, time, type, data };
      this.last += 1;
      this.lastEventType = type;
      return this.volatile;
    }
  }

  /** Events after `after`, in order, about 256 KiB of them; empty at the end. */
  read(after: number): WorkerEvent[] {
    if (after >= this.last) return [];
    let position = 0;
    for (const entry of this.index) {
      if (entry.sequence > after + 1) break;
      position = entry.position;
    }
    const events: WorkerEvent[] = [];
    let rest = Buffer.alloc(0);
    while (position < this.size && events.length === 0) {
      const page = Buffer.allocUnsafe(Math.min(pageBytes, this.size - position));
      const count = readSync(this.descriptor, page, 0, page.length, position);
      if (count === 0) break;
      position += count;
      rest = Buffer.concat([rest, page.subarray(0, count)]);
      const end = rest.lastIndexOf(0x0a) + 1;
      for (const value of parseJsonLines(rest.toString('utf8', 0, end))) {
        const event = value as WorkerEvent;
        if (event.sequence > after) events.push(event);
      }
      rest = rest.subarray(end);
    }
    if (events.length === 0 && this.volatile !== undefined) return [this.volatile];
    return events;
  }

  ack(sequence: number): void {
    this.acked = Math.max(this.acked, Math.min(sequence, this.last));
    if (this.size >= pruneBytes) this.prune();
  }

  dispose(): void {
    closeSync(this.descriptor);
  }

  private prune(): void {
    const keepFrom = Math.min(this.acked, this.last - 1);
    // Half of it at least must go, or a slow reader makes every acknowledgement a rewrite.
    const position = this.index.findLast(({ sequence }) => sequence <= keepFrom)?.position ?? 0;
    if (position < this.size / 2) return;
    const kept: string[] = [];
    let after = keepFrom;
    for (let page = this.read(after); page.length > 0; page = this.read(after)) {
      after = page.at(-1)?.sequence ?? this.last;
      for (const event of page) if (event !== this.volatile) kept.push(`${JSON.stringify(event)}\n`);
      if (after >= this.last) break;
    }
    try {
      writeFileAtomic(this.path, kept.join(''));
    } catch {
      return;
    }
    const previous = this.descriptor;
    this.descriptor = openSync(this.path, 'a+', 0o600);
    closeSync(previous);
    this.index = [];
    this.load();
  }

  private load(): void {
    const last = this.last;
    const total = fstatSync(this.descriptor).size;
    let position = 0;
    let rest = Buffer.alloc(0);
    this.size = 0;
    while (position < total) {
      const page = Buffer.allocUnsafe(Math.min(pageBytes, total - position));
      const count = readSync(this.descriptor, page, 0, page.length, position);
      if (count === 0) break;
      position += count;
      rest = Buffer.concat([rest, page.subarray(0, count)]);
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
        const [event] = parseJsonLines(rest.toString('utf8', 0, end)) as (WorkerEvent | undefined)[];
        if (event !== undefined) this.note(event, this.size);
        this.size += end + 1;
        rest = rest.subarray(end + 1);
      }
    }
    if (this.size < total) ftruncateSync(this.descriptor, this.size);
    this.last = Math.max(this.last, last);
  }

  private note(event: WorkerEvent, position: number): void {
    this.last = event.sequence;
    this.lastEventType = event.type;
    const previous = this.index.at(-1);
    if (previous === undefined || event.sequence >= previous.sequence + indexStep) {
      this.index.push({ sequence: event.sequence, position });
    }
  }
}
