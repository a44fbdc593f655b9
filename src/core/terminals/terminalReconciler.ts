import type { Disposable } from '../../base/disposable.ts';
import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { TerminalExit, TerminalExitStatus, TerminalStatus } from '../ports/processHost.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { baseName } from '../text.ts';
import type { Terminal } from './terminal.ts';
import { createTerminal, exitTerminal, hostLostExit, updateTerminal } from './terminalChanges.ts';

/** Ends told of terminals that we do not know (yet): at most so many are remembered. */
const unknownExitLimit = 1_000;
const retryDelayMs = 2_000;

/** Keeps what the store says of terminals equal to what the process host says. */
export class TerminalReconciler implements Disposable {
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  /** What a former core left as live; what this one starts is not to be mistaken for it. */
  private readonly inherited: ReadonlySet<string>;
  /**
   * A run's terminal can end before its worker's report of it is ingested; the end is kept until then.
   */
  private readonly unknownExits = new Map<string, { exit: TerminalExitStatus; end: number }>();
  private readonly retries = new Set<Disposable>();

  constructor(context: CoreContext, sessions: SessionManager) {
    this.context = context;
    this.sessions = sessions;
    this.inherited = new Set(
      [...context.state.terminals.values()]
        .filter((terminal) => terminal.state !== 'exited')
        .map((terminal) => terminal.id),
    );
  }

  /** The process host told of an end. Never throws: what cannot be stored now is tried again. */
  handleExit(event: TerminalExit): void {
    const { exitCode, signal, reason, exitedAt, oomKills } = event;
    const exit: TerminalExitStatus = { exitCode, signal, reason, exitedAt, oomKills };
    const terminal = this.context.state.terminals.get(event.id);
    if (terminal === undefined) {
      this.rememberExit(event.id, exit, event.end);
      return;
    }
    if (terminal.state === 'exited') return;
    try {
      this.context.log.commit((tx) => exitTerminal(tx, terminal, exit, event.end));
    } catch (error) {
      this.context.failures.report(error, `store the end of the terminal "${terminal.name}"`);
      this.retryLater(() => this.handleExit(event));
    }
  }

  /** Ends these, if they have not ended: their host is gone or does not know them. */
  markLost(ids: readonly string[]): void {
    this.context.log.commit((tx) => {
      this.loseTerminals(tx, ids);
    });
  }

  /** The same inside a transaction. @returns how many it ended. */
  loseTerminals(tx: LogTransaction, ids: readonly string[]): number {
    let ended = 0;
    for (const id of ids) {
      const terminal = tx.get('terminal', id);
      if (terminal === undefined || terminal.state === 'exited') continue;
      exitTerminal(tx, terminal, hostLostExit(this.context.clock.now()), null);
      ended += 1;
    }
    return ended;
  }

  /** The live ones that a host may have: all but those whose start is just being asked for. */
  idsAtHost(): string[] {
    return [...this.context.state.terminals.values()]
      .filter((terminal) => terminal.state === 'running')
      .map((terminal) => terminal.id);
  }

  /** Takes over a terminal that a run's worker started, in the transaction that ingests its report. */
  adoptFromRun(tx: LogTransaction, terminal: Terminal): void {
    const known = tx.get('terminal', terminal.id);
    if (known === undefined) createTerminal(tx, terminal);
    else updateTerminal(tx, { ...known, runId: terminal.runId, managedBy: terminal.managedBy });
    this.applyEarlyExit(tx, terminal.id);
  }

  /**
   * Start-up: what a former core left as live is compared with what the host has; `statuses` undefined when there is
   * no host, so that all of it has ended.
   */
  recover(statuses: readonly TerminalStatus[] | undefined): void {
    const byId = new Map((statuses ?? []).map((status) => [status.id, status]));
    for (const status of byId.values()) {
      const isUnknown = !this.context.state.terminals.has(status.id);
      if (isUnknown && status.exit !== undefined) this.rememberExit(status.id, status.exit, status.end);
    }
    const changed = [...this.inherited].flatMap((id) => {
      const terminal = this.context.state.terminals.get(id);
      if (terminal === undefined || terminal.state === 'exited') return [];
      const status = byId.get(id);
      const isAsStored =
        status !== undefined &&
        status.exit === undefined &&
        terminal.state === 'running' &&
        terminal.pid === status.pid &&
        terminal.cols === status.cols &&
        terminal.rows === status.rows;
      return isAsStored ? [] : [{ terminal, status }];
    });
    if (changed.length === 0) return;
    this.context.log.commit((tx) => {
      for (const { terminal, status } of changed) {
        if (status === undefined) {
          this.loseTerminals(tx, [terminal.id]);
        } else if (status.exit !== undefined) {
          exitTerminal(tx, { ...terminal, pid: status.pid }, status.exit, status.end);
        } else {
          const { pid, cols, rows } = status;
          updateTerminal(tx, { ...terminal, state: 'running', pid, cols, rows });
        }
      }
    });
  }

  /**
   * Gives running terminals that no store knows (a broken one was moved aside) a place in the tree, so that a person
   * can see and end them. Not to be called while a worker's report of its terminal may still be on the way.
   */
  async adoptUnknown(statuses: readonly TerminalStatus[]): Promise<void> {
    for (const status of statuses) {
      if (status.exit !== undefined || this.context.state.terminals.has(status.id)) continue;
      const fallback = this.context.environment.defaultDirectory();
      const session = await this.sessions
        .ensureDefault(status.cwd)
        .catch(() => this.sessions.ensureDefault(fallback));
      const { id, cwd, cols, rows, pid, file, startedAt } = status;
      this.context.log.commit((tx) => {
        if (tx.get('terminal', id) !== undefined) return;
        const terminal: Terminal = {
          id,
          sessionId: session.id,
          name: baseName(file),
          managedBy: null,
          runId: null,
          shell: file,
          args: [],
          cwd,
          cols,
          rows,
          pid,
          createdAt: startedAt,
          state: 'running',
        };
        createTerminal(tx, terminal);
        this.applyEarlyExit(tx, id);
      });
      this.context.logger.info(`Took over the running terminal ${id}, which the store did not know`);
    }
  }

  dispose(): void {
    for (const retry of this.retries) retry.dispose();
    this.retries.clear();
  }

  private applyEarlyExit(tx: LogTransaction, id: string): void {
    const early = this.unknownExits.get(id);
    const terminal = tx.get('terminal', id);
    if (early !== undefined && terminal !== undefined) exitTerminal(tx, terminal, early.exit, early.end);
  }

  private rememberExit(id: string, exit: TerminalExitStatus, end: number): void {
    this.unknownExits.set(id, { exit, end });
    const oldest = this.unknownExits.keys().next();
    if (this.unknownExits.size > unknownExitLimit && oldest.done === false) {
      this.unknownExits.delete(oldest.value);
    }
  }

  private retryLater(callback: () => void): void {
    const timer = this.context.clock.setTimer(retryDelayMs, () => {
      this.retries.delete(timer);
      callback();
    });
    this.retries.add(timer);
  }
}
