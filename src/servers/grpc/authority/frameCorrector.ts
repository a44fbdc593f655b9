import { correctAuthority } from './headerBlock.ts';

const headerBytes = 9;
const priorityBytes = 5;
/** Of a payload: what nghttp2 takes, as Node does not offer more. */
const maxPayloadBytes = 16_384;
/** Of a header block with its frames. Node takes no more of a block either. */
const maxBlockBytes = 65_536;

const frameType = { headers: 1, settings: 4, ping: 6, continuation: 9 } as const;
const flag = { ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** What is known of a connection. After `ping` it waits for an answer, though it has requested nothing. */
export type Finding = 'nothing' | 'ping' | 'legal' | 'corrected';

/** A header block of which frames are still to come. */
interface OpenBlock {
  /** As they were, together. */
  readonly frames: Buffer[];
  readonly head: HeadersFrame;
  readonly fragments: Buffer[];
  bytes: number;
}

interface HeadersFrame {
  readonly flags: number;
  readonly stream: number;
  /** Empty, or as the frame has it. */
  readonly priority: Buffer;
  readonly fragment: Buffer;
}

const nothing: Buffer = Buffer.alloc(0);

/**
 * Reads what an HTTP/2 client sends after the preface, and corrects the `:authority` of its requests (see
 * `correctAuthority`). All else passes as it is, without waiting for the end of its frame. What breaks the rules of
 * HTTP/2 ends the reading: everything passes from there on, for nghttp2 to judge.
 */
export class FrameCorrector {
  private found: Finding = 'nothing';
  private acksToTake = 0;
  /** The beginning of a frame that must be whole to be read. */
  private begun: Buffer = nothing;
  /** Bytes of the frame under way that pass unread. */
  private passing = 0;
  private block: OpenBlock | undefined;
  private hasGivenUp = false;

  get finding(): Finding {
    return this.found;
  }

  /** Whether what comes next needs no reading. */
  get isDone(): boolean {
    return this.hasGivenUp || (this.found === 'legal' && this.acksToTake === 0 && this.block === undefined);
  }

  /** The next acknowledgement of SETTINGS is not for who reads behind this, and is taken out. */
  takeAck(): void {
    this.acksToTake += 1;
  }

  /** @returns what is complete so far, corrected. */
  push(chunk: Buffer): Buffer {
    if (this.hasGivenUp) return chunk;
    const data = this.begun.length === 0 ? chunk : Buffer.concat([this.begun, chunk]);
    const out: Buffer[] = [];
    this.begun = data.subarray(this.readFrames(data, out));
    return out.length === 1 ? (out[0] ?? nothing) : Buffer.concat(out);
  }

  /** What it holds of incomplete frames, as it came. Only for who reads on without it. */
  takeRest(): Buffer {
    const rest = Buffer.concat([...(this.block?.frames ?? []), this.begun]);
    this.block = undefined;
    this.begun = nothing;
    return rest;
  }

  /** @returns how far it came. */
  private readFrames(data: Buffer, out: Buffer[]): number {
    let at = 0;
    for (;;) {
      if (this.passing > 0) {
        const passed = data.subarray(at, at + this.passing);
        out.push(passed);
        at += passed.length;
        this.passing -= passed.length;
      }
      if (data.length - at < headerBytes) return at;
      const payloadBytes = data.readUIntBE(at, 3);
      const end = at + headerBytes + payloadBytes;
      if (!this.mustRead(data.readUInt8(at + 3), data.readUInt8(at + 4))) {
        this.passing = end - at;
      } else if (payloadBytes <= maxPayloadBytes && data.length < end) {
        return at;
      } else if (payloadBytes > maxPayloadBytes || !this.read(data.subarray(at, end), out)) {
        this.hasGivenUp = true;
        out.push(...(this.block?.frames ?? []), data.subarray(at));
        this.block = undefined;
        return data.length;
      } else {
        at = end;
      }
    }
  }

  private mustRead(type: number, flags: number): boolean {
    if (type === frameType.ping && this.found === 'nothing') this.found = 'ping';
    const isAck = type === frameType.settings && (flags & flag.ack) !== 0;
    const isHeaders = type === frameType.headers || type === frameType.continuation;
    // Nothing may come between the frames of a block.
    return isHeaders || this.block !== undefined || (isAck && this.acksToTake > 0);
  }

  /** @returns false where the frame may not stand here. */
  private read(frame: Buffer, out: Buffer[]): boolean {
    const type = frame.readUInt8(3);
    if (type === frameType.settings && this.block === undefined) {
      this.acksToTake -= 1;
      return true;
    }
    const block = type === frameType.headers ? this.openBlock(frame) : this.continueBlock(frame, type);
    if (block === undefined) return false;
    if ((frame.readUInt8(4) & flag.endHeaders) === 0) {
      this.block = block;
    } else {
      this.block = undefined;
      out.push(...this.corrected(block));
    }
    return true;
  }

  private openBlock(frame: Buffer): OpenBlock | undefined {
    const head = readHeaders(frame);
    if (head === undefined || this.block !== undefined) return undefined;
    return { frames: [frame], head, fragments: [head.fragment], bytes: frame.length };
  }

  private continueBlock(frame: Buffer, type: number): OpenBlock | undefined {
    const { block } = this;
    if (block === undefined || type !== frameType.continuation) return undefined;
    if (block.head.stream !== frame.readUInt32BE(5)) return undefined;
    if (block.bytes + frame.length > maxBlockBytes) return undefined;
    block.frames.push(frame);
    block.fragments.push(frame.subarray(headerBytes));
    block.bytes += frame.length;
    return block;
  }

  private corrected({ frames, head, fragments }: OpenBlock): Buffer[] {
    const corrected = correctAuthority(Buffer.concat(fragments));
    if (corrected !== undefined) this.found = 'corrected';
    else if (this.found === 'nothing') this.found = 'legal';
    return corrected === undefined ? frames : framesOf(head, corrected);
  }
}

/** @returns what a HEADERS frame says, or undefined where it contradicts itself. */
function readHeaders(frame: Buffer): HeadersFrame | undefined {
  const flags = frame.readUInt8(4);
  const isPadded = (flags & flag.padded) !== 0;
  const priorityFrom = headerBytes + (isPadded ? 1 : 0);
  const from = priorityFrom + ((flags & flag.priority) === 0 ? 0 : priorityBytes);
  const to = frame.length - (isPadded ? (frame[headerBytes] ?? 0) : 0);
  if (from > to) return undefined;
  return {
    flags,
    stream: frame.readUInt32BE(5),
    priority: frame.subarray(priorityFrom, from),
    fragment: frame.subarray(from, to),
  };
}

/** The frames of a header block, with no padding: its length has changed, and may now need one frame more. */
function framesOf({ flags, stream, priority }: HeadersFrame, block: Buffer): Buffer[] {
  const payload = Buffer.concat([priority, block]);
  const frames: Buffer[] = [];
  for (let at = 0; at < payload.length; at += maxPayloadBytes) {
    const part = payload.subarray(at, at + maxPayloadBytes);
    const isLast = at + maxPayloadBytes >= payload.length;
    const kept = at === 0 ? flags & ~(flag.padded | flag.endHeaders) : 0;
    const header = Buffer.alloc(headerBytes);
    header.writeUIntBE(part.length, 0, 3);
    header.writeUInt8(at === 0 ? frameType.headers : frameType.continuation, 3);
    header.writeUInt8(kept | (isLast ? flag.endHeaders : 0), 4);
    header.writeUInt32BE(stream, 5);
    frames.push(header, part);
  }
  return frames;
}
