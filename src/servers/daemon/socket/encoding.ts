/** What a message may be made of: see `SocketLimits`. */
export interface MessageBounds {
  readonly maxDepth: number;
  readonly maxValues: number;
}

/** How a frame of the daemon is written as a message. */
export interface Encoding {
  readonly isText: boolean;
  encode(frame: object): Uint8Array;
  /** @throws Error for what is none of it, or over the bounds. */
  decode(message: Buffer, bounds: MessageBounds): unknown;
}

export function tooMuch({ maxDepth, maxValues }: MessageBounds): RangeError {
  return new RangeError(`A message may have ${maxValues} values, and be ${maxDepth} deep.`);
}
