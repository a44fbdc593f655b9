import { type Disposable, DisposableMap } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { WorkerEvent, WorkerStatus } from '../ports/processHost.ts';
import type { PtyManager } from '../terminals/ptyManager.ts';
import { overBreaks } from './overBreaks.ts';
import { isContainerRun } from './containerRunEvents.ts';
import { isBackendRun } from './backendRuns.ts';
import { isWindowModelRun } from './modelRuns.ts';
import { reduceRun } from './reducer.ts';
import { agentNameOf, isRunEnded, type Run } from './run.ts';
import { RunQueue, type RunStarter } from './runQueue.ts';
import { appendRunEnd, hostLostEnd, type RunEnd } from './runEnd.ts';
import type { RunEngine } from './runEngine.ts';
import { isTaskRun, RunWorkers } from './runWorkers.ts';
import { WorkerIngest } from './workerIngest.ts';

/** What a worker gets to end after an abort before it is killed: its own escalation takes less. */
export const abortLimitMs = 10_000;
/** What a worker gets to exit after its run has ended. */
const exitLimitMs = 10_000;
const retryDelayMs = 2_000;

/** The core's hold on the worker of one run. Without one, a live run waits for its turn. */
interface WorkerLink {
  readonly id: string;
  /** `ended`: the run has, the worker has not yet. */
  phase: 'connecting' | 'starting' | 'started' | 'ended';
}

/**
 * Carries runs out: gives each, in order, a worker when there is room; takes in what it reports; escalates an abort;
 * and ends the run where its worker cannot. Nothing of it needs to survive: the store and the process host know all.
 */
export class RunExecutor implements RunEngine, RunStarter, Disposable {
  /** What they are started with. */
  readonly workers: RunWorkers;
  /** Who waits for a worker, and who is next. */
  readonly queue: RunQueue;
  private readonly context: CoreContext;
  private readonly terminals: PtyManager;
  private readonly ingest: WorkerIngest;
  private readonly links = new Map<string, WorkerLink>();
  private readonly timers = new DisposableMap<string, Disposable>();
  private isOpen = false;
  private isDisposed = false;

  constructor(context: CoreContext, terminals: PtyManager) {
    this.context = context;
    this.terminals = terminals;
    this.workers = new RunWorkers(context);
    this.queue = new RunQueue(context);
    this.queue.addStarter(this);
    this.ingest = new WorkerIngest(context, terminals.reconciler, {
      onRunEnded: (run) => this.runEnded(run),
      onWorkerExited: (id) => void this.release(id),
    });
  }

  /** Workers that have not exited yet, those of ended runs too. */
  get workerCount(): number {
    return this.links.size;
  }

  /** Runs that have a worker or are being given one; the other live runs wait. */
  get runningCount(): number {
    return [...this.links.values()].filter((link) => link.phase !== 'ended').length;
  }

  /** What has a worker: not an agent's, a container's, a window's or a backend's. */
  owns(run: Run): boolean {
    if (agentNameOf(run.request) !== undefined || isContainerRun(run)) return false;
    return !isWindowModelRun(run) && !isBackendRun(run);
  }

  prepare(tx: LogTransaction, run: Run): Run {
    // The ledger entry of its worker, which has the same id: written before there is one.
    tx.setWorkerCursor(run.id, 0);
    return run;
  }

  receive(event: WorkerEvent): void {
    this.ingest.receive(event);
  }

  flush(): void {
    this.ingest.flushAll();
  }

  /** From now on runs get workers. */
  open(): void {
    this.isOpen = true;
    this.pump();
  }

  /** Starts what there is room for. */
  pump(): void {
    if (!this.isOpen || this.isDisposed) return;
    // Executions of container tasks last for days, and take no place of those that are waited for.
    for (const run of this.context.state.liveRuns.values()) {
      if (isTaskRun(run) && this.canStart(run)) this.begin(run);
    }
    this.queue.fill();
  }

  /** Asks the run's worker to abort; a run without one is cancelled at once. Errors: those of the store. */
  async abort(id: string): Promise<void> {
    const { log, clock } = this.context;
    const link = this.links.get(id);
    if (this.isOpen && (link === undefined || link.phase === 'connecting')) {
      log.commit((tx) => this.endIn(tx, id, { kind: 'cancelled' }, clock.now()));
      this.pump();
      return;
    }
    log.commit((tx) => {
      const run = tx.get('run', id);
      if (run === undefined || isRunEnded(run) || run.isAborting) return;
      const scope = { sessionId: run.sessionId, runId: id };
      tx.put('run', reduceRun(run, tx.report('run.updated', scope, { is_aborting: true })));
    });
    // One that is just being started, or belongs to a core that is starting, is asked as soon as that is through.
    if (link?.phase === 'started') await this.requestAbort(id);
  }

  /** Start-up: see flows.md, 3. `workers` undefined when there is no host. */
  async recover(workers: readonly WorkerStatus[] | undefined): Promise<void> {
    const { state, log, clock, store } = this.context;
    const byId = new Map((workers ?? []).map((worker) => [worker.id, worker]));
    const followed: string[] = [];
    const lost: string[] = [];
    for (const run of state.liveRuns.values()) {
      if (this.links.has(run.id) || !this.owns(run)) continue;
      if (byId.has(run.id)) followed.push(run.id);
      // A queued run that the host does not know never had a worker: it takes its turn again.
      else if (run.status === 'running' || run.isAborting) lost.push(run.id);
    }
    if (lost.length > 0) {
      log.commit((tx) => {
        for (const id of lost) this.endIn(tx, id, hostLostEnd, clock.now());
      });
    }
    for (const id of followed) {
      this.links.set(id, { id, phase: 'started' });
      const run = state.liveRuns.get(id);
      if (run !== undefined) this.queue.take(run);
    }
    const endings: Promise<void>[] = [];
    for (const worker of byId.values()) {
      if (this.links.has(worker.id)) continue;
      if (!worker.isAlive) {
        endings.push(this.removeWorker(worker.id));
        continue;
      }
      const run = store.get('run', worker.id);
      if (run === undefined) {
        this.context.logger.warn(
          `The worker ${worker.id} belongs to no run that the store knows; it goes on`,
        );
      } else {
        this.links.set(worker.id, { id: worker.id, phase: 'ended' });
        this.queue.take(run);
        followed.push(worker.id);
      }
    }
    await Promise.all([...followed.map((id) => this.resume(id)), ...endings]);
  }

  /** The runs that a lost host takes with it. One whose start is just being asked for hears of it by its answer. */
  idsAtHost(): string[] {
    return [...this.links.values()]
      .filter((link) => link.phase === 'started' || link.phase === 'ended')
      .map((link) => link.id);
  }

  /** Ends them in a transaction of the caller's, who then calls `forget`. @returns how many it ended. */
  loseRuns(tx: LogTransaction, ids: readonly string[]): number {
    const now = this.context.clock.now();
    return ids.filter((id) => this.endIn(tx, id, hostLostEnd, now) !== undefined).length;
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) this.drop(id);
    this.pump();
  }

  /** Ends what is left of a run that ended by force: its terminals have no worker any more. */
  killTerminalsOf(run: Run): void {
    if (!isRunEnded(run) || (run.error === undefined && run.status !== 'cancelled')) return;
    for (const id of run.terminalIds) {
      const terminal = this.terminals.find(id);
      if (terminal === undefined || terminal.state === 'exited') continue;
      this.terminals.kill(id, { by: 'system' }).catch((error: unknown) => {
        if (OrchestratorError.is(error, 'process_host_lost')) return;
        this.context.failures.report(error, `end the terminal "${terminal.name}"`);
      });
    }
  }

  dispose(): void {
    this.isDisposed = true;
    this.ingest.dispose();
    this.queue.dispose();
    this.timers.dispose();
    this.links.clear();
  }

  canStart(run: Run): boolean {
    if (!this.isOpen || this.isDisposed) return false;
    // The timer: it could not be started, and this could not be stored yet.
    if (this.links.has(run.id) || this.timers.has(finishKey(run.id))) return false;
    return run.status === 'queued' && this.owns(run);
  }

  begin({ id }: Run): void {
    this.links.set(id, { id, phase: 'connecting' });
    void this.launch(id);
  }

  private async launch(id: string): Promise<void> {
    const link = this.links.get(id);
    if (link === undefined) return;
    try {
      await this.overBreaks(async () => {
        const run = this.context.state.liveRuns.get(id);
        // Cancelled while we connected.
        if (run === undefined) return;
        // Asked for while this core was starting.
        if (run.isAborting && link.phase === 'connecting') throw abortedError();
        link.phase = 'starting';
        this.ingest.track(id);
        await this.startWorker(run);
        link.phase = 'started';
      });
    } catch (error) {
      this.giveUp(id, error);
      return;
    }
    if (link.phase === 'started') {
      await this.resume(id);
    } else {
      this.drop(id);
      this.pump();
    }
  }

  private overBreaks(action: () => Promise<void>): Promise<void> {
    return overBreaks(this.context.processHost, () => this.isDisposed, action);
  }

  /** The run's worker cannot be had: that ends the run. */
  private giveUp(id: string, error: unknown): void {
    // Lost meanwhile, or left to the next core.
    if (this.isDisposed || !this.links.has(id)) return;
    this.drop(id);
    const ended = this.finish(id, endOf(error));
    if (ended !== undefined) this.killTerminalsOf(ended);
    // If there is one all the same, nobody would hear of it any more.
    void this.killWorker(id);
    this.pump();
  }

  private async startWorker(run: Run): Promise<void> {
    const worker = await this.workers.of(run);
    try {
      await this.context.processHost.startWorker({ id: run.id, ...worker });
    } catch (error) {
      // A former core asked for it and did not live to hear the answer: it runs, and only once.
      if (!OrchestratorError.is(error, 'worker_exists')) throw error;
    }
  }

  /** Takes in what the worker has reported and reports, and tells it again what it may not have heard. */
  private async resume(id: string): Promise<void> {
    const { processHost, state } = this.context;
    try {
      await this.overBreaks(() => processHost.followWorker(id, this.ingest.track(id)));
    } catch (error) {
      this.giveUp(id, error);
      return;
    }
    const run = state.liveRuns.get(id);
    if (run?.isAborting === true) await this.requestAbort(id);
    else if (run === undefined) this.expectExit(id);
  }

  private async requestAbort(id: string): Promise<void> {
    const { clock, processHost, logger } = this.context;
    if (!this.timers.has(id))
      this.timers.set(
        id,
        clock.setTimer(abortLimitMs, () => void this.forceEnd(id)),
      );
    try {
      await this.overBreaks(() => processHost.commandWorker(id, { type: 'abort' }));
    } catch (error) {
      // It is about to end, or is gone; if neither, the time limit ends it.
      logger.debug(`The worker ${id} did not take the abort`, error);
    }
  }

  /** The worker did not end in time after an abort. */
  private async forceEnd(id: string): Promise<void> {
    await this.killWorker(id);
    if (this.isDisposed) return;
    const ended = this.finish(id, { kind: 'cancelled' });
    if (ended !== undefined) this.runEnded(ended);
  }

  private runEnded(run: Run): void {
    this.killTerminalsOf(run);
    this.expectExit(run.id);
  }

  /** The run has ended; its worker is to exit by itself, else it is made to. */
  private expectExit(id: string): void {
    const link = this.links.get(id);
    if (link === undefined) return;
    link.phase = 'ended';
    const timer = this.context.clock.setTimer(exitLimitMs, () => {
      void this.killWorker(id).then(() => this.release(id));
    });
    this.timers.set(id, timer);
  }

  private async killWorker(id: string): Promise<void> {
    try {
      await this.context.processHost.killWorker(id, { graceMs: 0 });
    } catch (error) {
      this.context.logger.debug(`The worker ${id} could not be killed`, error);
    }
  }

  /** The worker has exited and all of it is stored: the process host may forget it, and the next run has room. */
  private async release(id: string): Promise<void> {
    if (!this.links.has(id)) return;
    this.drop(id);
    const removal = this.removeWorker(id);
    this.pump();
    await removal;
  }

  private async removeWorker(id: string): Promise<void> {
    try {
      await this.context.processHost.removeWorker(id);
    } catch (error) {
      // The next start-up removes it.
      this.context.logger.debug(`The worker ${id} was not removed`, error);
    }
  }

  private drop(id: string): void {
    this.links.delete(id);
    this.queue.release(id);
    this.timers.delete(id);
    this.ingest.untrack(id);
  }

  /** Never throws: an end that cannot be stored now is stored later. @returns the run, if this ended it. */
  private finish(id: string, end: RunEnd): Run | undefined {
    const { log, clock, failures } = this.context;
    const now = clock.now();
    try {
      return log.commit((tx) => this.endIn(tx, id, end, now));
    } catch (error) {
      if (this.isDisposed) return undefined;
      failures.report(error, `store the end of the run ${id}`);
      const timer = clock.setTimer(retryDelayMs, () => {
        this.timers.delete(finishKey(id));
        const ended = this.finish(id, end);
        if (ended !== undefined) this.runEnded(ended);
        this.pump();
      });
      this.timers.set(finishKey(id), timer);
      return undefined;
    }
  }

  /** @returns the run, if this ended it. */
  private endIn(tx: LogTransaction, id: string, end: RunEnd, time: number): Run | undefined {
    const run = tx.get('run', id);
    if (run === undefined || isRunEnded(run)) return undefined;
    const ended = appendRunEnd(tx, run, end, time);
    tx.put('run', ended);
    return ended;
  }
}

function abortedError(): OrchestratorError {
  return new OrchestratorError('CANCELLED', 'aborted', 'The run was aborted.');
}

function finishKey(id: string): string {
  return `finish ${id}`;
}

function endOf(error: unknown): RunEnd {
  const { reason, message } = OrchestratorError.from(error);
  return reason === 'process_host_lost' ? hostLostEnd : { kind: 'failed', reason, message };
}
