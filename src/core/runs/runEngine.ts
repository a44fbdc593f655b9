import type { LogTransaction } from '../events/logTransaction.ts';
import type { Run } from './run.ts';

/**
 * What carries runs out. Each run belongs to one engine, by `request.engine`; whatever carries it out, its stream of
 * events and its result are of one kind.
 */
export interface RunEngine {
  owns(run: Run): boolean;
  /** In the transaction that stores a new run: writes down what will carry it out, before there is any. @returns the run. */
  prepare(tx: LogTransaction, run: Run): Run;
  /** Starts what there is room for among the queued runs that are its own. */
  pump(): void;
  /** Asks for the end of a live run of its own. Errors: those of the store. */
  abort(id: string): Promise<void>;
  /** Runs of its own that do not wait for their turn. */
  readonly runningCount: number;
}
