import type { OrchestratorEvent } from '../../../core/events/event.ts';
import { isRunEnded, type Run } from '../../../core/runs/run.ts';
import { resultFromState } from '../../../core/runs/runResult.ts';
import { cleanEventName } from '../../../protocol/orchestrate.ts';
import { type OutputPiece, type OutputPlaces, piecesOf, readPieces } from '../../daemon/stream/outputText.ts';
import { type OutputPlace, reduceRunFacts, type RunFacts } from '../../daemon/stream/runFold.ts';
import { type Place, placeText } from '../events/place.ts';

/** Pieces that are read at once: 256 KiB. */
const piecesAtOnce = 8;

/** Frames of events that are the same for whoever reads them: the newest events are the same objects for all. */
const written = new WeakMap<OrchestratorEvent, string>();

/**
 * The frames of one run's events, in their order: each event as it stands in the log, and what it printed as text. The
 * frames of an event are numbered: a frame's id is its event's sequence and its number (`12.0`), but that of its last
 * frame the sequence alone, so that "all of 12 was seen" is one number. They depend on the log and the records alone.
 */
export class RunFrames {
  private readonly places: OutputPlaces;
  private readonly find: (id: string) => Run | undefined;
  private facts: RunFacts | undefined;

  /** @param find the run, for its request. */
  constructor(places: OutputPlaces, find: (id: string) => Run | undefined) {
    this.places = places;
    this.find = find;
  }

  /** Passes an event by that was sent already. */
  skip(event: OrchestratorEvent): void {
    this.facts = reduceRunFacts(this.facts, event, this.find);
  }

  /** The next event's frames as they go over the wire, several at once. @param afterPart leaves out those up to it */
  async *framesOf(event: OrchestratorEvent, afterPart = -1): AsyncGenerator<string, void, undefined> {
    this.skip(event);
    const added = this.facts?.added;
    if (added !== undefined) {
      yield* this.outputFrames(event, added.place, piecesOf(added), afterPart);
      // What the end of a step says besides its output comes after it.
      if (event.type !== 'runner.step.execution.completed') return;
    }
    if (event.type === 'response.failed') {
      const result = this.resultOfFailed();
      if (result !== undefined && afterPart < 0) {
        yield frameText({ seq: event.sequence, part: 0 }, 'response', result);
      }
    }
    yield isOutput(event.type) ? emptyOutputFrame(event) : plainFrame(event);
  }

  private async *outputFrames(
    event: OrchestratorEvent,
    place: OutputPlace,
    pieces: readonly OutputPiece[],
    afterPart: number,
  ): AsyncGenerator<string, void, undefined> {
    const isEndOfStep = event.type === 'runner.step.execution.completed';
    const name = isEndOfStep ? nameOf(place) : event.type;
    const last = isEndOfStep ? undefined : pieces.length - 1;
    for (let at = afterPart + 1; at < pieces.length; at += piecesAtOnce) {
      const group = pieces.slice(at, at + piecesAtOnce);
      const texts = await readPieces(this.places, group);
      let frames = '';
      for (const [index, { range, from, to }] of group.entries()) {
        const { text = '', droppedBytes = 0 } = texts[index] ?? {};
        const part = at + index;
        // The rest of a character that was cut: mostly there is none.
        if (from === to && text === '') continue;
        const data = {
          ...(isEndOfStep
            ? { step: range.step, ...idOf(place), from: range.start, to: range.to }
            : event.data),
          offset: from,
          text,
          ...(droppedBytes === 0 ? {} : { dropped_bytes: droppedBytes }),
        };
        frames += frameText({ seq: event.sequence, part: part === last ? undefined : part }, name, data);
      }
      if (frames !== '') yield frames;
    }
  }

  /** Seed 004 has a result before `response.failed` too; what the run's steps amount to is one. */
  private resultOfFailed(): object | undefined {
    const run = this.facts?.run;
    if (run === undefined || run.result !== undefined || !isRunEnded(run)) return undefined;
    return resultFromState(run, 'failed');
  }
}

/** A frame without an id: what the server says of itself is no place to resume at. */
export function noticeFrame(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function isOutput(type: string): boolean {
  return type === 'runner.step.output' || type === 'runner.task.output' || type === 'runner.container.output';
}

/** It tells where the output will stand, before there is any. */
function emptyOutputFrame({ sequence, type, data }: OrchestratorEvent): string {
  return frameText({ seq: sequence }, type, { ...data, offset: data['to'], text: '' });
}

function plainFrame(event: OrchestratorEvent): string {
  let frame = written.get(event);
  if (frame === undefined) {
    frame = frameText({ seq: event.sequence }, event.type, event.data);
    written.set(event, frame);
  }
  return frame;
}

function frameText(place: Place, name: string, data: object): string {
  return `id: ${placeText(place)}\nevent: ${cleanEventName(name)}\ndata: ${JSON.stringify(data)}\n\n`;
}

function nameOf(place: OutputPlace): string {
  if ('terminalId' in place) return 'runner.step.output';
  return 'taskId' in place ? 'runner.task.output' : 'runner.container.output';
}

function idOf(place: OutputPlace): Readonly<Record<string, string>> {
  if ('terminalId' in place) return { terminal_id: place.terminalId };
  return 'taskId' in place ? { task_id: place.taskId } : { container_id: place.containerId };
}
