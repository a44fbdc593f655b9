import { OrchestratorError } from '../../base/errors.ts';
import type { MessageType } from '../../protocol/rpc.ts';

/** In front of each message: a byte that tells of compression, and the length in four bytes. */
const prefixBytes = 5;

/**
 * Messages in the form in which they go over the wire. Encoded once, they may be given to any number of streams, and
 * many of them go out in one write.
 */
export class EncodedMessages<O> {
  /** Only for the type: which message these are. */
  declare readonly message: O;
  readonly frames: Uint8Array;
  /** Length of the longest message, in bytes. */
  readonly longest: number;

  constructor(frames: Uint8Array, longest: number) {
    this.frames = frames;
    this.longest = longest;
  }
}

export function encodeMessage<O>(type: MessageType<O>, message: O): EncodedMessages<O> {
  const body = type.encode(message).finish();
  const frame = Buffer.allocUnsafe(prefixBytes + body.length);
  frame[0] = 0;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, prefixBytes);
  return new EncodedMessages<O>(frame, body.length);
}

export function joinMessages<O>(parts: readonly EncodedMessages<O>[]): EncodedMessages<O> {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const longest = parts.reduce((most, part) => Math.max(most, part.longest), 0);
  return new EncodedMessages<O>(Buffer.concat(parts.map((part) => part.frames)), longest);
}

/** Error: RESOURCE_EXHAUSTED where a message is longer than `maxBytes`. */
export function checkSize({ longest }: EncodedMessages<unknown>, maxBytes: number): void {
  if (longest <= maxBytes) return;
  throw new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'invalid_request',
    `Sent message larger than max (${longest} vs. ${maxBytes})`,
  );
}
