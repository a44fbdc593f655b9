import { OrchestratorError } from '../../../base/errors.ts';
import { joinBytes } from '../../../base/bytes.ts';
import type { ContainerOutput } from '../../../core/containers/containerOutput.ts';
import type { TaskManager } from '../../../core/tasks/taskManager.ts';
import type { PtyManager } from '../../../core/terminals/ptyManager.ts';
import { chunkBytes, type OutputRange } from './runFold.ts';

export interface OutputPlaces {
  readonly terminals: Pick<PtyManager, 'read'>;
  readonly tasks: Pick<TaskManager, 'readOutput'>;
  /** Where there are no containers it is missing. */
  readonly containers?: { readonly output: Pick<ContainerOutput, 'follow'> } | undefined;
}

/** A piece of a step's output that becomes one chunk. */
export interface OutputPiece {
  readonly range: OutputRange;
  readonly from: number;
  readonly to: number;
}

export interface PieceText {
  readonly text: string;
  /** Bytes of the piece that are no longer kept. */
  readonly droppedBytes: number;
}

/** A character of UTF-8 has at most so many bytes before its last one. */
const longestCarry = 3;

/**
 * The pieces of what an event added, which depend on the event alone. After the end of a step whose last bytes came
 * before, one empty piece asks for the rest of a character that was cut.
 */
export function piecesOf(range: OutputRange): readonly OutputPiece[] {
  const { from, to, start, isLast } = range;
  if (from === to) return isLast && to > start ? [{ range, from, to }] : [];
  const pieces: OutputPiece[] = [];
  for (let at = from; at < to; at += chunkBytes) {
    pieces.push({ range, from: at, to: Math.min(to, at + chunkBytes) });
  }
  return pieces;
}

/**
 * The texts of neighbouring pieces of one range, by one read. A character that is cut by a border comes with the piece
 * that holds its last byte, whoever reads and whenever.
 */
export async function readPieces(
  places: OutputPlaces,
  pieces: readonly OutputPiece[],
): Promise<readonly PieceText[]> {
  const [first] = pieces;
  const last = pieces.at(-1);
  if (first === undefined || last === undefined) return [];
  const low = Math.max(first.range.start, first.from - longestCarry);
  const { from, data } = await readBytes(places, first.range.place, low, last.to);
  return pieces.map((piece) => textOfPiece(piece, data, from));
}

function textOfPiece({ range, from, to }: OutputPiece, data: Uint8Array, offset: number): PieceText {
  const end = Math.min(to, offset + data.length);
  const begin = Math.min(Math.max(from, offset), end);
  const droppedBytes = to - from - Math.max(0, end - begin);
  if (end <= begin && droppedBytes > 0) return { text: '', droppedBytes };
  // What was cut at its beginning belongs to it, unless that was dropped.
  const low = offset > from ? 0 : carryBefore(data, from - offset);
  const isEnd = range.isLast && to === range.to;
  const high = isEnd ? 0 : carryBefore(data, end - offset);
  return {
    text: decode(data.subarray(begin - low - offset, Math.max(begin - low, end - high) - offset)),
    droppedBytes,
  };
}

/** How many bytes before `at` begin a character that goes on after it. */
export function carryBefore(data: Uint8Array, at: number): number {
  for (let length = 1; length <= longestCarry && length <= at; length += 1) {
    const byte = data[at - length] ?? 0;
    if (byte >= 0x80 && byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > length ? length : 0;
  }
  return 0;
}

/** Without a state of its own, and with a byte order mark kept where it stands: the pieces must add up. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

async function readBytes(
  { terminals, tasks, containers }: OutputPlaces,
  place: OutputRange['place'],
  from: number,
  to: number,
): Promise<{ readonly from: number; readonly data: Uint8Array }> {
  try {
    if ('terminalId' in place) {
      const answer = await terminals.read(place.terminalId, from, to);
      return { from: answer.from, data: answer.data.subarray(0, Math.max(0, to - answer.from)) };
    }
    const parts =
      'taskId' in place
        ? taskChunks(tasks, place.taskId, from, to)
        : (containers?.output.follow(place.containerId, { from }) ?? []);
    return await joined(parts, from, to);
  } catch (error) {
    if (goneReasons.some((reason) => OrchestratorError.is(error, reason)))
      return { from: to, data: new Uint8Array() };
    throw error;
  }
}

const goneReasons = [
  'terminal_not_found',
  'task_not_found',
  'container_not_found',
  'container_engine_missing',
] as const;

interface OutputPart {
  readonly offset: number;
  readonly data: Uint8Array;
}

function* taskChunks(
  tasks: OutputPlaces['tasks'],
  id: string,
  from: number,
  to: number,
): Generator<OutputPart, void, undefined> {
  for (let at = from; at < to; ) {
    const chunks = tasks.readOutput(id, at);
    if (chunks.length === 0) return;
    yield* chunks;
    const last = chunks.at(-1);
    at = last === undefined ? to : last.offset + last.data.length;
  }
}

async function joined(
  source: Iterable<OutputPart> | AsyncIterable<OutputPart>,
  from: number,
  to: number,
): Promise<{ readonly from: number; readonly data: Uint8Array }> {
  const parts: Uint8Array[] = [];
  let begin: number | undefined;
  let at = from;
  for await (const { offset, data } of source) {
    // A gap inside: what is before it is as good as dropped, so that offsets stay true.
    if (offset > at || begin === undefined) {
      parts.length = 0;
      begin = offset;
    }
    parts.push(data);
    at = offset + data.length;
    if (at >= to) break;
  }
  if (begin === undefined || begin >= to) return { from: to, data: new Uint8Array() };
  return { from: begin, data: joinBytes(parts).subarray(0, to - begin) };
}
