import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import { Emitter, type Event } from '../../base/emitter.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EventFilter, Store } from '../ports/store.ts';
import { closedError } from '../waitFor.ts';
import type { OrchestratorEvent } from './event.ts';
import { type LogTransaction, RecordingTransaction } from './logTransaction.ts';
import type { StateChange, StateMirror } from './stateMirror.ts';

export interface FollowEventsOptions {
  /** Only events with a greater sequence; at most `lastSequence`. */
  readonly after: number;
  readonly sessionId?: string | undefined;
  readonly runId?: string | undefined;
  readonly terminalId?: string | undefined;
  /** Ends the iteration, as if the log had ended. */
  readonly signal?: AbortSignal | undefined;
}

export interface EventPage {
  readonly events: readonly OrchestratorEvent[];
  readonly readTo: number;
}

export interface Commit {
  readonly events: readonly OrchestratorEvent[];
  readonly changes: readonly StateChange[];
}

export interface EventLogOptions {
  readonly store: Store;
  readonly state: StateMirror;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called at the end of each transaction, still in it: for state that follows from other state. */
  readonly settle?: ((tx: RecordingTransaction) => void) | undefined;
}

/** Followers that are up to date are served from memory; those further behind read pages from the store. */
const recentLimit = 256;
const pageSize = 256;

/**
 * The one log of the product. What it publishes is stored already, in one transaction with the state that it changes,
 * and published in the order of sequences.
 */
export class EventLog implements Disposable {
  /** After commit, in order. A listener may commit: its events are published after those under way. */
  readonly onDidAppend: Event<OrchestratorEvent>;
  /** After the events of a commit were published. */
  readonly onDidCommit: Event<Commit>;
  /** A listener that comes after the end is called at once, so that nobody waits for ever. */
  readonly onDidClose: Event<void>;

  private readonly options: EventLogOptions;
  private readonly appended: Emitter<OrchestratorEvent>;
  private readonly committed: Emitter<Commit>;
  private readonly closed: Emitter<void>;
  private readonly outbox: Commit[] = [];
  /** The newest events, without gap up to `lastSequence`: at most `recentLimit`. */
  private recent: OrchestratorEvent[] = [];
  private _lastSequence: number;
  private isCommitting = false;
  private isPublishing = false;
  private isClosed = false;

  constructor(options: EventLogOptions) {
    this.options = options;
    const onListenerError = (error: unknown): void => {
      options.logger.error('A listener of the event log failed', error);
    };
    this.appended = new Emitter(onListenerError);
    this.committed = new Emitter(onListenerError);
    this.closed = new Emitter(onListenerError);
    this.onDidAppend = this.appended.event;
    this.onDidCommit = this.committed.event;
    this.onDidClose = (listener) => {
      if (this.isClosed) listener();
      return this.closed.event(listener);
    };
    this._lastSequence = options.store.lastSequence();
  }

  /** Sequence of the last committed event, 0 before the first. */
  get lastSequence(): number {
    return this._lastSequence;
  }

  /** At most `filter.limit` events, oldest first. */
  read(filter: EventFilter): OrchestratorEvent[] {
    return this.options.store.readEvents(filter);
  }

  /** The next events that match, and how far the log was read for them. The newest are served from memory. */
  page(scope: Omit<FollowEventsOptions, 'signal'>): EventPage {
    const { after: cursor, sessionId, runId, terminalId } = scope;
    const last = this._lastSequence;
    const oldest = this.recent[0];
    if (oldest !== undefined && oldest.sequence <= cursor + 1) {
      const start = this.recent.findLastIndex((event) => event.sequence <= cursor) + 1;
      const matches = this.recent
        .slice(start)
        .filter(
          (event) =>
            (sessionId === undefined || event.sessionId === sessionId) &&
            (runId === undefined || event.runId === runId) &&
            (terminalId === undefined || event.terminalId === terminalId),
        );
      return { events: matches, readTo: last };
    }
    const events = this.read({ after: cursor, limit: pageSize, sessionId, runId, terminalId });
    const lastRead = events.at(-1);
    const isFull = lastRead !== undefined && events.length === pageSize;
    return { events, readTo: isFull ? lastRead.sequence : last };
  }

  /** Error: `invalid_request` where N lies beyond the log: it is a number of another log. */
  checkCursor(after: number): void {
    if (after <= this._lastSequence) return;
    throw new OrchestratorError(
      'OUT_OF_RANGE',
      'invalid_request',
      `The log ends at ${this._lastSequence}; there is nothing after ${after}. Read it again from 0.`,
      { details: { lastSequence: this._lastSequence } },
    );
  }

  /**
   * Everything after N, then what comes. Holds a number and at most one page, however slow its reader is. Ends when
   * the signal aborts or the log is closed; `invalid_request` when N lies beyond the log (a number of another log).
   */
  async *follow(options: FollowEventsOptions): AsyncGenerator<OrchestratorEvent, void, undefined> {
    const { signal } = options;
    this.checkCursor(options.after);
    let wake: () => void = () => undefined;
    const wakeUp = (): void => {
      wake();
    };
    const subscriptions = [this.appended.event(wakeUp), this.closed.event(wakeUp)];
    signal?.addEventListener('abort', wakeUp);
    const isEnded = (): boolean => this.isClosed || signal?.aborted === true;
    try {
      let cursor = options.after;
      while (!isEnded()) {
        if (cursor >= this._lastSequence) {
          // Nothing can be committed between this check and the wait: both are in one turn.
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        const page = this.page({ ...options, after: cursor });
        for (const event of page.events) {
          if (isEnded()) return;
          yield event;
        }
        cursor = page.readTo;
      }
    } finally {
      for (const subscription of subscriptions) subscription.dispose();
      signal?.removeEventListener('abort', wakeUp);
    }
  }

  /**
   * Runs `change` in one transaction of the store, then publishes what it appended. If it throws, nothing has changed
   * and nothing is published. Errors: those of the store, and `closed`.
   */
  commit<T>(change: (tx: LogTransaction) => T): T {
    if (this.isClosed) throw closedError();
    if (this.isCommitting) {
      throw new OrchestratorError('INTERNAL', 'internal', 'A transaction was begun inside another one.');
    }
    const { store, state, clock, settle } = this.options;
    let recording: RecordingTransaction | undefined;
    let result: T;
    this.isCommitting = true;
    try {
      result = store.transact((tx) => {
        recording = new RecordingTransaction(tx, store, state, clock.now());
        const answer = change(recording);
        settle?.(recording);
        return answer;
      });
    } finally {
      this.isCommitting = false;
    }
    if (recording !== undefined) this.publish(recording);
    return result;
  }

  /** Ends every follower. What is stored stays readable. */
  dispose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closed.fire();
    this.appended.dispose();
    this.committed.dispose();
    this.closed.dispose();
  }

  private publish(recording: RecordingTransaction): void {
    const commit: Commit = { events: recording.events, changes: [...recording.changes.values()] };
    for (const change of commit.changes) {
      this.options.state.apply(change);
      // As in the store: the events of a removed run are gone, for who comes late too.
      if (change.kind === 'run' && change.value === undefined) {
        this.recent = this.recent.filter((event) => event.runId !== change.id);
      }
    }
    this._lastSequence = commit.events.at(-1)?.sequence ?? this._lastSequence;
    this.recent.push(...commit.events);
    if (this.recent.length > 2 * recentLimit) this.recent = this.recent.slice(-recentLimit);
    this.outbox.push(commit);
    if (this.isPublishing) return;
    this.isPublishing = true;
    for (let next = this.outbox.shift(); next !== undefined; next = this.outbox.shift()) {
      for (const event of next.events) this.appended.fire(event);
      this.committed.fire(next);
    }
    this.isPublishing = false;
  }
}
