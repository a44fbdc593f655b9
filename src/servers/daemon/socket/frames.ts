import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

/** RFC 6455, section 5.2. */
export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** RFC 6455, section 7.4. */
export const protocolCode = {
  normal: 1000,
  protocolError: 1002,
  /** Only told to ourselves: the close frame had none. */
  none: 1005,
  /** Only told to ourselves: there was no close frame. */
  abnormal: 1006,
  badText: 1007,
  policyViolation: 1008,
  tooBig: 1009,
} as const;

/** Whether a close frame may carry it; those from 3000 on are the programs' own. */
export function isCloseCode(code: number): boolean {
  if (code >= 3_000) return code <= 4_999;
  return code >= 1_000 && code <= 1_014 && code !== 1_004 && code !== 1_005 && code !== 1_006;
}

const finBit = 0x80;
const compressedBit = 0x40;

/** Bytes of the header of an unmasked frame. */
function headerBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/** A whole frame as a server sends it. */
export function frameOf(code: number, payload: Uint8Array, isCompressed = false): Buffer {
  const { length } = payload;
  const start = headerBytes(length);
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = finBit | (isCompressed ? compressedBit : 0) | code;
  if (start === 2) {
    frame[1] = length;
  } else if (start === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length >>> 0, 6);
  }
  frame.set(payload, start);
  return frame;
}

/** @param reason is shortened to the 123 bytes that there are. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  let end = Math.min(text.length, 123);
  // Not within a character.
  while (end < text.length && end > 0 && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  const payload = Buffer.allocUnsafe(2 + end);
  payload.writeUInt16BE(code);
  payload.set(text.subarray(0, end), 2);
  return frameOf(opcode.close, payload);
}

/** Longer ones would keep everybody waiting while they are compressed: 1 MiB takes about 5 ms. */
const compressToBytes = 1024 * 1024;
/** RFC 7692, section 7.2.1: the end of what `Z_SYNC_FLUSH` writes, which is not sent. */
const flushTail = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** As `frameOf`, compressed where it is long enough for that to be worth it. Each frame for itself: no context is kept. */
export function compressedFrameOf(code: number, payload: Uint8Array, fromBytes: number): Buffer {
  if (payload.length < fromBytes || payload.length > compressToBytes) return frameOf(code, payload);
  const deflated = deflateRawSync(payload, {
    level: constants.Z_BEST_SPEED,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  const body = deflated.subarray(0, deflated.length - flushTail.length);
  return body.length < payload.length ? frameOf(code, body, true) : frameOf(code, payload);
}

/**
 * What a compressed message holds; undefined where that is more than `limit` bytes. At once rather than beside: to
 * parse as much JSON takes as long, and what a client may send in a second is limited.
 * @throws Error for what is not deflated.
 */
export function inflate(body: Uint8Array, limit: number): Buffer | undefined {
  try {
    return inflateRawSync(Buffer.concat([body, flushTail]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: limit,
      chunkSize: 64 * 1024,
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') return undefined;
    throw error;
  }
}

/** In place. @param offset of the bytes in their frame. */
export function unmask(bytes: Uint8Array, mask: number, offset: number): void {
  if (mask === 0) return;
  const rotated = offset % 4 === 0 ? mask : (mask << ((offset % 4) * 8)) | (mask >>> (32 - (offset % 4) * 8));
  const [a, b, c, d] = [rotated >>> 24, (rotated >>> 16) & 0xff, (rotated >>> 8) & 0xff, rotated & 0xff];
  const { length } = bytes;
  const whole = length - (length % 4);
  for (let index = 0; index < whole; index += 4) {
    (bytes[index] as number) ^= a;
    (bytes[index + 1] as number) ^= b;
    (bytes[index + 2] as number) ^= c;
    (bytes[index + 3] as number) ^= d;
  }
  for (let index = whole; index < length; index += 1) {
    (bytes[index] as number) ^= (rotated >>> (24 - (index % 4) * 8)) & 0xff;
  }
}
