import type { EventLog } from '../../core/events/eventLog.ts';
import { reduceRun } from '../../core/runs/reducer.ts';
import type { Run } from '../../core/runs/run.ts';
import type { HostMessage } from '../../protocol/runPanel.ts';
import { emptyDigest, foldDigest } from '../../protocol/story/digest.ts';
import type { StoryDigest } from '../../protocol/story/digest.ts';
import type { StoryEvent } from '../../protocol/story/story.ts';
import { toStoryEvent } from './storyEvent.ts';

/** A run as it was. */
export interface PastRun {
  readonly run: Run;
  /** After so many of its events. */
  readonly at: number;
  /** When: milliseconds since the epoch. */
  readonly time: number;
}

export interface RunStoryOptions {
  /** As it is now: what it was asked for does not change. */
  readonly run: Run;
  readonly read: EventLog['read'];
  /** Resolves with whether the page took it. */
  readonly post: (message: HostMessage) => Promise<boolean>;
  /** The run as it was after the event that is looked at; undefined for as it is. */
  readonly postRun: (past: PastRun | undefined) => void;
}

/** Events that a page gets at first, and when it asks for others. */
export const windowEvents = 2_000;
const pageSize = 500;

/** What is known at the end of each page of the run's events, so that any of them can be gone back to. */
interface Checkpoint {
  /** How many events come before the page. */
  readonly count: number;
  /** Of the last event before the page. */
  readonly sequence: number;
  /** Of that event. */
  readonly time: number;
  readonly run: Run;
  readonly digest: StoryDigest;
}

/** Where the page looks: at the newest events; from one of them on; or at the run as it was after one. */
type Look = { readonly from?: number; readonly at?: number };

/**
 * The events of one run for its panel. What was before and what comes are read from the log the same way, so an old run
 * looks as it did. The page holds a window of them and asks for others; here only checkpoints are kept, one for 500
 * events. Each portion is sent after the page has taken the one before.
 */
export class RunStory {
  private readonly options: RunStoryOptions;
  private readonly checkpoints: Checkpoint[];
  /** After the newest event that was read. */
  private head: Checkpoint;
  private look: Look = {};
  private hasLookChanged = true;
  /** Ordinal of the last event that the page has. */
  private sentTo = 0;
  private isWanted = false;
  private isStopped = false;
  private pumping: Promise<void> | undefined;

  constructor(options: RunStoryOptions) {
    this.options = options;
    this.head = {
      count: 0,
      sequence: 0,
      time: options.run.createdAt,
      run: atBeginning(options.run),
      digest: emptyDigest,
    };
    this.checkpoints = [this.head];
  }

  /** There may be more; what is asked for while it reads is read next. */
  update(): void {
    this.isWanted = true;
    this.pumping ??= this.pump().finally(() => {
      this.pumping = undefined;
    });
  }

  /** Shows the run as it was after an event, from 1; undefined: as it is. */
  showAt(at: number | undefined): void {
    this.setLook(at === undefined ? {} : { at });
  }

  /** The page wants to read on elsewhere: the events from this one on. */
  showFrom(from: number): void {
    const { at } = this.look;
    this.setLook({ from, ...(at === undefined ? {} : { at }) });
  }

  /** Back from elsewhere: the newest events there are, or were. */
  showNewest(): void {
    this.showAt(this.look.at);
  }

  /** Everything up to now was sent. Rejects with what reading met. */
  async settled(): Promise<void> {
    await this.pumping;
  }

  stop(): void {
    this.isStopped = true;
  }

  private setLook(look: Look): void {
    this.look = look;
    this.hasLookChanged = true;
    this.update();
  }

  private async pump(): Promise<void> {
    while (this.isWanted && !this.stopped()) {
      this.isWanted = false;
      const before = this.head.count;
      const fresh = await this.readOn();
      if (this.stopped()) return;
      const grown = this.head.count - before;
      const isFollowed = this.look.at === undefined && this.sentTo === before;
      if (this.hasLookChanged || (isFollowed && grown > windowEvents)) await this.sendWindow();
      else if (grown > 0) await this.sendOn(isFollowed ? fresh : [], isFollowed);
    }
  }

  /** Reads to the end of the log. @returns what is new since the last time; of a lot, the newest part. */
  private async readOn(): Promise<StoryEvent[]> {
    const { read, run } = this.options;
    let fresh: StoryEvent[] = [];
    for (;;) {
      const { count, sequence } = this.checkpoints.at(-1) ?? this.head;
      // Whole pages only: a checkpoint stands after each.
      const limit = pageSize - (this.head.count - count);
      const events = read({ after: this.head.sequence, limit, runId: run.id });
      for (const event of events) {
        const ordinal = this.head.count + 1;
        const story = toStoryEvent(event, ordinal);
        this.head = {
          count: ordinal,
          sequence: event.sequence,
          time: event.time,
          run: reduceRun(this.head.run, event),
          digest: story === undefined ? this.head.digest : foldDigest(this.head.digest, story),
        };
        if (story !== undefined) fresh.push(story);
      }
      if (this.head.count - count === pageSize && this.head.sequence > sequence)
        this.checkpoints.push(this.head);
      if (fresh.length > windowEvents) fresh = fresh.slice(-windowEvents);
      if (events.length < limit || this.stopped()) return fresh;
      // A long log must not keep the editor waiting.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What looks at a part of the past is only told how much there is. */
  private async sendOn(events: readonly StoryEvent[], isFollowed: boolean): Promise<void> {
    if (isFollowed) this.sentTo = this.head.count;
    for (let index = 0; index === 0 || index < events.length; index += pageSize) {
      if (this.mustStop()) return;
      await this.send(events.slice(index, index + pageSize), false, this.head.digest);
    }
  }

  private async sendWindow(): Promise<void> {
    this.hasLookChanged = false;
    const { at, from } = this.look;
    const end = Math.min(at ?? this.head.count, this.head.count);
    const start = Math.max(1, from ?? end - windowEvents + 1);
    const stop = Math.min(end, start + windowEvents - 1);
    const { run, digest, time } = at === undefined ? this.head : this.stateAt(end);
    this.options.postRun(at === undefined ? undefined : { run, at, time });
    const events: StoryEvent[] = [];
    for (let ordinal = start; ordinal <= stop; ) {
      const page = this.pageOf(ordinal);
      const read = this.readPage(page);
      for (const [index, event] of read.entries()) {
        const number = page.count + index + 1;
        const story = number < start || number > stop ? undefined : toStoryEvent(event, number);
        if (story !== undefined) events.push(story);
      }
      if (read.length === 0) break;
      ordinal = page.count + pageSize + 1;
    }
    this.sentTo = stop;
    let isReset = true;
    for (let index = 0; isReset || index < events.length; index += pageSize) {
      if (this.mustStop()) return;
      await this.send(events.slice(index, index + pageSize), isReset, digest, start);
      isReset = false;
    }
  }

  /** The run, and its digest, after the event with this ordinal. */
  private stateAt(ordinal: number): Pick<Checkpoint, 'run' | 'digest' | 'time'> {
    if (ordinal >= this.head.count) return this.head;
    const page = this.pageOf(ordinal);
    let { run, digest, time } = page;
    for (const [index, event] of this.readPage(page).entries()) {
      const number = page.count + index + 1;
      if (number > ordinal) break;
      run = reduceRun(run, event);
      time = event.time;
      const story = toStoryEvent(event, number);
      if (story !== undefined) digest = foldDigest(digest, story);
    }
    return { run, digest, time };
  }

  private pageOf(ordinal: number): Checkpoint {
    const first = this.checkpoints[0] ?? this.head;
    return this.checkpoints[Math.floor((ordinal - 1) / pageSize)] ?? this.checkpoints.at(-1) ?? first;
  }

  private readPage({ sequence }: Checkpoint): ReturnType<EventLog['read']> {
    return this.options.read({ after: sequence, limit: pageSize, runId: this.options.run.id });
  }

  private async send(
    events: StoryEvent[],
    isReset: boolean,
    digest: StoryDigest,
    from?: number,
  ): Promise<void> {
    const { at } = this.look;
    const { count: total } = this.head;
    const message: HostMessage = { type: 'story', events, isReset, total, digest };
    await this.options.post({
      ...message,
      ...(from === undefined ? {} : { from }),
      ...(at === undefined ? {} : { at }),
    });
  }

  /** The page looks elsewhere by now, or not at all. */
  private mustStop(): boolean {
    return this.hasLookChanged || this.isStopped;
  }

  /** By a call: it changes while others wait. */
  private stopped(): boolean {
    return this.isStopped;
  }
}

/** As it was when it was asked for: all else its events tell. */
function atBeginning({ id, sessionId, request, createdAt, taskId, retryOf, steps }: Run): Run {
  return {
    id,
    sessionId,
    request,
    createdAt,
    taskId,
    retryOf,
    status: 'queued',
    // A step that was added on the way is told by an event; those of the plan were there from the beginning.
    steps: steps.map(({ index, command }) => ({ index, command, status: 'pending' })),
    isAborting: false,
    terminalIds: [],
  };
}
