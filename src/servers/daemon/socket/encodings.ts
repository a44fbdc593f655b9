import type { AnswerFrame, StreamFrame } from '../../../protocol/daemon/frames.ts';
import { type cborProtocol, jsonProtocol } from '../../../protocol/daemon/handshake.ts';
import type { FrameBatch } from '../clientLink.ts';
import { type Encoding, type MessageBounds, tooMuch } from './encoding.ts';
import { compressedFrameOf, frameOf, opcode } from './frames.ts';

const jsonEncoding: Encoding = {
  isText: true,
  encode: (frame) => Buffer.from(JSON.stringify(withBase64(frame))),
  decode(message, bounds) {
    checkJson(message, bounds);
    return JSON.parse(message.toString('utf8')) as unknown;
  },
};

/** CBOR is loaded by the first client that wants it. */
export async function loadEncoding(protocol: typeof jsonProtocol | typeof cborProtocol): Promise<Encoding> {
  if (protocol === jsonProtocol) return jsonEncoding;
  const { createCborEncoding } = await import('./cborEncoding.ts');
  return createCborEncoding();
}

/** What a terminal has printed; nothing else that is sent has bytes. */
function withBase64(frame: object): object {
  if (!('data' in frame) || !(frame.data instanceof Uint8Array)) return frame;
  const { buffer, byteOffset, byteLength } = frame.data;
  return { ...frame, data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * A look at JSON before it is parsed: a few megabytes of brackets would become hundreds of megabytes of objects.
 * @throws RangeError
 */
function checkJson(message: Buffer, { maxDepth, maxValues }: MessageBounds): void {
  let depth = 0;
  let values = 0;
  let isString = false;
  for (let index = 0; index < message.length; index += 1) {
    const byte = message[index];
    if (isString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) isString = false;
      continue;
    }
    switch (byte) {
      case quote:
        isString = true;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        values += 1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        values += 1;
        break;
      default:
    }
    if (depth > maxDepth || values > maxValues) throw tooMuch({ maxDepth, maxValues });
  }
}

/** Ready to be sent as they are, to every client of the same encoding. */
export interface EncodedFrames {
  /** One or more whole WebSocket frames. */
  readonly bytes: Buffer;
  readonly count: number;
}

/**
 * Makes WebSocket frames of what the daemon sends, for all clients that read the same: a batch is encoded, and where it
 * is worth it compressed, once for all of them.
 */
export class FrameEncoder {
  readonly encoding: Encoding;
  private readonly compressFrom: number;
  private readonly known = new WeakMap<FrameBatch, EncodedFrames>();
  /** A batch goes to one client after the other: mostly it is the last one again. */
  private last: { readonly batch: FrameBatch; readonly encoded: EncodedFrames } | undefined;

  /** @param compressFrom bytes; infinite for clients that read nothing compressed. */
  constructor(encoding: Encoding, compressFrom: number) {
    this.encoding = encoding;
    this.compressFrom = compressFrom;
  }

  one(frame: StreamFrame | (AnswerFrame & { readonly seq: number })): Buffer {
    const code = this.encoding.isText ? opcode.text : opcode.binary;
    const payload = this.encoding.encode(frame);
    if (payload.length < this.compressFrom) return frameOf(code, payload);
    return compressedFrameOf(code, payload, this.compressFrom);
  }

  batch(batch: FrameBatch): EncodedFrames {
    if (this.last?.batch === batch) return this.last.encoded;
    let encoded = this.known.get(batch);
    if (encoded === undefined) {
      const [first, ...others] = batch.frames.map((frame) => this.one(frame));
      const bytes = others.length === 0 ? first : Buffer.concat([first ?? Buffer.alloc(0), ...others]);
      encoded = { bytes: bytes ?? Buffer.alloc(0), count: batch.frames.length };
      this.known.set(batch, encoded);
    }
    this.last = { batch, encoded };
    return encoded;
  }
}
