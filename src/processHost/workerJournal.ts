import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Disposable } from '../base/disposable.ts';
import { OrchestratorError } from '../base/errors.ts';
import type { WorkerEvent } from '../core/ports/processHost.ts';
import { parseJsonLines } from './files.ts';

/** A journal of less is not worth being written anew. */
const pruneBytes = 4 * 1024 * 1024;
/** What a socket takes before it wants to be waited for: more would be read in vain. */
const pageBytes = 64 * 1024;
const copyBytes = 1024 * 1024;

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
  /** Sequence of the first event in the file. */
  private first = 1;
  /** Where in the file each event starts, from the first on: a reader finds its place at once. */
  private positions: number[] = [];
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
    try {
      writeWhole(this.descriptor, line);
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

  /** Events after `after`, in order, about 64 KiB of them and at least one; empty at the end. */
  read(after: number): WorkerEvent[] {
    if (after >= this.last) return [];
    const from = Math.max(after + 1, this.first);
    if (from > this.lastStored) return this.volatile === undefined ? [] : [this.volatile];
    const start = this.positionOf(from);
    let to = from + 1;
    while (to <= this.lastStored && this.positionOf(to + 1) - start <= pageBytes) to += 1;
    const page = this.readBytes(start, this.positionOf(to));
    return parseJsonLines(page.toString('utf8')) as WorkerEvent[];
  }

  ack(sequence: number): void {
    this.acked = Math.max(this.acked, Math.min(sequence, this.last));
    if (this.size >= pruneBytes) this.prune();
  }

  dispose(): void {
    closeSync(this.descriptor);
  }

  private get lastStored(): number {
    return this.first + this.positions.length - 1;
  }

  /** The end of the file for an event that is not there yet. */
  private positionOf(sequence: number): number {
    return this.positions[sequence - this.first] ?? this.size;
  }

  private readBytes(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(end - start);
    let count = 0;
    while (count < bytes.length) {
      const more = readSync(this.descriptor, bytes, count, bytes.length - count, start + count);
      if (more === 0) break;
      count += more;
    }
    return bytes.subarray(0, count);
  }

  private prune(): void {
    const keepFrom = Math.min(this.acked + 1, this.lastStored);
    const position = this.positionOf(keepFrom);
    // Half of it at least must go, or a slow reader makes every acknowledgement a rewrite.
    if (position < this.size / 2) return;
    const descriptor = this.copyFrom(position);
    if (descriptor === undefined) return;
    closeSync(this.descriptor);
    this.descriptor = descriptor;
    this.positions = this.positions.slice(keepFrom - this.first).map((start) => start - position);
    this.first = keepFrom;
    this.size -= position;
  }

  /** Puts the rest of the file in its place. @returns its descriptor; undefined where the disk has no room for it. */
  private copyFrom(position: number): number | undefined {
    const temporary = `${this.path}.${process.pid}.tmp`;
    const { O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = constants;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(temporary, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0o600);
      for (let start = position; start < this.size; start += copyBytes) {
        const piece = this.readBytes(start, Math.min(start + copyBytes, this.size));
        writeWhole(descriptor, piece);
      }
      renameSync(temporary, this.path);
      return descriptor;
    } catch {
      if (descriptor !== undefined) closeSync(descriptor);
      rmSync(temporary, { force: true });
      return undefined;
    }
  }

  private load(): void {
    const total = fstatSync(this.descriptor).size;
    let position = 0;
    let rest = Buffer.alloc(0);
    while (position < total) {
      const page = Buffer.allocUnsafe(Math.min(copyBytes, total - position));
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
  }

  private note(event: WorkerEvent, position: number): void {
    this.last = event.sequence;
    this.lastEventType = event.type;
    if (this.positions.length === 0) this.first = event.sequence;
    // A line that cannot be read any more stands for nothing: who asks for it gets the next one.
    while (this.lastStored < event.sequence) this.positions.push(position);
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}
