import { OrchestratorError } from '../base/errors.ts';
import { frameKind, type JsonFrame, maxFrameBytes } from '../protocol/processHost.ts';

/** The codec of protocol/processHost.ts: length (u32), kind (u8), body. */

export interface FrameHandler {
  onJson(frame: JsonFrame): void;
  /** `bytes` is a view: use or copy it before returning. */
  onOutput(stream: number, offset: number, bytes: Buffer): void;
}

const headerBytes = 5;
const outputHeaderBytes = headerBytes + 4 + 8;

export function encodeJson(frame: JsonFrame): Buffer {
  const body = JSON.stringify(frame);
  const size = Buffer.byteLength(body);
  if (size + 1 > maxFrameBytes) {
    throw new OrchestratorError(
      'RESOURCE_EXHAUSTED',
      'invalid_request',
      `A message of ${size} bytes is larger than the ${maxFrameBytes} that the process host exchanges. Ask for less at once.`,
    );
  }
  const buffer = Buffer.allocUnsafe(headerBytes + size);
  buffer.writeUInt32BE(size + 1, 0);
  buffer.writeUInt8(frameKind.json, 4);
  buffer.write(body, headerBytes);
  return buffer;
}

/** What goes before the bytes of an output frame, so that the bytes themselves are not copied. */
export function encodeOutputHeader(stream: number, offset: number, byteLength: number): Buffer {
  const header = Buffer.allocUnsafe(outputHeaderBytes);
  header.writeUInt32BE(outputHeaderBytes - 4 + byteLength, 0);
  header.writeUInt8(frameKind.output, 4);
  header.writeUInt32BE(stream, 5);
  header.writeBigUInt64BE(BigInt(offset), 9);
  return header;
}

/** Cuts a byte stream, however it was chunked, into frames. A frame that breaks the rules throws, once and for all. */
export class FrameDecoder {
  private readonly handler: FrameHandler;
  private chunks: Buffer[] = [];
  private pendingBytes = 0;

  constructor(handler: FrameHandler) {
    this.handler = handler;
  }

  /** @throws OrchestratorError protocol_violation; the connection must end then. */
  push(chunk: Buffer): void {
    this.add(chunk);
    this.handOut();
  }

  /** Keeps the bytes for `handOut`. */
  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.pendingBytes += chunk.length;
  }

  /**
   * Hands out the whole frames that are there, at most `limit`. @returns whether there may be more.
   * @throws OrchestratorError protocol_violation; the connection must end then.
   */
  handOut(limit = Number.POSITIVE_INFINITY): boolean {
    for (let count = 0; count < limit; count += 1) {
      if (this.pendingBytes < headerBytes) return false;
      const head = this.gather(headerBytes);
      const size = head.readUInt32BE(0);
      if (size < 1 || size > maxFrameBytes) {
        throw violation(`a frame of ${size} bytes`);
      }
      if (this.pendingBytes < 4 + size) return false;
      const frame = this.take(4 + size);
      this.dispatch(frame.readUInt8(4), frame.subarray(headerBytes));
    }
    return true;
  }

  private dispatch(kind: number, body: Buffer): void {
    if (kind === frameKind.json) {
      let frame: unknown;
      try {
        frame = JSON.parse(body.toString('utf8'));
      } catch {
        throw violation('a message that is not JSON');
      }
      if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
        throw violation('a message that is not an object');
      }
      this.handler.onJson(frame as JsonFrame);
    } else if (kind === frameKind.output && body.length >= outputHeaderBytes - headerBytes) {
      this.handler.onOutput(body.readUInt32BE(0), Number(body.readBigUInt64BE(4)), body.subarray(12));
    } else {
      throw violation(`a frame of kind ${kind}`);
    }
  }

  /** The first chunk, made to hold at least `size` bytes. */
  private gather(size: number): Buffer {
    const first = this.chunks[0] ?? Buffer.alloc(0);
    if (first.length >= size) return first;
    let length = 0;
    let count = 0;
    for (const chunk of this.chunks) {
      if (length >= size) break;
      length += chunk.length;
      count += 1;
    }
    const joined = Buffer.concat(this.chunks.slice(0, count), length);
    this.chunks.splice(0, count, joined);
    return joined;
  }

  private take(size: number): Buffer {
    const first = this.gather(size);
    this.pendingBytes -= size;
    if (first.length === size) this.chunks.shift();
    else this.chunks[0] = first.subarray(size);
    return first.subarray(0, size);
  }
}

function violation(what: string): OrchestratorError {
  return new OrchestratorError(
    'INVALID_ARGUMENT',
    'protocol_violation',
    `The other side of the process host's socket sent ${what}.`,
  );
}
