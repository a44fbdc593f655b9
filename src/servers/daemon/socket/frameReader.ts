import { isUtf8 } from 'node:buffer';
import { inflate, isCloseCode, opcode, protocolCode, unmask } from './frames.ts';
import { Utf8Check } from './utf8Check.ts';

/** What a reader tells. It may be held, or ended, from within each of these. */
export interface FrameHandler {
  /** Text is UTF-8. The bytes are its own until it returns. */
  message(data: Buffer, isText: boolean): void;
  /** A message turns out to be longer than allowed. What has come of it is let go, and the rest as it comes. */
  tooLong(): void;
  /** The last byte of such a message has gone by. */
  skipped(): void;
  ping(payload: Buffer): void;
  pong(): void;
  /** 1005 where no code was sent. */
  close(code: number, reason: string): void;
  /** Not what RFC 6455 allows: nothing more is read. */
  failed(code: number, reason: string): void;
}

export interface FrameReaderOptions {
  /** Whether permessage-deflate was agreed on, without context takeover. */
  readonly isDeflating: boolean;
  readonly maxFragments: number;
  readonly handler: FrameHandler;
}

interface Frame {
  readonly code: number;
  readonly isFinal: boolean;
  readonly length: number;
  readonly mask: number;
  /** Bytes of its payload that have come. */
  read: number;
}

const noBytes = Buffer.alloc(0);
/** How a message's room grows; never by what a header only claims. */
const firstRoomBytes = 4_096;
/** A close frame is looked for behind so many others at most. */
const maxDiscardedFrames = 1_000;
/** A message may come in one fragment more for each so many bytes. */
const bytesPerFragment = 4_096;

/**
 * Reads what a client sends (RFC 6455, section 5), byte by byte where that is how it comes: what is wrong ends it as
 * soon as it can be told. Memory is held for what has come, and never for more than a message may have.
 */
export class FrameReader {
  /** Of a message, in bytes. */
  maxBytes: number;
  private readonly isDeflating: boolean;
  private readonly maxFragments: number;
  private readonly handler: FrameHandler;
  private input: Buffer = noBytes;
  private isHeld = false;
  private isEnded = false;
  private isReading = false;
  private framesLeft = Number.POSITIVE_INFINITY;
  private frame: Frame | undefined;
  /** The control frame under way. */
  private readonly control = Buffer.alloc(125);
  /** Opcode of the message under way, 0 for none. */
  private message = 0;
  private isCompressed = false;
  private isSkipping = false;
  private fragments = 0;
  private body = noBytes;
  private bodyLength = 0;
  private readonly text = new Utf8Check();

  constructor(options: FrameReaderOptions, maxBytes: number) {
    this.isDeflating = options.isDeflating;
    this.maxFragments = options.maxFragments;
    this.handler = options.handler;
    this.maxBytes = maxBytes;
  }

  /** Whether a message or frame has begun and not ended. */
  get isMidMessage(): boolean {
    return this.message !== 0 || this.frame !== undefined || this.input.length > 0;
  }

  push(chunk: Buffer): void {
    if (this.isEnded) return;
    this.input = this.input.length === 0 ? chunk : Buffer.concat([this.input, chunk]);
    this.read();
  }

  /** Nothing more is told until `release`; bytes that come meanwhile are kept. */
  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.read();
  }

  /** Only control frames are told from now on, and messages let go as they come; after some frames nothing is. */
  discard(): void {
    this.maxBytes = -1;
    this.framesLeft = maxDiscardedFrames;
    if (this.message !== 0) this.skip();
  }

  /** Nothing more is told, and nothing kept. */
  end(): void {
    this.isEnded = true;
    this.input = noBytes;
    this.body = noBytes;
  }

  private read(): void {
    if (this.isReading) return;
    this.isReading = true;
    while (!this.isHeld && !this.isEnded) {
      this.frame ??= this.readHeader();
      if (this.frame === undefined || !this.readPayload(this.frame)) break;
    }
    this.isReading = false;
  }

  /** @returns undefined where it is not there yet, or wrong. */
  private readHeader(): Frame | undefined {
    const { input } = this;
    const [first, second] = input;
    if (first === undefined) return undefined;
    const code = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    const wrong = this.firstByteError(code, isFinal, first);
    if (wrong !== undefined) {
      this.fail(protocolCode.protocolError, wrong);
      return undefined;
    }
    if (second === undefined) return undefined;
    if ((second & 0x80) === 0) {
      this.fail(protocolCode.protocolError, 'A frame is not masked.');
      return undefined;
    }
    const short = second & 0x7f;
    if (code >= opcode.close && short > 125) {
      this.fail(protocolCode.protocolError, 'A control frame is longer than 125 bytes.');
      return undefined;
    }
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (input.length < start) return undefined;
    const length = short < 126 ? short : short === 126 ? input.readUInt16BE(2) : lengthOf64(input);
    if (length === undefined || (start === 4 && length < 126) || (start === 10 && length < 65_536)) {
      this.fail(protocolCode.protocolError, 'The length of a frame is not written as it must be.');
      return undefined;
    }
    if (input.length < start + 4) return undefined;
    const frame = { code, isFinal, length, mask: input.readUInt32BE(start), read: 0 };
    this.input = input.subarray(start + 4);
    this.framesLeft -= 1;
    if (this.framesLeft < 0) {
      this.end();
      return undefined;
    }
    if (code < opcode.close && !this.beginFragment(frame, (first & 0x40) !== 0)) return undefined;
    return frame;
  }

  private firstByteError(code: number, isFinal: boolean, first: number): string | undefined {
    if ((first & 0x30) !== 0) return 'A reserved bit is set.';
    const isKnown = code <= opcode.binary || (code >= opcode.close && code <= opcode.pong);
    if (!isKnown) return `There is no opcode ${code}.`;
    if ((first & 0x40) !== 0 && (!this.isDeflating || code === opcode.continuation || code >= opcode.close)) {
      return 'The bit of compression is set where it must not be.';
    }
    if (code >= opcode.close) return isFinal ? undefined : 'A control frame is fragmented.';
    if (code === opcode.continuation) {
      return this.message === 0 ? 'A frame continues no message.' : undefined;
    }
    return this.message === 0 ? undefined : 'A message begins within another one.';
  }

  /** @returns whether to go on. */
  private beginFragment(frame: Frame, isCompressed: boolean): boolean {
    if (frame.code !== opcode.continuation) {
      this.message = frame.code;
      this.isCompressed = isCompressed;
      this.fragments = 0;
    }
    this.fragments += 1;
    if (
      !this.isSkipping &&
      this.fragments > this.maxFragments + Math.floor(this.bodyLength / bytesPerFragment)
    ) {
      this.fail(protocolCode.policyViolation, `A message has more than ${this.maxFragments} fragments.`);
      return false;
    }
    if (!this.isSkipping && this.bodyLength + frame.length > this.maxBytes) {
      this.skip();
      this.handler.tooLong();
    }
    // It may have been ended there.
    return !this.isEnded;
  }

  private skip(): void {
    this.isSkipping = true;
    this.body = noBytes;
    this.bodyLength = 0;
    this.text.reset();
  }

  /** @returns false where more has to come. */
  private readPayload(frame: Frame): boolean {
    const { input } = this;
    const bytes = input.subarray(0, frame.length - frame.read);
    this.input = input.length === bytes.length ? noBytes : input.subarray(bytes.length);
    const isWhole = frame.read + bytes.length === frame.length;
    if (frame.code >= opcode.close) {
      unmask(bytes, frame.mask, frame.read);
      this.control.set(bytes, frame.read);
      frame.read += bytes.length;
      if (isWhole) this.finishControl(frame);
      return isWhole;
    }
    if (!this.isSkipping) {
      unmask(bytes, frame.mask, frame.read);
      if (isWhole && frame.isFinal && this.bodyLength === 0) {
        this.frame = undefined;
        this.finishMessage(bytes);
        return true;
      }
      if (!this.keep(bytes)) return false;
    }
    frame.read += bytes.length;
    if (!isWhole) return false;
    this.frame = undefined;
    if (frame.isFinal) this.finishMessage(this.body.subarray(0, this.bodyLength));
    return true;
  }

  /** @returns false for a text that is none. */
  private keep(bytes: Buffer): boolean {
    const wanted = this.bodyLength + bytes.length;
    if (wanted > this.body.length) {
      const room = Buffer.allocUnsafe(
        Math.min(this.maxBytes, Math.max(wanted, firstRoomBytes, this.body.length * 2)),
      );
      room.set(this.body.subarray(0, this.bodyLength));
      this.body = room;
    }
    this.body.set(bytes, this.bodyLength);
    this.bodyLength = wanted;
    if (this.message !== opcode.text || this.isCompressed || this.text.push(bytes)) return true;
    this.failText();
    return false;
  }

  /** @param body of all its fragments. */
  private finishMessage(body: Buffer): void {
    const { isSkipping, message, isCompressed } = this;
    const isText = message === opcode.text;
    // What has come in pieces was looked at as it came.
    const isChecked = this.bodyLength > 0;
    const isComplete = this.text.isComplete;
    this.message = 0;
    this.isSkipping = false;
    this.body = noBytes;
    this.bodyLength = 0;
    this.text.reset();
    if (isSkipping) {
      this.handler.skipped();
      return;
    }
    const data = isCompressed ? this.inflated(body) : body;
    if (data === undefined) return;
    const isGood = !isText || (isChecked && !isCompressed ? isComplete : isUtf8(data));
    if (isGood) this.handler.message(data, isText);
    else this.failText();
  }

  /** Not skipped as others that are too long: to find out takes as much as to unpack it. */
  private inflated(body: Buffer): Buffer | undefined {
    try {
      const data = inflate(body, this.maxBytes);
      if (data !== undefined) return data;
      this.fail(protocolCode.tooBig, `A compressed message holds more than ${this.maxBytes} bytes.`);
      return undefined;
    } catch {
      this.fail(protocolCode.badText, 'A message cannot be decompressed.');
      return undefined;
    }
  }

  private finishControl({ code, length }: Frame): void {
    this.frame = undefined;
    // A copy: what it is handed to keeps it until it is sent.
    const payload = Buffer.from(this.control.subarray(0, length));
    if (code === opcode.ping) this.handler.ping(payload);
    else if (code === opcode.pong) this.handler.pong();
    else this.finishClose(payload);
  }

  private finishClose(payload: Buffer): void {
    const isBare = payload.length === 0;
    const code = isBare ? protocolCode.none : payload.length === 1 ? 0 : payload.readUInt16BE();
    if (!isBare && !isCloseCode(code)) {
      this.fail(protocolCode.protocolError, 'There is no such close code.');
    } else if (payload.length > 2 && !isUtf8(payload.subarray(2))) {
      this.failText();
    } else {
      this.end();
      this.handler.close(code, payload.toString('utf8', 2));
    }
  }

  private failText(): void {
    this.fail(protocolCode.badText, 'A text is not UTF-8.');
  }

  private fail(code: number, reason: string): void {
    this.end();
    this.handler.failed(code, reason);
  }
}

/** @returns undefined where it is more than can be told from other numbers, or a sign is set. */
function lengthOf64(input: Buffer): number | undefined {
  const length = input.readUInt32BE(2) * 2 ** 32 + input.readUInt32BE(6);
  return length > Number.MAX_SAFE_INTEGER ? undefined : length;
}
