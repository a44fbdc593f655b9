import { Bell } from '../../../base/bell.ts';
import { type Disposable, DisposableStore, toDisposable } from '../../../base/disposable.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import type { StreamFrame } from '../../../protocol/daemon/frames.ts';
import type { ClientLink, FrameBatch } from '../clientLink.ts';
import { EventPlanner, type PlanCache } from './eventPlan.ts';
import { patientPlaces, type ReadFrame, readFrames, type StreamPlace, wholeEvent } from './frameReader.ts';
import type { OutputPlaces } from './outputText.ts';
import { type Audience, keyOf, noSubscription, type Subscription, wants } from './subscription.ts';

/** A batch goes out when it has about so many characters, or there is nothing more. */
const batchSize = 256 * 1024;
/** After an error of the store it is tried again. */
const retryMs = 1_000;

/** One client's share of the stream. */
export interface StreamClient extends Disposable {
  readonly subscription: Subscription;
  /** From now on. */
  setSubscription(subscription: Subscription): void;
  /** Begins again behind a place. Error: `invalid_request` where it lies beyond the log. */
  resume(place: StreamPlace): void;
  /** Nothing is delivered until the answer is disposed; nothing is lost. */
  hold(): Disposable;
  /** It takes frames again. */
  drained(): void;
}

interface Client {
  readonly link: Pick<ClientLink, 'deliver' | 'close'>;
  subscription: Subscription;
  /** The same text for those who want the same. */
  key: string;
  /** `live`: gets what comes. `behind`: reads the log by itself. `paused`: has had enough, or is held. */
  state: 'live' | 'behind' | 'paused' | 'ended';
  /** What is behind it. While it is live: where it came to be live. */
  place: StreamPlace;
  holds: number;
  isFull: boolean;
  /** Counts its readers, so that one that is replaced ends. */
  reader: number;
}

/**
 * Hands the stream to all clients. Each event is read once for all that keep up, each frame made once, and clients that
 * want the same get the same batch. One that does not keep up is a place in the log, from where it reads by itself as
 * soon as it takes more; nothing is buffered for anybody.
 */
export class FrameStream implements Disposable {
  private readonly orchestrator: Orchestrator;
  private readonly logger: Logger;
  private readonly places: OutputPlaces;
  private readonly plans: PlanCache = new WeakMap();
  private readonly clients = new Set<Client>();
  private readonly bell = new Bell();
  private readonly disposables = new DisposableStore();
  private isOver = false;
  /** Up to here everything was handed to those who are live. */
  private place: StreamPlace;
  private waiting: ReadFrame[] = [];
  private waitingSize = 0;
  /** Who waits for the stream to have come to a place. */
  private arrivals: { readonly sequence: number; readonly resolve: () => void }[] = [];

  constructor(orchestrator: Orchestrator, logger: Logger) {
    this.orchestrator = orchestrator;
    this.logger = logger;
    this.places = patientPlaces(orchestrator, (error) => logger.warn('Output could not be read', error));
    this.place = { seq: orchestrator.events.lastSequence, part: wholeEvent };
    this.disposables.add(orchestrator.events.onDidCommit(() => this.bell.ring()));
    void this.followLog();
  }

  /** Begins with what comes from now on. */
  add(link: Pick<ClientLink, 'deliver' | 'close'>): StreamClient {
    const client: Client = {
      link,
      subscription: noSubscription,
      key: keyOf(noSubscription),
      state: 'live',
      place: { seq: this.orchestrator.events.lastSequence, part: wholeEvent },
      holds: 0,
      isFull: false,
      reader: 0,
    };
    this.clients.add(client);
    return {
      get subscription() {
        return client.subscription;
      },
      setSubscription: (subscription) => {
        client.subscription = subscription;
        client.key = keyOf(subscription);
      },
      resume: (place) => {
        this.orchestrator.events.checkCursor(place.seq);
        client.place = place;
        client.state = 'paused';
        this.goOn(client);
      },
      hold: () => {
        client.holds += 1;
        return toDisposable(() => {
          client.holds -= 1;
          if (client.state === 'paused') this.goOn(client);
        });
      },
      drained: () => {
        client.isFull = false;
        if (client.state === 'paused') this.goOn(client);
      },
      dispose: () => {
        client.state = 'ended';
        this.clients.delete(client);
      },
    };
  }

  /** Resolves when everything up to a sequence was handed to those who keep up, or the stream has ended. */
  async reached(sequence: number): Promise<void> {
    const { seq, part } = this.place;
    if (this.isOver || seq > sequence || (seq === sequence && part === wholeEvent)) return;
    await new Promise<void>((resolve) => this.arrivals.push({ sequence, resolve }));
  }

  /** At most so many frames behind a place, for those who poll. */
  async read(
    after: StreamPlace,
    subscription: Subscription,
    limit: number,
  ): Promise<{
    readonly frames: readonly StreamFrame[];
    readonly next: StreamPlace;
    readonly hasMore: boolean;
  }> {
    this.orchestrator.events.checkCursor(after.seq);
    const frames: StreamFrame[] = [];
    for await (const { wanted, place } of this.readOn(after, () => subscription)) {
      for (const { frame } of wanted) {
        if (frames.length === limit) {
          const last = frames.at(-1);
          return {
            frames,
            next: last === undefined ? after : { seq: last.seq, part: last.part },
            hasMore: true,
          };
        }
        frames.push(frame);
      }
      if (place.seq >= this.orchestrator.events.lastSequence && place.part === wholeEvent) {
        return { frames, next: place, hasMore: false };
      }
    }
    return { frames, next: after, hasMore: false };
  }

  dispose(): void {
    this.isOver = true;
    this.disposables.dispose();
    this.bell.ring();
    for (const client of this.clients) client.state = 'ended';
    this.clients.clear();
    for (const { resolve } of this.arrivals) resolve();
  }

  private async followLog(): Promise<void> {
    const planner = this.createPlanner();
    const { events } = this.orchestrator;
    let cursor = this.place.seq;
    while (!this.isOver) {
      try {
        if (cursor >= events.lastSequence) {
          await this.bell.heard();
          continue;
        }
        const page = events.page({ after: cursor });
        for (const event of page.events) {
          const plan = planner.plan(event);
          const isWanted = (audience: Audience): boolean => this.isWantedLive(audience);
          // After an error it may have been read in part.
          const done = this.waiting.at(-1)?.frame ?? this.place;
          const afterPart = done.seq === event.sequence ? done.part : -1;
          for await (const frames of readFrames(this.places, plan, afterPart, isWanted)) this.push(frames);
          cursor = event.sequence;
        }
        cursor = page.readTo;
        this.flush({ seq: cursor, part: wholeEvent });
        this.tellArrivals();
      } catch (error) {
        if (this.hasEnded()) return;
        this.logger.error('The daemon could not read the event log', error);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  /** Apart, because it changes while something is waited for. */
  private hasEnded(): boolean {
    return this.isOver;
  }

  private tellArrivals(): void {
    const { seq } = this.place;
    const arrived = this.arrivals.filter(({ sequence }) => sequence <= seq);
    if (arrived.length === 0) return;
    this.arrivals = this.arrivals.filter(({ sequence }) => sequence > seq);
    for (const { resolve } of arrived) resolve();
  }

  private isWantedLive(audience: Audience): boolean {
    for (const { state, subscription } of this.clients) {
      if (state === 'live' && wants(subscription, audience)) return true;
    }
    return false;
  }

  private push(frames: readonly ReadFrame[]): void {
    for (const item of frames) {
      this.waiting.push(item);
      this.waitingSize += item.size;
    }
    const last = this.waiting.at(-1)?.frame;
    if (this.waitingSize >= batchSize && last !== undefined) this.flush({ seq: last.seq, part: last.part });
  }

  /** Hands out what waits; everything up to `place` is then behind those who are live. */
  private flush(place: StreamPlace): void {
    const before = this.place;
    const { waiting } = this;
    this.waiting = [];
    this.waitingSize = 0;
    this.place = place;
    const [first] = waiting;
    if (first === undefined) return;
    const batches = new BatchMaker(waiting);
    for (const client of [...this.clients]) {
      if (client.state !== 'live') continue;
      if (client.holds > 0) {
        client.state = 'paused';
        if (isBehind(client.place, before)) client.place = before;
        continue;
      }
      // It came to be live by itself, further on than this.
      const joined = first.frame.seq <= client.place.seq ? client.place.seq : undefined;
      const batch = batches.batchFor(client, joined);
      if (batch === undefined || this.deliver(client, batch)) continue;
      client.state = 'paused';
      if (isBehind(client.place, place)) client.place = place;
    }
  }

  /** @returns whether it goes on. */
  private deliver(client: Client, batch: FrameBatch): boolean {
    try {
      if (client.link.deliver(batch)) return true;
    } catch (error) {
      this.logger.error('A client of the daemon could not be served', error);
    }
    client.isFull = true;
    return false;
  }

  private goOn(client: Client): void {
    if (client.state === 'ended' || client.isFull || client.holds > 0) return;
    client.state = 'behind';
    client.reader += 1;
    void this.catchUp(client, client.reader);
  }

  private async catchUp(client: Client, reader: number): Promise<void> {
    const isMine = (): boolean => client.state === 'behind' && client.reader === reader;
    try {
      if (this.joins(client)) return;
      for await (const { wanted, place } of this.readOn(client.place, () => client.subscription)) {
        if (!isMine()) return;
        if (client.holds > 0) {
          client.state = 'paused';
          return;
        }
        client.place = place;
        if (wanted.length > 0 && !this.deliver(client, { frames: wanted.map(({ frame }) => frame) })) {
          client.state = 'paused';
          return;
        }
        // A client may have done anything while it was delivered to.
        if (!isMine() || this.joins(client)) return;
      }
    } catch (error) {
      if (!isMine() || this.isOver) return;
      this.logger.error('A client of the daemon could not read on', error);
      client.state = 'ended';
      this.clients.delete(client);
      client.link.close(1011, 'The event log cannot be read.');
    }
  }

  /** Live, where nothing is left to read: what comes after this place is not read by anybody yet. */
  private joins(client: Client): boolean {
    const { seq, part } = client.place;
    if (part !== wholeEvent || seq < this.orchestrator.events.lastSequence) return false;
    client.state = 'live';
    return true;
  }

  /** The stream from a place on, in batches, and where each ends; without end. */
  private async *readOn(
    after: StreamPlace,
    subscription: () => Subscription,
  ): AsyncGenerator<{ readonly wanted: readonly ReadFrame[]; readonly place: StreamPlace }, void, undefined> {
    const planner = this.createPlanner();
    const { events } = this.orchestrator;
    const isWanted = (audience: Audience): boolean => wants(subscription(), audience);
    let wanted: ReadFrame[] = [];
    // An event of which only a part is behind it is read again.
    let cursor = after.part === wholeEvent ? after.seq : after.seq - 1;
    while (!this.isOver) {
      const page = events.page({ after: Math.max(0, cursor) });
      let size = 0;
      for (const event of page.events) {
        const plan = planner.plan(event);
        const afterPart = event.sequence === after.seq ? after.part : -1;
        for await (const frames of readFrames(this.places, plan, afterPart, isWanted)) {
          wanted.push(...frames);
          size += frames.reduce((sum, item) => sum + item.size, 0);
          const last = wanted.at(-1)?.frame;
          if (size < batchSize || last === undefined) continue;
          yield { wanted, place: { seq: last.seq, part: last.part } };
          wanted = [];
          size = 0;
        }
      }
      cursor = page.readTo;
      yield { wanted, place: { seq: cursor, part: wholeEvent } };
      wanted = [];
      // A page a turn, so that nobody else waits for it.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private createPlanner(): EventPlanner {
    return new EventPlanner(this.orchestrator, this.plans);
  }
}

/** Makes each batch once: for those who want the same, and for those to whom the same frames come of it. */
class BatchMaker {
  private readonly frames: readonly ReadFrame[];
  private readonly byKey = new Map<string, FrameBatch | undefined>();
  private readonly byChoice = new Map<string, FrameBatch>();

  constructor(frames: readonly ReadFrame[]) {
    this.frames = frames;
  }

  /** @param joined frames of events up to this one are behind it already. */
  batchFor({ subscription, key }: Client, joined: number | undefined): FrameBatch | undefined {
    if (joined !== undefined) return this.choose(subscription, joined);
    if (!this.byKey.has(key)) this.byKey.set(key, this.choose(subscription, 0));
    return this.byKey.get(key);
  }

  private choose(subscription: Subscription, joined: number): FrameBatch | undefined {
    const choice: number[] = [];
    for (const [index, { audience, frame }] of this.frames.entries()) {
      if (frame.seq > joined && wants(subscription, audience)) choice.push(index);
    }
    if (choice.length === 0) return undefined;
    const key = choice.join(' ');
    let batch = this.byChoice.get(key);
    if (batch === undefined) {
      batch = { frames: choice.flatMap((index) => this.frames[index]?.frame ?? []) };
      this.byChoice.set(key, batch);
    }
    return batch;
  }
}

function isBehind(place: StreamPlace, other: StreamPlace): boolean {
  return place.seq < other.seq || (place.seq === other.seq && place.part < other.part);
}
