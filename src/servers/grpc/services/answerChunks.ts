import type { ChatChunk } from '../../../core/agents/chat.ts';
import type { ResponseChunk } from '../../../protocol/gen/gateway/v1/gateway.ts';
import { dateOf } from './values.ts';

export interface ChunkOptions {
  /** Bytes of one chunk at most; 0 sends each text as it comes. No chunk breaks a character. */
  readonly chunkSize: number;
  readonly newId: () => string;
  readonly now: () => number;
}

/** A text that is there already: the last chunk has the end of it. */
export function* textChunks(
  text: string,
  extra: Readonly<Record<string, string>>,
  options: ChunkOptions,
): Generator<ResponseChunk, void, undefined> {
  const pieces = splitText(Buffer.from(text), options.chunkSize);
  for (const [sequence, piece] of pieces.entries()) {
    const isFinal = sequence === pieces.length - 1;
    yield chunk(piece, sequence, extra, options, { isDelta: pieces.length > 1, isFinal });
  }
}

/** A text that comes piece by piece: a last chunk without text tells that it has ended. */
export async function* liveChunks(
  texts: AsyncIterable<string>,
  extra: Readonly<Record<string, string>>,
  options: ChunkOptions,
): AsyncGenerator<ResponseChunk, void, undefined> {
  let sequence = 0;
  for await (const text of texts) {
    for (const piece of splitText(Buffer.from(text), options.chunkSize)) {
      yield chunk(piece, sequence++, extra, options, { isDelta: true });
    }
  }
  yield chunk(Buffer.alloc(0), sequence, extra, options, { isDelta: true, isFinal: true });
}

/**
 * What is answered right now: each text goes out when it comes, and a last chunk without text says how it ended. What an
 * assistant answers comes whole, so that its last chunk is known.
 */
export async function* chatChunks(
  chat: AsyncIterable<ChatChunk>,
  options: ChunkOptions,
): AsyncGenerator<ResponseChunk, void, undefined> {
  let extra: Record<string, string> = {};
  let isRun = false;
  let sequence = 0;
  for await (const part of chat) {
    switch (part.kind) {
      case 'accepted':
        isRun = part.runId !== undefined;
        extra = { reply_to: part.message.id, ...(part.runId === undefined ? {} : { run_id: part.runId }) };
        break;
      case 'text':
        if (!isRun) {
          yield* textChunks(part.text, extra, options);
          break;
        }
        for (const piece of splitText(Buffer.from(part.text), options.chunkSize)) {
          yield chunk(piece, sequence++, extra, options, { isDelta: true });
        }
        break;
      case 'end': {
        if (!isRun) break;
        const { outcome, answer } = part;
        const ending = { ...extra, outcome, ...(answer === undefined ? {} : { message_id: answer.id }) };
        yield chunk(Buffer.alloc(0), sequence, ending, options, { isDelta: true, isFinal: true });
        break;
      }
    }
  }
}

function chunk(
  data: Buffer,
  sequence: number,
  extra: Readonly<Record<string, string>>,
  { newId, now }: ChunkOptions,
  { isDelta, isFinal = false }: { readonly isDelta: boolean; readonly isFinal?: boolean },
): ResponseChunk {
  return {
    chunkId: newId(),
    sequence,
    data,
    text: data.toString(),
    isDelta,
    isFinal,
    metadata: {
      timestamp: dateOf(now()),
      contentType: 'text/plain',
      totalBytes: 0n,
      progress: isFinal ? 1 : 0,
      extra: { ...extra },
    },
  };
}

/** Pieces of at most so many bytes that end between characters; a longer character makes a longer piece. 0: one. */
export function splitText(data: Buffer, size: number): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  while (size > 0 && data.length - from > size) {
    let to = from + size;
    while (to > from && isContinuation(data[to])) to -= 1;
    if (to === from) {
      to = from + size;
      while (isContinuation(data[to])) to += 1;
    }
    pieces.push(data.subarray(from, to));
    from = to;
  }
  pieces.push(data.subarray(from));
  return pieces;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
