import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Disposable } from '../../base/disposable.ts';
import type { OutputStream } from '../../core/ports/containerEngine.ts';
import type { ContainerRecord, RecordedOutput } from '../../core/ports/containerRecords.ts';
import {
  decodeFrames,
  decodeSegmentHeader,
  encodeFrame,
  encodeSegmentHeader,
  frameHeaderBytes,
  segmentHeaderBytes,
  type StreamEnds,
} from './recordFrames.ts';

interface Segment {
  /** Of its first byte of output. */
  readonly offset: number;
  /** Bytes of output. */
  size: number;
}

const maxSegmentBytes = 1024 * 1024;
/** What is kept in memory for those who follow. */
const recentLimitBytes = 256 * 1024;

/**
 * The output of one container in files `<16-digit offset>.out` of at most 1 MiB of output each; the oldest go first.
 * Written data survives the death of this process, not a loss of power.
 */
export class FileRecord implements ContainerRecord, Disposable {
  private readonly dir: string;
  private readonly limitBytes: number;
  private readonly segmentBytes: number;
  private readonly segments: Segment[];
  private ends: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  private descriptor: number | undefined;
  /** Of the last segment: bytes of the file. */
  private fileSize = 0;
  /** The newest output, without gap up to the end. */
  private readonly recent: RecordedOutput[] = [];

  /** @param limitBytes how much output is kept, at least 64 KiB. */
  constructor(dir: string, limitBytes: number) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.dir = dir;
    this.limitBytes = Math.max(limitBytes, 64 * 1024);
    this.segmentBytes = Math.min(maxSegmentBytes, Math.ceil(this.limitBytes / 16));
    this.segments = this.openSegments();
  }

  get start(): number {
    return this.segments[0]?.offset ?? 0;
  }

  get end(): number {
    return this.ends.stdout + this.ends.stderr;
  }

  get streamEnds(): StreamEnds {
    return this.ends;
  }

  append(stream: OutputStream, data: Uint8Array, time: number): void {
    let position = 0;
    while (position < data.length) {
      const segment = this.segmentWithRoom();
      const part = data.subarray(position, position + this.segmentBytes - segment.size);
      const frame = encodeFrame(stream, part, time);
      this.write(frame);
      // The part is a view of its reader's chunk, which would be kept alive with it: the frame is our own.
      this.remember({ offset: this.end, stream, time, data: frame.subarray(frameHeaderBytes) });
      segment.size += part.length;
      this.ends[stream] += part.length;
      position += part.length;
    }
    this.dropOldest();
  }

  read(from: number, maxBytes: number): RecordedOutput[] {
    const pieces: RecordedOutput[] = [];
    let room = maxBytes;
    for (const { offset, stream, time, data } of this.framesFrom(from)) {
      if (room === 0) break;
      const skip = Math.max(0, from - offset);
      const part = data.subarray(skip, skip + room);
      if (part.length === 0) continue;
      room -= part.length;
      pieces.push({ offset: offset + skip, stream, time, data: part });
    }
    return pieces;
  }

  clear(): void {
    if (this.start === this.end) return;
    // Says how much there was; so it must be there before the others go.
    this.beginSegment();
    this.recent.length = 0;
    for (const { offset } of this.segments.splice(0, this.segments.length - 1))
      unlinkSync(this.pathOf(offset));
  }

  offsetAt(time: number): number {
    for (const { offset, size } of this.segments) {
      const segment = [...decodeFrames(this.readSegment(offset), offset)];
      const last = segment.at(-1);
      if (last === undefined || (last.time < time && size > 0)) continue;
      return segment.find((frame) => frame.time >= time)?.offset ?? offset + size;
    }
    return this.end;
  }

  dispose(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  /** Finds what is there, and cuts off what a crash has torn. Only the last segment is read. */
  private openSegments(): Segment[] {
    const offsets = readdirSync(this.dir)
      .filter((name) => /^\d{16}\.out$/.test(name))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);
    const segments: Segment[] = offsets.map((offset, index) => ({
      offset,
      size: (offsets[index + 1] ?? offset) - offset,
    }));
    for (let last = segments.at(-1); last !== undefined; last = segments.at(-1)) {
      const content = this.readSegment(last.offset);
      const header = decodeSegmentHeader(content);
      if (header === undefined) {
        unlinkSync(this.pathOf(last.offset));
        segments.pop();
        continue;
      }
      this.ends = { ...header };
      this.fileSize = segmentHeaderBytes;
      last.size = 0;
      for (const { stream, data } of decodeFrames(content, last.offset)) {
        this.ends[stream] += data.length;
        last.size += data.length;
        this.fileSize += frameHeaderBytes + data.length;
      }
      if (this.fileSize < content.length) truncateSync(this.pathOf(last.offset), this.fileSize);
      break;
    }
    return segments;
  }

  /** Beginning with the one that holds `from`, or a little before. */
  private *framesFrom(from: number): Generator<RecordedOutput> {
    const [oldest] = this.recent;
    if (oldest !== undefined && oldest.offset <= from) {
      yield* this.recent.slice(
        Math.max(
          0,
          this.recent.findLastIndex(({ offset }) => offset <= from),
        ),
      );
      return;
    }
    for (const { offset, size } of [...this.segments]) {
      if (offset + size > from) yield* decodeFrames(this.readSegment(offset), offset);
    }
  }

  private remember(output: RecordedOutput): void {
    const [oldest] = this.recent;
    this.recent.push(output);
    if (oldest === undefined) return;
    while (this.recent.length > 1 && this.end - (this.recent[1]?.offset ?? 0) > recentLimitBytes) {
      this.recent.shift();
    }
  }

  private segmentWithRoom(): Segment {
    const last = this.segments.at(-1);
    if (last !== undefined && last.size < this.segmentBytes) {
      this.descriptor ??= openSync(this.pathOf(last.offset), 'a', 0o600);
      return last;
    }
    return this.beginSegment();
  }

  private beginSegment(): Segment {
    this.dispose();
    this.descriptor = openSync(this.pathOf(this.end), 'a', 0o600);
    this.fileSize = 0;
    const segment = { offset: this.end, size: 0 };
    this.segments.push(segment);
    try {
      this.write(encodeSegmentHeader(this.ends));
    } catch (error) {
      this.segments.pop();
      this.dispose();
      throw error;
    }
    return segment;
  }

  /** Whole or not at all: what a full disk took of a frame is cut off again. */
  private write(content: Buffer): void {
    const descriptor = this.descriptor ?? -1;
    let written = 0;
    try {
      while (written < content.length) written += writeSync(descriptor, content, written);
      this.fileSize += content.length;
    } catch (error) {
      const last = this.segments.at(-1);
      if (written > 0 && last !== undefined) truncateSync(this.pathOf(last.offset), this.fileSize);
      throw error;
    }
  }

  private dropOldest(): void {
    while (this.segments.length > 1 && this.end - this.start > this.limitBytes) {
      unlinkSync(this.pathOf(this.start));
      this.segments.shift();
    }
  }

  private readSegment(offset: number): Buffer {
    return readFileSync(this.pathOf(offset));
  }

  private pathOf(offset: number): string {
    return join(this.dir, `${String(offset).padStart(16, '0')}.out`);
  }
}
