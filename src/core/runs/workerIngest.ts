import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import { type WorkerEvent, workerExitedType } from '../ports/processHost.ts';
import type { TerminalReconciler } from '../terminals/terminalReconciler.ts';
import { reduceRun } from './reducer.ts';
import { isRunEnded, type Run } from './run.ts';
import { appendRunEnd, appendRunEvent, hostLostEnd, type RunEnd } from './runEnd.ts';
import { appendNotices } from './runNotices.ts';
import { terminalOf, textOf } from './runPayloads.ts';

/** Events of one transaction at most: bounds how long it keeps the thread. */
const batchLimit = 256;
const retryDelayMs = 2_000;

export interface IngestListener {
  /** The worker's end was stored: its run has ended, nothing more comes. */
  onWorkerExited(workerId: string): void;
  /** A commit of its worker's events ended the run. */
  onRunEnded(run: Run): void;
}

interface Intake {
  readonly workerId: string;
  /** The last sequence that is stored. */
  cursor: number;
  queue: WorkerEvent[];
  isScheduled: boolean;
  isFlushing: boolean;
  /** A sequence that came although one before it is missing, and that was asked for again. */
  gapAt: number | undefined;
  retry: Disposable | undefined;
}

/**
 * Stores what workers report, each event exactly once, by (worker, sequence): one transaction holds the events, the
 * run as they leave it and the worker's cursor; then subscribers hear of them; then the process host gets its ack and
 * may prune. Whatever breaks between two of these steps is repaired by asking again from the cursor.
 */
export class WorkerIngest implements Disposable {
  private readonly context: CoreContext;
  private readonly terminals: TerminalReconciler;
  private readonly listener: IngestListener;
  private readonly intakes = new Map<string, Intake>();

  constructor(context: CoreContext, terminals: TerminalReconciler, listener: IngestListener) {
    this.context = context;
    this.terminals = terminals;
    this.listener = listener;
  }

  /** Takes this worker's events from now on. @returns its cursor, to be followed from. */
  track(workerId: string): number {
    const known = this.intakes.get(workerId);
    if (known !== undefined) return known.cursor;
    const cursor = this.context.store.workerCursor(workerId);
    const intake: Intake = {
      workerId,
      cursor,
      queue: [],
      isScheduled: false,
      isFlushing: false,
      gapAt: undefined,
      retry: undefined,
    };
    this.intakes.set(workerId, intake);
    return cursor;
  }

  untrack(workerId: string): void {
    this.intakes.get(workerId)?.retry?.dispose();
    this.intakes.delete(workerId);
  }

  /** Events that arrive together are stored together, so that a burst costs one transaction. */
  receive(event: WorkerEvent): void {
    const intake = this.intakes.get(event.workerId);
    if (intake === undefined) return;
    intake.queue.push(event);
    if (intake.isScheduled) return;
    intake.isScheduled = true;
    queueMicrotask(() => {
      intake.isScheduled = false;
      this.flush(intake);
    });
  }

  /** Stores at once what has been received. */
  flushAll(): void {
    for (const intake of [...this.intakes.values()]) this.flush(intake);
  }

  dispose(): void {
    for (const workerId of [...this.intakes.keys()]) this.untrack(workerId);
  }

  /** Never throws: what cannot be stored stays with the process host and is asked for again. */
  private flush(intake: Intake): void {
    // A listener of what is just being published may bring us here again, before the cursor has moved.
    if (intake.isFlushing) return;
    intake.isFlushing = true;
    try {
      this.storeQueue(intake);
    } finally {
      intake.isFlushing = false;
    }
  }

  private storeQueue(intake: Intake): void {
    while (intake.queue.length > 0 && this.intakes.get(intake.workerId) === intake) {
      const batch = this.takeBatch(intake);
      if (batch.length === 0) continue;
      try {
        this.store(intake, batch);
      } catch (error) {
        intake.queue = [];
        this.context.failures.report(error, `store what the run ${intake.workerId} reported`);
        intake.retry?.dispose();
        intake.retry = this.context.clock.setTimer(retryDelayMs, () => this.askAgain(intake));
        return;
      }
    }
  }

  /** The next events in order; drops what is stored already. Empty when one before the next is missing. */
  private takeBatch(intake: Intake): WorkerEvent[] {
    const batch: WorkerEvent[] = [];
    let next = intake.cursor + 1;
    while (batch.length < batchLimit) {
      const event = intake.queue[0];
      if (event === undefined) break;
      if (event.sequence > next) {
        if (batch.length > 0) break;
        if (intake.gapAt !== event.sequence) {
          intake.gapAt ??= event.sequence;
          if (intake.gapAt === event.sequence) this.askAgain(intake);
          intake.queue.shift();
          continue;
        }
        // It came a second time, first of a replay: the host no longer has what is missing. Only a store that lost its
        // last commits (power loss) can be behind what it has acknowledged.
        this.context.logger.warn(
          `Events ${next} to ${event.sequence - 1} of the run ${intake.workerId} are lost`,
        );
        next = event.sequence;
      }
      intake.queue.shift();
      if (event.sequence < next) continue;
      batch.push(event);
      next += 1;
    }
    return batch;
  }

  private store(intake: Intake, batch: readonly WorkerEvent[]): void {
    const { workerId } = intake;
    const { log, processHost, logger } = this.context;
    const last = batch.at(-1)?.sequence ?? intake.cursor;
    const ended = log.commit((tx) => {
      const before = tx.get('run', workerId);
      // Removed from the history while its worker was still ending.
      if (before === undefined) return undefined;
      let run = before;
      for (const event of batch) run = this.fold(tx, run, event);
      if (run !== before) tx.put('run', run);
      tx.setWorkerCursor(workerId, last);
      return isRunEnded(run) && !isRunEnded(before) ? run : undefined;
    });
    intake.cursor = last;
    intake.gapAt = undefined;
    processHost.ackWorker(workerId, last).catch((error: unknown) => {
      // The next ack, or the removal of the worker, says the same.
      logger.debug(`The ack of ${workerId} at ${last} was not taken`, error);
    });
    if (ended !== undefined) this.listener.onRunEnded(ended);
    if (batch.some((event) => event.type === workerExitedType)) this.listener.onWorkerExited(workerId);
  }

  private fold(tx: LogTransaction, run: Run, event: WorkerEvent): Run {
    // A stream ends with its last event: what a dying worker still says does not come after it.
    if (isRunEnded(run)) return run;
    const { type, time, data } = event;
    switch (type) {
      case workerExitedType:
        return appendRunEnd(tx, run, crashEnd(event), time);
      // The core tells these two itself, the one before the worker exists, the other with response.failed.
      case 'response.created':
      case 'error':
        return run;
      case 'response.failed': {
        const failed = this.append(tx, run, event);
        this.append(tx, failed, { ...event, type: 'error' });
        return failed;
      }
      default:
        break;
    }
    let current = run;
    if (run.status !== 'queued') {
      if (type === 'response.in_progress') return run;
    } else if (type !== 'response.in_progress') {
      const inProgress = { status: 'running', run_id: run.id } as const;
      current = appendRunEvent(tx, run, { type: 'response.in_progress', data: inProgress }, time);
    }
    const terminal = type === 'runner.terminal' ? terminalOf(data) : undefined;
    if (terminal !== undefined) {
      this.terminals.adoptFromRun(tx, {
        ...terminal,
        sessionId: run.sessionId,
        name: terminalName(run),
        managedBy: `orchestrator:run-${run.id.slice(0, 8)}`,
        runId: run.id,
        createdAt: time,
        state: 'running',
      });
    }
    return this.append(tx, current, event);
  }

  private append(tx: LogTransaction, run: Run, event: WorkerEvent): Run {
    const { type, time, data } = event;
    const { id: runId, sessionId } = run;
    const terminalId = textOf(data, 'terminal_id');
    const changed = reduceRun(run, tx.append({ type, time, sessionId, runId, terminalId, data }));
    if (type === 'response.in_progress') appendNotices(tx, run, time);
    return changed;
  }

  private askAgain(intake: Intake): void {
    this.context.processHost.followWorker(intake.workerId, intake.cursor).catch((error: unknown) => {
      // With the connection gone, losing or finding the host decides what becomes of the run.
      this.context.logger.debug(`Could not follow ${intake.workerId} again`, error);
    });
  }
}

function crashEnd(event: WorkerEvent): RunEnd {
  const { exit_code: exitCode, signal, stderr_tail: stderrTail } = event.data;
  // The next host says so of a worker whose host is gone: it saw no end.
  if (typeof signal !== 'string' && typeof exitCode !== 'number') return hostLostEnd;
  const how =
    typeof signal === 'string' ? `was ended by ${signal}` : `ended with exit code ${String(exitCode)}`;
  const detail =
    typeof stderrTail === 'string' && stderrTail.trim().length > 0 ? stderrTail.trim() : undefined;
  return {
    kind: 'failed',
    reason: 'worker_crashed',
    message:
      `The program that carried out this run ${how} before the run was over. Use Retry to run it again.` +
      (detail === undefined ? '' : `\n${detail}`),
  };
}

/** The first line of the task, as far as a tree shows it. */
function terminalName(run: Run): string {
  const [line = ''] = run.request.task.trim().split('\n', 1);
  const limit = 60;
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line || 'run';
}
