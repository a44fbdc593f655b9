import type { OutputStream } from '../../core/ports/containerEngine.ts';
import type { RecordedOutput } from '../../core/ports/containerRecords.ts';

/**
 * How a segment of a record is written: a header with what was recorded before it, then frames, each with its stream,
 * its length and its time. Numbers are little-endian; offsets count bytes of output, never those of headers.
 */

export const segmentHeaderBytes = 24;
export const frameHeaderBytes = 16;
const magic = 0x3152_574f;
const streams: readonly OutputStream[] = ['stdout', 'stderr'];

export interface StreamEnds {
  readonly stdout: number;
  readonly stderr: number;
}

export function encodeSegmentHeader({ stdout, stderr }: StreamEnds): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  header.writeUInt32LE(magic, 0);
  header.writeDoubleLE(stdout, 8);
  header.writeDoubleLE(stderr, 16);
  return header;
}

/** Undefined where a crash left less than a header. */
export function decodeSegmentHeader(segment: Buffer): StreamEnds | undefined {
  if (segment.length < segmentHeaderBytes || segment.readUInt32LE(0) !== magic) return undefined;
  return { stdout: segment.readDoubleLE(8), stderr: segment.readDoubleLE(16) };
}

export function encodeFrame(stream: OutputStream, data: Uint8Array, time: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + data.length);
  frame.writeUInt32LE(streams.indexOf(stream), 0);
  frame.writeUInt32LE(data.length, 4);
  frame.writeDoubleLE(time, 8);
  frame.set(data, frameHeaderBytes);
  return frame;
}

/** The whole frames of a segment whose output begins at `offset`. One that a crash has torn is left out. */
export function* decodeFrames(segment: Buffer, offset: number): Generator<RecordedOutput> {
  let position = segmentHeaderBytes;
  let outputOffset = offset;
  while (position + frameHeaderBytes <= segment.length) {
    const stream = streams[segment.readUInt32LE(position)];
    const length = segment.readUInt32LE(position + 4);
    const start = position + frameHeaderBytes;
    if (stream === undefined || start + length > segment.length) return;
    const time = segment.readDoubleLE(position + 8);
    yield { offset: outputOffset, stream, time, data: segment.subarray(start, start + length) };
    outputOffset += length;
    position = start + length;
  }
}
