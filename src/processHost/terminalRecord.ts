import { appendFileSync, closeSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { Disposable } from '../base/disposable.ts';
import { writeFileAtomic } from './files.ts';
import { PrivateModes } from './privateModes.ts';
import {
  addResize,
  listSegments,
  modesPath,
  readPreamble,
  readResizes,
  readSegments,
  type RecordBytes,
  recordEnd,
  type ResizeEntry,
  resizeIndexAt,
  resizesPath,
  type Segment,
  segmentPath,
} from './recordFiles.ts';

export const defaultRecordLimitBytes = 32 * 1024 * 1024;
const maxSegmentBytes = 1024 * 1024;
/** What is kept in memory while the disk takes nothing. */
const maxTailBytes = 1024 * 1024;
const retryMs = 1_000;
const maxResizeLines = 1_000;

/** The system calls that may fail for a full disk; tests put failing ones here. */
export interface RecordIo {
  open(path: string): number;
  /** @returns how many bytes were written. */
  write(descriptor: number, data: Buffer): number;
  close(descriptor: number): void;
}

const fileIo: RecordIo = {
  open: (path) => openSync(path, 'a', 0o600),
  write: (descriptor, data) => writeSync(descriptor, data),
  close: closeSync,
};

export interface RecordOptions {
  /** How many bytes are kept; the oldest segments go first. Default 32 MiB, at least 64 KiB. */
  readonly limitBytes?: number | undefined;
  /** The folder does not exist yet. */
  readonly isNew?: boolean;
  /** The size from the first byte on, where it is kept elsewhere: then only its changes are written here. */
  readonly size?: { readonly cols: number; readonly rows: number } | undefined;
  readonly io?: RecordIo;
}

/**
 * Output of one terminal, addressed by absolute offset, on disk before anyone is sent it. Nothing here throws for the
 * disk's sake: while it is full the last MiB stays in memory, what is older becomes an honest gap, and writing goes on
 * as soon as there is space. Written data survives the death of the process, not a loss of power (there is no fsync).
 */
export class TerminalRecord implements Disposable {
  readonly dir: string;
  private readonly io: RecordIo;
  private readonly limitBytes: number;
  private readonly segmentBytes: number;
  private readonly segments: Segment[];
  private resizeEntries: ResizeEntry[];
  private resizeLines = 0;
  private hasResizeFile: boolean;
  private modes: PrivateModes | undefined;
  private descriptor: number | undefined;
  private storedBytes: number;
  private endOffset: number;
  /** [tailStart, end): not on disk. Empty but for a disk that takes nothing. */
  private tail: Buffer[] = [];
  private tailStart: number;
  private retry: NodeJS.Timeout | undefined;

  /** Opens the record in `dir`, which is made if it is missing. Throws where that fails. */
  constructor(dir: string, options: RecordOptions = {}) {
    const { isNew = false, size } = options;
    mkdirSync(dir, { recursive: !isNew, mode: 0o700 });
    this.dir = dir;
    this.io = options.io ?? fileIo;
    this.limitBytes = Math.max(options.limitBytes ?? defaultRecordLimitBytes, 64 * 1024);
    this.segmentBytes = Math.min(maxSegmentBytes, Math.ceil(this.limitBytes / 16));
    this.segments = isNew ? [] : listSegments(dir);
    this.resizeEntries = isNew ? [] : readResizes(dir);
    this.hasResizeFile = this.resizeEntries.length > 0;
    if (!this.hasResizeFile && size !== undefined) this.resizeEntries.push({ offset: 0, ...size });
    this.storedBytes = this.segments.reduce((sum, { size }) => sum + size, 0);
    this.endOffset = recordEnd(this.segments);
    this.tailStart = this.endOffset;
  }

  /** First offset that is still held. */
  get start(): number {
    return this.segments[0]?.offset ?? this.tailStart;
  }

  /** One past the last byte. */
  get end(): number {
    return this.endOffset;
  }

  get resizes(): readonly ResizeEntry[] {
    return this.resizeEntries;
  }

  /** What the disk did not take; empty but while it is full. */
  get unwritten(): RecordBytes {
    return { from: this.tailStart, data: Buffer.concat(this.tail) };
  }

  append(data: Buffer): void {
    if (data.length === 0) return;
    const isCaughtUp = this.flush();
    this.endOffset += data.length;
    const written = isCaughtUp ? this.writeOut(data) : 0;
    if (written === data.length) {
      this.tailStart = this.endOffset;
    } else {
      if (isCaughtUp) this.tailStart = this.endOffset - data.length + written;
      // A copy: a small view would keep its whole buffer.
      this.tail.push(Buffer.from(data.subarray(written)));
      this.boundTail();
      this.retryLater();
    }
  }

  /** At most `maxBytes`, without gap within; see `RecordBytes.from` for what is no longer held. */
  read(from: number, maxBytes: number): RecordBytes {
    const stored = readSegments(this.dir, this.segments, from, maxBytes);
    if (stored.data.length > 0 || this.tail.length === 0) return stored;
    const start = Math.min(Math.max(from, this.tailStart), this.endOffset);
    const skip = start - this.tailStart;
    return { from: start, data: Buffer.concat(this.tail).subarray(skip, skip + maxBytes) };
  }

  /** The size that holds from the end on. */
  resize(cols: number, rows: number): void {
    const entry = { offset: this.endOffset, cols, rows };
    addResize(this.resizeEntries, entry);
    try {
      if (!this.hasResizeFile || ++this.resizeLines > maxResizeLines) this.writeResizes();
      else appendFileSync(resizesPath(this.dir), `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    } catch {
      // A full disk: the size is known in memory, and written with the next one that changes.
      this.resizeLines = maxResizeLines;
    }
  }

  /** Tries to bring to disk what is in memory only. @returns whether everything is on disk. */
  flush(): boolean {
    while (this.tail[0] !== undefined) {
      const first = this.tail[0];
      const written = this.writeOut(first);
      this.tailStart += written;
      if (written < first.length) {
        this.tail[0] = first.subarray(written);
        return false;
      }
      this.tail.shift();
    }
    return true;
  }

  /** Closes the files. The record stays readable. */
  dispose(): void {
    clearTimeout(this.retry);
    this.flush();
    this.closeSegment();
  }

  /** @returns how many bytes came to disk, from `tailStart` or the end of the last segment on. */
  private writeOut(data: Buffer): number {
    const from = this.tail.length === 0 ? this.endOffset - data.length : this.tailStart;
    let written = 0;
    try {
      while (written < data.length) {
        const segment = this.openSegment(from + written);
        const room = this.segmentBytes - segment.size;
        const count = this.io.write(this.descriptor ?? -1, data.subarray(written, written + room));
        segment.size += count;
        this.storedBytes += count;
        written += count;
      }
      this.dropOldest();
    } catch {
      // The caller keeps the rest in memory. The next try opens the segment of its own offset.
      this.closeSegment();
    }
    return written;
  }

  /** The last segment if bytes at `offset` belong into it, else a new one. */
  private openSegment(offset: number): Segment {
    const last = this.segments.at(-1);
    const fits = last !== undefined && last.offset + last.size === offset && last.size < this.segmentBytes;
    if (fits && this.descriptor !== undefined) return last;
    this.closeSegment();
    if (fits) {
      this.descriptor = this.io.open(segmentPath(this.dir, last.offset));
      return last;
    }
    this.descriptor = this.io.open(segmentPath(this.dir, offset));
    const segment = { offset, size: 0 };
    // Opened while the disk was full, and never written to.
    if (last?.size === 0) this.segments.pop();
    this.segments.push(segment);
    return segment;
  }

  private closeSegment(): void {
    if (this.descriptor !== undefined) this.io.close(this.descriptor);
    this.descriptor = undefined;
  }

  private dropOldest(): void {
    let dropped = false;
    while (this.storedBytes > this.limitBytes && this.segments.length > 1) {
      const [oldest] = this.segments;
      if (oldest === undefined) break;
      this.modes ??= PrivateModes.parse(readPreamble(this.dir));
      this.modes.fold(readSegments(this.dir, [oldest], oldest.offset, oldest.size).data);
      this.tryWrite(modesPath(this.dir), JSON.stringify({ preamble: this.modes.preamble }));
      unlinkSync(segmentPath(this.dir, oldest.offset));
      this.segments.shift();
      this.storedBytes -= oldest.size;
      dropped = true;
    }
    const index = dropped ? resizeIndexAt(this.resizeEntries, this.start) : 0;
    if (index > 0) {
      this.resizeEntries = this.resizeEntries.slice(index);
      this.writeResizes();
    }
  }

  private writeResizes(): void {
    const lines = this.resizeEntries.map((entry) => `${JSON.stringify(entry)}\n`);
    this.hasResizeFile = this.tryWrite(resizesPath(this.dir), lines.join('')) || this.hasResizeFile;
    this.resizeLines = lines.length;
  }

  private tryWrite(path: string, content: string): boolean {
    try {
      writeFileAtomic(path, content);
      return true;
    } catch {
      // A full disk. The next drop or resize writes the whole file again.
      return false;
    }
  }

  private boundTail(): void {
    while (this.endOffset - this.tailStart > maxTailBytes && this.tail[0] !== undefined) {
      const excess = this.endOffset - this.tailStart - maxTailBytes;
      const first = this.tail[0];
      if (first.length <= excess) this.tail.shift();
      else this.tail[0] = first.subarray(excess);
      this.tailStart += Math.min(excess, first.length);
    }
  }

  private retryLater(): void {
    if (this.retry !== undefined) return;
    this.retry = setTimeout(() => {
      this.retry = undefined;
      if (!this.flush()) this.retryLater();
    }, retryMs).unref();
  }
}
