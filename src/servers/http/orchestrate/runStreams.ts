import type { ServerResponse } from 'node:http';
import { type Disposable, toDisposable } from '../../../base/disposable.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { isLastRunEvent } from '../../../core/orchestratorAccess.ts';
import { isRunEnded, type Run } from '../../../core/runs/run.ts';
import { keepAliveEvent, keepAliveStoppedEvent } from '../../../protocol/orchestrate.ts';
import type { Access } from '../../access/access.ts';
import type { Caller } from '../../access/caller.ts';
import { patientPlaces } from '../../daemon/stream/frameReader.ts';
import type { OutputPlaces } from '../../daemon/stream/outputText.ts';
import type { CallerUse } from '../callerLimits.ts';
import type { EventStreamLimits } from '../events/eventStream.ts';
import type { Place } from '../events/place.ts';
import { noticeFrame, RunFrames } from './runFrames.ts';
import { SseWriter } from './sseWriter.ts';

/** What of an orchestrator stands behind `/orchestrate`. */
export type RunSource = Pick<Orchestrator, 'events' | 'runs' | 'terminals' | 'tasks' | 'containers'>;

export interface RunStreamsOptions {
  readonly source: RunSource;
  readonly access: Pick<Access, 'watch'>;
  readonly use: CallerUse;
  readonly limits: EventStreamLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: Logger;
}

export interface RunStreamOptions {
  readonly run: Run;
  readonly caller: Caller;
  /** From `reserve`; given back at the end of the stream. */
  readonly place: Disposable;
  readonly outgoing: ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  /** What is behind it was sent already; all of the run's events when missing. */
  readonly after?: Place | undefined;
  /** The run is aborted where the client goes before its end. */
  readonly cancelsOnDisconnect: boolean;
}

/** Pages of a run's events that are passed by, between two turns of the event loop. */
const pageSize = 256;

/** The event streams of runs: contract 004, section 2, over the log. */
export class RunStreams {
  private readonly options: RunStreamsOptions;
  private readonly places: OutputPlaces;
  private readonly open = new Set<SseWriter>();
  private isStopping = false;

  constructor(options: RunStreamsOptions) {
    this.options = options;
    const { source, logger } = options;
    this.places = patientPlaces(source, (error) => logger.warn('Output could not be read', error));
  }

  /** Whether everything of an ended run lies before this place. Error: `invalid_request` beyond the log. */
  isAllBehind(run: Run, after: Place): boolean {
    const { events } = this.options.source;
    events.checkCursor(after.seq);
    if (!isRunEnded(run) || after.part !== undefined) return false;
    return events.read({ after: after.seq, limit: 1, runId: run.id }).length === 0;
  }

  /** A place for one more stream, before anything is begun that it shall tell of. Error: `invalid_request` (429). */
  reserve({ name }: Caller): Disposable {
    return toDisposable(this.options.use.beginStream(name, this.options.now()));
  }

  /** Answers with the run's events, from the first on or behind a place, then as they come, up to its last one. */
  start({ run, caller, place, outgoing, headers, after, cancelsOnDisconnect }: RunStreamOptions): void {
    const { access, limits } = this.options;
    const writer = new SseWriter(outgoing, limits, headers);
    this.open.add(writer);
    const resources: Disposable[] = [
      place,
      toDisposable(() => this.open.delete(writer)),
      access.watch(caller, () => writer.end()),
      this.keepAlive(writer),
    ];
    void this.pump(writer, run, after ?? { seq: 0 }).then((isComplete) => {
      for (const resource of resources) resource.dispose();
      if (!isComplete && cancelsOnDisconnect) this.abandon(run.id);
    });
  }

  /** Its client is gone: aborts the run, unless it is the server that goes. */
  abandon(id: string): void {
    if (this.isStopping) return;
    const { source, logger } = this.options;
    source.runs.abort(id).catch((error: unknown) => {
      if (OrchestratorError.is(error, 'run_not_active') || OrchestratorError.is(error, 'run_not_found'))
        return;
      logger.error(`The run ${id} could not be aborted`, error);
    });
  }

  /** The server goes: whoever listens comes back with the id of its last event. */
  endAll(): void {
    this.isStopping = true;
    for (const writer of [...this.open]) writer.end();
  }

  /** @returns whether the client was sent all of it. */
  private async pump(writer: SseWriter, run: Run, after: Place): Promise<boolean> {
    const { source, logger } = this.options;
    try {
      for await (const frames of this.framesBehind(run.id, after, writer.ended)) {
        writer.put(frames);
        if (!writer.hasRoom) await writer.room();
      }
      if (writer.ended.aborted || !isRunEnded(source.runs.find(run.id) ?? run)) {
        writer.end();
        return false;
      }
      writer.put(noticeFrame(keepAliveStoppedEvent, { ts: this.seconds() }));
      writer.end();
      return true;
    } catch (error) {
      logger.error(`The events of the run ${run.id} could not be sent`, error);
      writer.end();
      return false;
    }
  }

  private async *framesBehind(
    runId: string,
    after: Place,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, undefined> {
    const { events, runs } = this.options.source;
    const frames = new RunFrames(this.places, (id) => runs.find(id));
    // A place in the midst of an event: of that one the rest is still to come.
    const behind = after.part === undefined ? after.seq : after.seq - 1;
    for (let cursor = 0; cursor < behind && !signal.aborted; ) {
      const page = events.read({ after: cursor, limit: pageSize, runId });
      for (const event of page) if (event.sequence <= behind) frames.skip(event);
      cursor = page.length < pageSize ? behind : (page.at(-1)?.sequence ?? behind);
      if (cursor < behind) await new Promise((resolve) => setImmediate(resolve));
    }
    for await (const event of events.follow({ after: behind, runId, signal })) {
      const isSame = event.sequence === after.seq;
      yield* frames.framesOf(event, isSame ? after.part : undefined);
      if (isLastRunEvent(event)) return;
    }
  }

  /** Whatever else is sent: a client that hears nothing for longer knows that the connection is dead. */
  private keepAlive(writer: SseWriter): Disposable {
    const timer = setInterval(() => {
      if (writer.hasRoom) writer.put(noticeFrame(keepAliveEvent, { ts: this.seconds() }));
    }, this.options.limits.keepAliveMs).unref();
    return toDisposable(() => clearInterval(timer));
  }

  private seconds(): number {
    return this.options.now() / 1_000;
  }
}
