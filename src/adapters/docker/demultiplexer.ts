import type { OutputStream } from '../../core/ports/containerEngine.ts';

export interface OutputPiece {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
}

const headerBytes = 8;

/**
 * Takes apart what the engine sends of a container without a terminal: frames of a byte for the stream, three unused
 * ones and the length, big-endian. Frames may be cut anywhere, and a program that prints line by line makes one a
 * line: neighbours of one stream in one chunk are joined, so that whoever writes them down does so once.
 */
export class Demultiplexer {
  private header = Buffer.alloc(0);
  private stream: OutputStream = 'stdout';
  private missing = 0;

  push(chunk: Buffer): OutputPiece[] {
    const pieces: { stream: OutputStream; parts: Buffer[] }[] = [];
    let position = 0;
    while (position < chunk.length) {
      if (this.missing === 0) {
        const wanted = headerBytes - this.header.length;
        const part = chunk.subarray(position, position + wanted);
        position += part.length;
        if (part.length < wanted) {
          this.header = Buffer.concat([this.header, part]);
          break;
        }
        this.open(this.header.length === 0 ? part : Buffer.concat([this.header, part]));
        continue;
      }
      const data = chunk.subarray(position, position + this.missing);
      position += data.length;
      this.missing -= data.length;
      const last = pieces.at(-1);
      if (last?.stream === this.stream) last.parts.push(data);
      else pieces.push({ stream: this.stream, parts: [data] });
    }
    return pieces.map(({ stream, parts }) => ({
      stream,
      data: parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts),
    }));
  }

  private open(header: Buffer): void {
    this.header = Buffer.alloc(0);
    const stream = header[0];
    if (stream === undefined || stream > 3) throw new Error('The engine sent output that is not framed.');
    // 3 is the engine's own error about the stream.
    this.stream = stream >= 2 ? 'stderr' : 'stdout';
    this.missing = header.readUInt32BE(4);
  }
}
