import { byteLength } from '../../base/clip.ts';
import { type Disposable, DisposableMap } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { BackendFrame, BackendStreamOptions, RunBackends } from '../ports/runBackends.ts';
import { BackendFrames, joinedFrames } from './backendFrames.ts';
import { backendLostEnd, backendRefusalEnd } from './backendEnds.ts';
import { backendNameOf, isBackendRun } from './backendRuns.ts';
import { isRunEnded, type Run } from './run.ts';
import { appendRunEnd, appendRunEvent, type RunEnd } from './runEnd.ts';
import type { RunEngine } from './runEngine.ts';
import type { RunEvent } from './runEvents.ts';
import type { RunQueue, RunStarter } from './runQueue.ts';
import { contractEnding, resultFromState } from './runResult.ts';

/** Events that come together are stored together. */
const joinMs = 50;
const batchFrames = 200;
/** What is kept of a run, in bytes: a stream without end would fill the disk. Its end is told in any case. */
const keptBytes = 32 * 1024 * 1024;
/** What stands in the log beside a payload, about. */
const eventBytes = 300;
/** What a backend gets to end a run that was aborted. */
const abortLimitMs = 10_000;
/** A backend that keeps the time limit itself knows better how far the run came. */
const timeLimitGraceMs = 5_000;
const maxTimerMs = 2 ** 31 - 1;
const retryDelayMs = 2_000;

/** How it ends once the stream was closed from here. */
type Ending = RunEnd | { readonly kind: 'timed_out' };

interface LiveRun {
  readonly id: string;
  readonly backend: string;
  readonly stop: AbortController;
  readonly frames: BackendFrames;
  /** Not stored yet. */
  pending: BackendFrame[];
  storing: Promise<void>;
  /** The backend's own id of it. */
  remoteId: string | undefined;
  hasFrames: boolean;
  hasAskedAbort: boolean;
  ending: Ending | undefined;
}

/**
 * Runs on other `/orchestrate/stream` servers: their events become events of ours, in our log, so that whatever shows
 * runs shows these too. The place in the foreign stream is stored with the events, so that the next core goes on where
 * this one stopped, without gap and without double; where a server gives no places, its runs end with this core.
 */
export class BackendRunEngine implements RunEngine, RunStarter, Disposable {
  private readonly context: CoreContext;
  private readonly backends: RunBackends;
  private readonly queue: RunQueue;
  private readonly live = new Map<string, LiveRun>();
  private readonly timers = new DisposableMap<string, Disposable>();
  private isOpen = false;

  constructor(context: CoreContext, backends: RunBackends, queue: RunQueue) {
    this.context = context;
    this.backends = backends;
    this.queue = queue;
  }

  get runningCount(): number {
    return this.live.size;
  }

  owns(run: Run): boolean {
    return isBackendRun(run);
  }

  prepare(_tx: unknown, run: Run): Run {
    return run;
  }

  pump(): void {
    this.queue.fill();
  }

  canStart(run: Run): boolean {
    const isNew = run.status === 'queued' && run.backend === undefined && !this.live.has(run.id);
    return this.isOpen && this.owns(run) && isNew;
  }

  begin(run: Run): void {
    const live = this.admit(run);
    void this.carryOut(live, (options) => {
      // Before it is sent, so that no core ever sends it a second time.
      this.commit(run.id, (tx, stored) => this.placed(tx, stored, live));
      return this.backends.start(live.backend, run.request, options);
    });
  }

  /** Start-up: goes on with what former cores have sent. */
  open(): void {
    this.isOpen = true;
    for (const run of this.context.state.liveRuns.values()) {
      if (!this.owns(run) || run.backend === undefined || this.live.has(run.id)) continue;
      const { runId, last } = run.backend;
      const live = this.admit(run);
      this.queue.take(run);
      void this.carryOut(live, (options) => {
        if (runId === null || last === null) throw noPlace();
        return this.backends.follow(live.backend, { runId, after: last }, options);
      });
      this.watchTime(live);
      if (run.isAborting) this.askAbort(live);
    }
    this.pump();
  }

  /**
   * Asks the backend to abort it, and closes the stream where it cannot or does not. One that was not sent yet is
   * cancelled at once. Errors: those of the store.
   */
  abort(id: string): Promise<void> {
    const live = this.live.get(id);
    this.commit(id, (tx, run) => {
      const isNowhere = live === undefined && (this.isOpen || run.backend === undefined);
      if (isNowhere) return appendRunEnd(tx, run, { kind: 'cancelled' }, this.now());
      if (run.isAborting) return run;
      return this.append(tx, run, { type: 'runner.abort.requested', data: { reason: 'requested' } });
    });
    if (live !== undefined) this.askAbort(live);
    return Promise.resolve();
  }

  dispose(): void {
    this.isOpen = false;
    this.timers.dispose();
    for (const { stop } of this.live.values()) stop.abort();
    this.live.clear();
  }

  private admit(run: Run): LiveRun {
    const live: LiveRun = {
      id: run.id,
      backend: backendNameOf(run.request) ?? '',
      stop: new AbortController(),
      frames: new BackendFrames(),
      pending: [],
      storing: Promise.resolve(),
      remoteId: run.backend?.runId ?? undefined,
      hasFrames: run.status === 'running',
      hasAskedAbort: false,
      ending: undefined,
    };
    this.live.set(run.id, live);
    return live;
  }

  private async carryOut(
    live: LiveRun,
    open: (options: BackendStreamOptions) => AsyncIterable<BackendFrame>,
  ): Promise<void> {
    const { id, backend, stop } = live;
    let end: Ending;
    try {
      const options: BackendStreamOptions = {
        signal: stop.signal,
        onConnection: (state) => this.notice(live, connectionNotices[state](backend)),
        onRunId: (remoteId) => (live.remoteId = remoteId),
      };
      for await (const frame of open(options)) {
        await this.take(live, frame);
        if (!this.context.state.liveRuns.has(id)) break;
      }
      await this.store(live);
      end = backendLostEnd(backend, 'The stream ended before the run had.');
    } catch (error) {
      await this.store(live);
      const isLost = OrchestratorError.is(error, 'backend_lost');
      end = isLost ? backendLostEnd(backend, error.message) : backendRefusalEnd(backend, error);
    }
    await this.end(live, live.ending ?? end);
  }

  private async take(live: LiveRun, frame: BackendFrame): Promise<void> {
    live.pending.push(frame);
    const isFirst = !live.hasFrames;
    live.hasFrames = true;
    // What decides something is stored before anything else is read.
    if (isFirst || frame.event.startsWith('response') || live.pending.length >= batchFrames) {
      await this.store(live);
      if (this.context.state.liveRuns.get(live.id)?.isAborting === true) this.askAbort(live);
      return;
    }
    const key = `store ${live.id}`;
    if (!this.timers.has(key))
      this.timers.set(
        key,
        this.context.clock.setTimer(joinMs, () => void this.store(live)),
      );
  }

  /** Never throws: what cannot be stored now is tried again, and nothing more is read meanwhile. */
  private store(live: LiveRun): Promise<void> {
    this.timers.delete(`store ${live.id}`);
    live.storing = live.storing.then(async () => {
      while (live.pending.length > 0 && this.isOpen) {
        const batch = live.pending;
        try {
          this.commit(live.id, (tx, run) => this.appendBatch(tx, run, live, batch));
          live.pending = live.pending.slice(batch.length);
          this.watchTime(live);
        } catch (error) {
          this.context.failures.report(error, `store what the run ${live.id} reported`);
          await this.pause(live.id);
        }
      }
    });
    return live.storing;
  }

  private appendBatch(tx: LogTransaction, before: Run, live: LiveRun, batch: readonly BackendFrame[]): Run {
    let run = before;
    let kept = before.backend?.kept ?? 0;
    for (const frame of joinedFrames(batch)) {
      for (const event of live.frames.eventsOf(run, frame)) {
        // `error` repeats how it has ended.
        if (isRunEnded(run) && event.type !== 'error') break;
        const isEnding = event.type === 'error' || event.type.startsWith('response');
        if (kept >= keptBytes && !isEnding) continue;
        kept += byteLength(JSON.stringify(event.data)) + eventBytes;
        run = this.append(tx, run, event);
        if (kept >= keptBytes && !isRunEnded(run)) run = this.append(tx, run, fullNotice(live.backend));
      }
    }
    const last = batch.findLast(({ id }) => id !== undefined)?.id;
    return isRunEnded(run) ? run : this.placed(tx, run, live, last, kept);
  }

  /** Tells where the run stands there, in the transaction that stores what was told up to that place. */
  private placed(tx: LogTransaction, run: Run, live: LiveRun, lastId?: string, keptNow = 0): Run {
    const known = run.backend;
    const runId = live.remoteId ?? known?.runId ?? null;
    const last = lastId ?? known?.last ?? null;
    // Without a place to go on at, nobody will ask how much was kept.
    if (known !== undefined && known.runId === runId && known.last === last) return run;
    const data = { backend: live.backend, run_id: runId, last, kept: keptNow };
    return this.append(tx, run, { type: 'runner.backend', data });
  }

  // --- Abort and time limit ---

  private askAbort(live: LiveRun): void {
    const { id, backend, remoteId, stop } = live;
    if (live.hasAskedAbort || live.ending !== undefined) return;
    if (remoteId === undefined && live.hasFrames) {
      this.leave(live, `The run backend "${backend}" gives its runs no ids, so none can be aborted there.`);
      return;
    }
    const { clock } = this.context;
    const late = `The run backend "${backend}" has not ended the run within ${abortLimitMs / 1_000} s.`;
    this.timers.set(
      `abort ${id}`,
      clock.setTimer(abortLimitMs, () => this.leave(live, late)),
    );
    if (remoteId === undefined) return;
    live.hasAskedAbort = true;
    this.backends.abort(backend, remoteId, stop.signal).then(
      () => this.notice(live, `The run backend "${backend}" was asked to abort the run, and does.`),
      (error: unknown) => {
        const { message } = OrchestratorError.from(error);
        this.leave(live, `The run backend "${backend}" did not abort the run: ${message}`);
      },
    );
  }

  /** Nobody waits for the run any more. */
  private leave(live: LiveRun, why: string): void {
    if (this.live.get(live.id) !== live || live.ending !== undefined) return;
    live.ending = { kind: 'cancelled' };
    this.notice(live, `${why} The stream was closed; the run may still be going on there.`);
    live.stop.abort();
  }

  private watchTime(live: LiveRun): void {
    const { clock, state } = this.context;
    const run = state.liveRuns.get(live.id);
    const key = `limit ${live.id}`;
    if (run?.startedAt === undefined || run.request.timeoutMs === undefined || this.timers.has(key)) return;
    const due = run.startedAt + run.request.timeoutMs + timeLimitGraceMs - clock.now();
    const delay = Math.min(Math.max(0, due), maxTimerMs);
    this.timers.set(
      key,
      clock.setTimer(delay, () => this.runOutOfTime(live)),
    );
  }

  private runOutOfTime(live: LiveRun): void {
    if (live.ending !== undefined) return;
    const { backend, remoteId } = live;
    live.ending = { kind: 'timed_out' };
    if (remoteId === undefined) {
      this.notice(
        live,
        `The run backend "${backend}" gives its runs no ids: the run may still be going on there.`,
      );
    } else if (!live.hasAskedAbort) {
      live.hasAskedAbort = true;
      this.backends.abort(backend, remoteId, AbortSignal.timeout(abortLimitMs)).catch((error: unknown) => {
        this.context.logger.warn(
          `The run backend "${backend}" did not abort a run that is out of time`,
          error,
        );
      });
    }
    live.stop.abort();
  }

  // --- Storing ---

  private notice({ id, backend }: LiveRun, message: string): void {
    if (!this.isOpen) return;
    try {
      this.commit(id, (tx, run) =>
        this.append(tx, run, { type: 'runner.backend.notice', data: { backend, message } }),
      );
    } catch (error) {
      this.context.failures.report(error, `store what became of the run ${id}`);
    }
  }

  private async end(live: LiveRun, ending: Ending): Promise<void> {
    const { id } = live;
    while (this.isOpen && this.context.state.liveRuns.has(id)) {
      try {
        this.commit(id, (tx, run) => this.appendEnding(tx, run, ending));
      } catch (error) {
        this.context.failures.report(error, `store the end of the run ${id}`);
        await this.pause(id);
      }
    }
    if (this.live.get(id) === live) this.live.delete(id);
    for (const key of ['store', 'abort', 'limit', 'pause']) this.timers.delete(`${key} ${id}`);
    this.queue.release(id);
    if (this.isOpen) this.pump();
  }

  private appendEnding(tx: LogTransaction, run: Run, ending: Ending): Run {
    if (ending.kind !== 'timed_out') return appendRunEnd(tx, run, ending, this.now());
    const data = resultFromState(run, 'timed_out');
    const told = this.append(tx, run, { type: 'response', data });
    return this.append(tx, told, { type: 'response.completed', data: contractEnding('timed_out') });
  }

  /** Changes a live run, if this core is the one to do it. Errors: those of the store. */
  private commit(id: string, change: (tx: LogTransaction, run: Run) => Run): void {
    this.context.log.commit((tx) => {
      const run = tx.get('run', id);
      if (run === undefined || isRunEnded(run)) return;
      const changed = change(tx, run);
      if (changed !== run) tx.put('run', changed);
    });
  }

  private append(tx: LogTransaction, run: Run, event: RunEvent): Run {
    return appendRunEvent(tx, run, event, this.now());
  }

  private pause(id: string): Promise<void> {
    return new Promise((resolve) => {
      this.timers.set(`pause ${id}`, this.context.clock.setTimer(retryDelayMs, resolve));
    });
  }

  private now(): number {
    return this.context.clock.now();
  }
}

const connectionNotices = {
  reconnecting: (name: string) =>
    `The connection to the run backend "${name}" is lost. It is taken up again …`,
  connected: (name: string) => `The run backend "${name}" is there again; nothing is missing.`,
};

function fullNotice(backend: string): RunEvent {
  const message = `${keptBytes / 2 ** 20} MiB are kept of a run; the rest is left out, up to its end.`;
  return { type: 'runner.backend.notice', data: { backend, message } };
}

function noPlace(): OrchestratorError {
  return new OrchestratorError(
    'UNAVAILABLE',
    'backend_lost',
    'The window was closed or reloaded while this run was going on, and its backend has no place to resume at.',
  );
}
