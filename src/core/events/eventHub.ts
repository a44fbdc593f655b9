import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import type { Logger } from '../../base/logger.ts';
import type { OrchestratorEvent } from './event.ts';
import type { EventLog, EventPage } from './eventLog.ts';
import { type EventSelector, matchesEvent } from './eventSelector.ts';

export interface EventSink {
  /**
   * Takes events, in order and each once. Answering false means enough for now: nothing more comes until `resume`.
   * The same event is the same object for every sink, so that what is made of it can be kept for all.
   */
  deliver(events: readonly OrchestratorEvent[]): boolean;
  /** It stood still for too long, and the subscription is over. Subscribing after `firstMissed - 1` loses nothing. */
  onGap(gap: EventGap): void;
  /** The log was closed, and the subscription is over. */
  onClose(): void;
}

export interface EventGap {
  /** Sequence of the first event that it wants and was not given; lower where it was still catching up. */
  readonly firstMissed: number;
  /** How many of those that it wants came while it stood still. */
  readonly missed: number;
  readonly lastSequence: number;
}

export interface SubscribeOptions {
  /** Begin after this sequence; only with what comes from now on when missing. */
  readonly after?: number | undefined;
  readonly selector?: EventSelector | undefined;
  /** How many events that it wants a sink may leave waiting before it is told its gap. Default 10,000. */
  readonly lagLimit?: number | undefined;
}

export interface EventSubscription extends Disposable {
  /** The last sequence that was looked at for it: resume after this one. */
  readonly cursor: number;
  /** The sink takes events again. */
  resume(): void;
}

interface Subscriber {
  readonly sink: EventSink;
  readonly selector: EventSelector;
  readonly lagLimit: number;
  /** `behind`: reads pages until it has caught up. `paused`: its sink has had enough. */
  state: 'live' | 'behind' | 'paused' | 'ended';
  cursor: number;
  /** While it is paused: what it wants and does not get. */
  missed: number;
  firstMissed: number;
}

const defaultLagLimit = 10_000;

/**
 * Hands the log's events to many subscribers. Those that keep up get each commit from memory; one that comes late or
 * was paused reads pages, a page a turn, so that nobody else waits for it. Nothing is buffered for anybody: a
 * subscriber is a cursor, however far behind it is.
 */
export class EventHub implements Disposable {
  private readonly log: EventLog;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly subscribers = new Set<Subscriber>();
  private readonly disposables = new DisposableStore();
  private turn: Disposable | undefined;

  constructor(log: EventLog, clock: Clock, logger: Logger) {
    this.log = log;
    this.clock = clock;
    this.logger = logger;
    this.disposables.add(log.onDidCommit(({ events }) => this.publish(events)));
    this.disposables.add(log.onDidClose(() => this.dispose()));
  }

  get size(): number {
    return this.subscribers.size;
  }

  /** Nothing is delivered before this returns. Error: `invalid_request` where `after` lies beyond the log. */
  subscribe(options: SubscribeOptions, sink: EventSink): EventSubscription {
    const { after = this.log.lastSequence, selector = {}, lagLimit = defaultLagLimit } = options;
    this.log.checkCursor(after);
    const subscriber: Subscriber = {
      sink,
      selector,
      lagLimit,
      state: 'live',
      cursor: after,
      missed: 0,
      firstMissed: 0,
    };
    this.subscribers.add(subscriber);
    if (after < this.log.lastSequence) this.catchUp(subscriber);
    return {
      get cursor() {
        return subscriber.cursor;
      },
      resume: () => {
        if (subscriber.state === 'paused') this.catchUp(subscriber);
      },
      dispose: () => this.end(subscriber),
    };
  }

  dispose(): void {
    this.disposables.dispose();
    this.turn?.dispose();
    for (const subscriber of [...this.subscribers]) {
      this.end(subscriber);
      this.guard(subscriber, () => subscriber.sink.onClose());
    }
  }

  private publish(events: readonly OrchestratorEvent[]): void {
    const [first] = events;
    if (first === undefined) return;
    for (const subscriber of [...this.subscribers]) {
      if (subscriber.state === 'paused') this.count(subscriber, events);
      if (subscriber.state !== 'live') continue;
      // It came while earlier commits were still being published, or will hear of these from a page.
      if (first.sequence > subscriber.cursor + 1) this.catchUp(subscriber);
      else this.give(subscriber, events, events.at(-1)?.sequence ?? subscriber.cursor);
    }
  }

  private give(subscriber: Subscriber, events: readonly OrchestratorEvent[], readTo: number): void {
    const { cursor, selector, sink } = subscriber;
    if (readTo <= cursor) return;
    const wanted = events.filter((event) => event.sequence > cursor && matchesEvent(event, selector));
    subscriber.cursor = readTo;
    if (wanted.length === 0) return;
    this.guard(subscriber, () => {
      const goesOn = sink.deliver(wanted);
      if (goesOn || subscriber.state === 'ended') return;
      subscriber.state = 'paused';
      subscriber.missed = 0;
      // What it has not read yet is not counted: the gap then begins with that.
      subscriber.firstMissed = readTo < this.log.lastSequence ? readTo + 1 : 0;
    });
  }

  private count(subscriber: Subscriber, events: readonly OrchestratorEvent[]): void {
    const { cursor, selector, lagLimit, sink } = subscriber;
    for (const event of events) {
      if (event.sequence <= cursor || !matchesEvent(event, selector)) continue;
      if (subscriber.firstMissed === 0) subscriber.firstMissed = event.sequence;
      subscriber.missed += 1;
    }
    const { missed, firstMissed } = subscriber;
    if (missed <= lagLimit) return;
    this.end(subscriber);
    const gap = { firstMissed, missed, lastSequence: this.log.lastSequence };
    this.guard(subscriber, () => sink.onGap(gap));
  }

  private catchUp(subscriber: Subscriber): void {
    subscriber.state = 'behind';
    this.turn ??= this.clock.setTimer(0, () => this.readOn());
  }

  /** One page for each that is behind; those at the same place share it. */
  private readOn(): void {
    this.turn = undefined;
    const pages = new Map<string, EventPage>();
    for (const subscriber of [...this.subscribers]) {
      if (subscriber.state !== 'behind') continue;
      const { cursor, selector } = subscriber;
      const { sessionId, runId, terminalId } = selector;
      const key = [cursor, sessionId, runId, terminalId].join(' ');
      try {
        const page = pages.get(key) ?? this.log.page({ after: cursor, sessionId, runId, terminalId });
        pages.set(key, page);
        this.give(subscriber, page.events, page.readTo);
      } catch (error) {
        this.logger.error('A subscriber could not read on', error);
        this.end(subscriber);
        this.guard(subscriber, () => subscriber.sink.onClose());
      }
      if (subscriber.cursor < this.log.lastSequence) {
        this.turn ??= this.clock.setTimer(0, () => this.readOn());
      } else if (isBehind(subscriber)) subscriber.state = 'live';
    }
  }

  /** A sink that fails is no longer served; nobody else hears of it. */
  private guard(subscriber: Subscriber, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.logger.error('A subscriber of events failed', error);
      this.end(subscriber);
    }
  }

  private end(subscriber: Subscriber): void {
    subscriber.state = 'ended';
    this.subscribers.delete(subscriber);
  }
}

/** Apart, because delivering may have changed it under the compiler's eyes. */
function isBehind(subscriber: Subscriber): boolean {
  return subscriber.state === 'behind';
}
