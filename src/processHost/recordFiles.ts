import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, readJsonLines, systemCode } from './files.ts';

/**
 * Readers of a terminal's record on disk. They need no process: they work on ended terminals, after a crash, and from
 * other threads while the record grows.
 *
 * `<16-digit offset>.log` holds the output from that absolute offset on; consecutive segments join without gap except
 * where a full disk tore one. `resizes.jsonl` holds {offset, cols, rows}; `modes.json` what dropped output left set.
 */
export interface Segment {
  readonly offset: number;
  size: number;
}

export interface ResizeEntry {
  /** The size holds for the output from here on. */
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
}

export interface RecordBytes {
  /** Offset of the first byte; greater than asked where the record has dropped what was before. */
  readonly from: number;
  readonly data: Buffer;
}

export const segmentPath = (dir: string, offset: number): string =>
  join(dir, `${String(offset).padStart(16, '0')}.log`);
export const resizesPath = (dir: string): string => join(dir, 'resizes.jsonl');
export const modesPath = (dir: string): string => join(dir, 'modes.json');

/** In the order of offsets. */
export function listSegments(dir: string): Segment[] {
  const segments: Segment[] = [];
  for (const name of readdirSync(dir)) {
    if (!/^\d{16}\.log$/.test(name)) continue;
    const size = statSync(join(dir, name), { throwIfNoEntry: false })?.size;
    if (size !== undefined) segments.push({ offset: Number.parseInt(name, 10), size });
  }
  return segments.sort((a, b) => a.offset - b.offset);
}

export function recordEnd(segments: readonly Segment[]): number {
  const last = segments.at(-1);
  return last === undefined ? 0 : last.offset + last.size;
}

/** At most `maxBytes` that follow on each other without gap, from `from` or the first offset after it that is kept. */
export function readSegments(
  dir: string,
  segments: readonly Segment[],
  from: number,
  maxBytes: number,
): RecordBytes {
  const parts: Buffer[] = [];
  let start = from;
  let position = from;
  let room = maxBytes;
  for (const { offset, size } of segments) {
    if (size === 0 || offset + size <= position) continue;
    if (room === 0) break;
    if (offset > position) {
      if (parts.length > 0) break;
      start = position = offset;
    }
    const part = readPart(
      segmentPath(dir, offset),
      position - offset,
      Math.min(room, offset + size - position),
    );
    // Dropped by the writer since it was listed, or damaged: a gap either way.
    if (part === undefined || part.length === 0) continue;
    parts.push(part);
    position += part.length;
    room -= part.length;
  }
  if (parts.length === 0) return { from: Math.max(from, recordEnd(segments)), data: Buffer.alloc(0) };
  return {
    from: start,
    data: parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts),
  };
}

function readPart(path: string, position: number, length: number): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(descriptor, buffer, filled, length - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return buffer.subarray(0, filled);
  } finally {
    closeSync(descriptor);
  }
}

/** In the order of offsets; the first one is the size at the start of what is kept. */
export function readResizes(dir: string): ResizeEntry[] {
  const entries: ResizeEntry[] = [];
  for (const line of readJsonLines(resizesPath(dir))) {
    const entry = line as Partial<ResizeEntry>;
    if (
      typeof entry.offset === 'number' &&
      typeof entry.cols === 'number' &&
      typeof entry.rows === 'number'
    ) {
      addResize(entries, { offset: entry.offset, cols: entry.cols, rows: entry.rows });
    }
  }
  return entries;
}

/** Of several sizes at one offset only the last one matters. */
export function addResize(entries: ResizeEntry[], entry: ResizeEntry): void {
  if (entries.at(-1)?.offset === entry.offset) entries.pop();
  entries.push(entry);
}

/** Index of the size that holds at `offset`. */
export function resizeIndexAt(entries: readonly ResizeEntry[], offset: number): number {
  let index = 0;
  while ((entries[index + 1]?.offset ?? Number.POSITIVE_INFINITY) <= offset) index += 1;
  return index;
}

/** Sequences that set what the dropped part of the record left set. */
export function readPreamble(dir: string): string {
  const modes = readJson(modesPath(dir));
  return typeof modes === 'object' &&
    modes !== null &&
    'preamble' in modes &&
    typeof modes.preamble === 'string'
    ? modes.preamble
    : '';
}
