import { OrchestratorError } from '../../base/errors.ts';
import type { AnswerFrame, StreamFrame } from '../../protocol/daemon/frames.ts';

/** Anything that the daemon sends. Frames of the stream have a `part` beside their `seq`. */
export type DaemonFrame = (AnswerFrame & { readonly seq: number }) | StreamFrame;

type OfType<F, T> = F extends { readonly type: infer U } ? (T extends U ? F : never) : never;

/** The frame of a type; an answer, where the stream has frames of that type too. */
export type AnswerOf<T extends AnswerFrame['type']> = OfType<AnswerFrame, T>;
/** Any frame of a type. */
export type FrameOf<T extends DaemonFrame['type']> = OfType<AnswerFrame | StreamFrame, T>;

/** Whether it is of the stream, and so has a place in the log; an answer may name a place and has none. */
export function isStreamFrame(frame: DaemonFrame): frame is StreamFrame {
  return 'part' in frame && frame.type !== 'resumed';
}

/** How frames stand on the wire. */
export interface FrameCodec {
  encode(message: object): string | Uint8Array;
  /** Error: `protocol_violation`. */
  decode(data: unknown): DaemonFrame;
}

export const jsonCodec: FrameCodec = {
  encode: (message) => JSON.stringify(message),
  decode: (data) => {
    if (typeof data !== 'string') throw unreadable('a binary message where text was agreed on');
    return checked(JSON.parse(data));
  },
};

/** CBOR is a kilobyte or two that most clients never need. */
export async function loadCborCodec(): Promise<FrameCodec> {
  const { decode, encode } = await import('cborg');
  return {
    encode: (message) => encode(message, { ignoreUndefinedProperties: true }),
    decode: (data) => {
      if (!(data instanceof ArrayBuffer)) throw unreadable('a text message where CBOR was agreed on');
      return checked(decode(new Uint8Array(data)));
    },
  };
}

/** The daemon is trusted to keep its contract; only what would break us here is looked at. */
function checked(value: unknown): DaemonFrame {
  if (typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string') {
    return value as DaemonFrame;
  }
  throw unreadable('a message without a type');
}

function unreadable(what: string): OrchestratorError {
  return new OrchestratorError('INTERNAL', 'protocol_violation', `The daemon sent ${what}.`);
}
