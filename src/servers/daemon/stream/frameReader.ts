import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { StreamFrame, StreamFrameBody } from '../../../protocol/daemon/frames.ts';
import type { EventPlan, PlannedPart } from './plannedParts.ts';
import { type OutputPlaces, readPieces } from './outputText.ts';
import type { Audience } from './subscription.ts';

/** A place in the stream: everything up to this part of this event, or all of it, is behind it. */
export interface StreamPlace {
  readonly seq: number;
  readonly part: number;
}

/** Behind the whole event. */
export const wholeEvent = Number.MAX_SAFE_INTEGER;

export interface ReadFrame {
  readonly frame: StreamFrame;
  readonly audience: Audience;
  /** About how long it is, in characters. */
  readonly size: number;
}

/** Chunks that are read at once: 256 KiB. */
const piecesAtOnce = 8;
/** What stands around the text of a frame, about. */
const frameSize = 300;

/**
 * The frames of an event after one of its parts, those alone that somebody wants; output is read in groups, so that a
 * megabyte of it is never held for an event that printed a gigabyte.
 */
export async function* readFrames(
  places: OutputPlaces,
  plan: EventPlan,
  afterPart: number,
  isWanted: (audience: Audience) => boolean,
): AsyncGenerator<readonly ReadFrame[], void, undefined> {
  const { sequence: seq, parts } = plan;
  const frameOf = (part: number, body: StreamFrameBody): StreamFrame => ({
    ...body,
    seq,
    part,
    ...(part < parts.length - 1 ? { more: true } : {}),
  });
  let ready: ReadFrame[] = [];
  for (let part = Math.max(0, afterPart + 1); part < parts.length; ) {
    const group = groupAt(parts, part);
    const first = part;
    part += group.length;
    const [planned] = group;
    if (planned === undefined || !isWanted(planned.audience)) continue;
    const { audience } = planned;
    if (planned.kind === 'frame') {
      const body = planned.body();
      if (body !== undefined) ready.push({ frame: frameOf(first, body), audience, size: sizeOf(body) });
    } else if (planned.kind === 'result') {
      const [tail] = planned.tail === undefined ? [] : await readPieces(places, [planned.tail]);
      const body = planned.body(tail?.text ?? '');
      ready.push({ frame: frameOf(first, body), audience, size: sizeOf(body) + (tail?.text.length ?? 0) });
    } else {
      const outputs = group.filter((candidate) => candidate.kind === 'output');
      const texts = await readPieces(
        places,
        outputs.map(({ piece }) => piece),
      );
      for (const [index, { piece, chunk }] of outputs.entries()) {
        const { text = '', droppedBytes = 0 } = texts[index] ?? {};
        // The rest of a character that was cut: mostly there is none.
        if (piece.from === piece.to && text === '') continue;
        const metadata = droppedBytes === 0 ? chunk.metadata : { ...chunk.metadata, droppedBytes };
        const body = { type: 'stream_chunk', data: { ...chunk, chunk: text, metadata } } as const;
        ready.push({ frame: frameOf(first + index, body), audience, size: frameSize + text.length });
      }
      if (part < parts.length) {
        yield ready;
        ready = [];
      }
    }
  }
  if (ready.length > 0) yield ready;
}

/** Pieces of output that stand together, or the one part there. */
function groupAt(parts: readonly PlannedPart[], at: number): readonly PlannedPart[] {
  let end = at + 1;
  if (parts[at]?.kind === 'output') {
    while (end < parts.length && end - at < piecesAtOnce && parts[end]?.kind === 'output') end += 1;
  }
  return parts.slice(at, end);
}

function sizeOf(body: StreamFrameBody): number {
  return body.type === 'stream_chunk' ? frameSize + body.data.chunk.length : 4 * frameSize;
}

/** Retries of reading what the process host has, which may be away for a moment. */
const attempts = 3;
const retryMs = 200;

/** Where output is read, for the stream: what cannot be read in the end counts as dropped, and nobody waits for ever. */
export function patientPlaces(
  { terminals, tasks, containers }: Pick<Orchestrator, 'terminals' | 'tasks' | 'containers'>,
  onFailure: (error: unknown) => void,
): OutputPlaces {
  return {
    tasks,
    containers,
    terminals: {
      read: async (id, from, to) => {
        for (let attempt = 1; ; attempt += 1) {
          try {
            return await terminals.read(id, from, to);
          } catch (error) {
            // Without its terminal, asking again changes nothing.
            if (terminals.find(id) === undefined) throw error;
            if (attempt === attempts) {
              onFailure(error);
              return { from: to, data: new Uint8Array(), end: to };
            }
            await new Promise((resolve) => setTimeout(resolve, retryMs));
          }
        }
      },
    },
  };
}
