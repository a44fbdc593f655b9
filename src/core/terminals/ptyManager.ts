import { type Disposable, toDisposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { checkDirectory, resolveShell } from '../environmentChecks.ts';
import type {
  FollowOptions,
  FollowSink,
  KillOptions,
  SnapshotOptions,
  TerminalBytes,
  TerminalExitStatus,
  TerminalFollower,
  TerminalSnapshot,
} from '../ports/processHost.ts';
import type { SessionManager } from '../sessions/sessionManager.ts';
import { baseName, checkInteger, validName } from '../text.ts';
import { waitFor } from '../waitFor.ts';
import { checkOwnerLimit } from './ownerLimit.ts';
import { type Principal, validOwner } from './owners.ts';
import { checkCeilings, validCeilings } from './terminalCeilings.ts';
import { startShell } from './shellStart.ts';
import type { SpawnTerminalRequest, Terminal } from './terminal.ts';
import { TerminalAudit } from './terminalAudit.ts';
import { createTerminal, removeTerminal, updateTerminal } from './terminalChanges.ts';
import { TerminalReconciler } from './terminalReconciler.ts';

const defaultCols = 80;
const defaultRows = 24;
const sizeLimit = 1_000;

/**
 * Terminals: who they belong to and how they stand. The processes and their output are the process host's; a terminal
 * outlives this object and every core.
 */
export class PtyManager implements Disposable {
  /** For start-up and for the runs: see there. */
  readonly reconciler: TerminalReconciler;
  private readonly context: CoreContext;
  private readonly sessions: SessionManager;
  private readonly audit: TerminalAudit;
  /** By how many each terminal is held. */
  private readonly held = new Map<string, number>();

  constructor(context: CoreContext, sessions: SessionManager) {
    this.context = context;
    this.sessions = sessions;
    this.audit = new TerminalAudit(context);
    this.reconciler = new TerminalReconciler(context, sessions);
  }

  /**
   * Starts a program in a new terminal and resolves once it runs. Errors: `invalid_request`, `session_not_found`,
   * `session_closed`, `directory_missing`, `shell_missing`, `spawn_failed`, `ceilings_unavailable`, `terminal_limit`,
   * those of reaching the process host, and `disk_full`; after an error nothing runs and no terminal is left.
   */
  async spawn(request: SpawnTerminalRequest): Promise<Terminal> {
    const { environment, log, processHost, limits, ids, clock } = this.context;
    const { cols = defaultCols, rows = defaultRows, sessionId } = request;
    checkSize(cols, rows);
    const ceilings = validCeilings(request.ceilings);
    const managedBy = request.managedBy == null ? null : validOwner(request.managedBy);
    const name = request.name === undefined ? undefined : validName(request.name, 'terminal');
    const named = sessionId === undefined ? undefined : this.sessions.getOpen(sessionId);
    const cwd = request.cwd ?? named?.cwd ?? environment.defaultDirectory();
    const env = environment.childEnvironment(request.env, { isClean: request.isCleanEnvironment });
    await checkDirectory(environment, cwd);
    const shell = await resolveShell(environment, request.shell, env, cwd);
    const start = await startShell(this.context, shell, request.args ?? [], env);
    // Only now that it can be started, so that nothing is left of what cannot.
    const { id: openId } = named ?? (await this.sessions.ensureDefault(cwd));
    // It may have been closed while we looked at the disk.
    const session = this.sessions.getOpen(openId);
    checkOwnerLimit(this.context, managedBy);
    const terminal: Terminal = {
      id: ids.uuidV4(),
      sessionId: session.id,
      name: name ?? baseName(shell),
      managedBy,
      runId: null,
      shell,
      args: request.args ?? [],
      cwd,
      cols,
      rows,
      pid: 0,
      createdAt: clock.now(),
      state: 'starting',
      ceilings,
      marks: start.marks,
    };
    log.commit((tx) => createTerminal(tx, terminal));
    const { id } = terminal;
    const { recordLimitBytes } = limits;
    let isAsked = false;
    try {
      await processHost.ensureConnected();
      isAsked = true;
      const status = await processHost.spawnTerminal({
        id,
        file: shell,
        args: start.args,
        cwd,
        env: start.env,
        cols,
        rows,
        recordLimitBytes,
        ceilings,
      });
      checkCeilings(ceilings, status);
      const running = this.markRunning(id, status.pid);
      this.audit.note(running, request.by ?? null, 'spawn');
      return running;
    } catch (error) {
      // Closed meanwhile: the terminal goes on, and the next core finds it.
      if (!OrchestratorError.is(error, 'closed')) await this.undoSpawn(id, isAsked);
      throw error;
    }
  }

  /** Error: `terminal_not_found`. */
  get(id: string): Terminal {
    const terminal = this.find(id);
    if (terminal !== undefined) return terminal;
    throw new OrchestratorError(
      'NOT_FOUND',
      'terminal_not_found',
      `There is no terminal ${id}. List the terminals to see which there are.`,
    );
  }

  find(id: string): Terminal | undefined {
    return this.context.state.terminals.get(id);
  }

  /** Oldest first, ended ones too. */
  list(filter: { readonly sessionId?: string | undefined } = {}): Terminal[] {
    return [...this.context.state.terminals.values()].filter(
      (terminal) => filter.sessionId === undefined || terminal.sessionId === filter.sessionId,
    );
  }

  /**
   * Somebody looks at the terminal or waits for it: until the answer is disposed, the limits of idle and of ended
   * terminals do not apply to it.
   */
  hold(id: string): Disposable {
    const change = (by: 1 | -1): void => {
      const count = (this.held.get(id) ?? 0) + by;
      if (count === 0) this.held.delete(id);
      else this.held.set(id, count);
    };
    change(1);
    let isDisposed = false;
    return toDisposable(() => {
      if (!isDisposed) change(-1);
      isDisposed = true;
    });
  }

  isHeld(id: string): boolean {
    return this.held.has(id);
  }

  /** Errors: `terminal_not_found`, `terminal_ended`. @param by who writes: a person when missing. */
  async write(id: string, data: string | Uint8Array, by: Principal = null): Promise<void> {
    if (this.find(id)?.state === 'starting') await this.waitForStart(id);
    const terminal = this.getLive(id);
    await this.context.processHost.writeTerminal(id, data);
    this.audit.note(terminal, by, 'write', typeof data === 'string' ? utf8Length(data) : data.length);
  }

  /** Errors: `terminal_not_found`, `terminal_ended`, `invalid_request`. */
  async resize(id: string, cols: number, rows: number, by: Principal = null): Promise<void> {
    checkSize(cols, rows);
    if (this.find(id)?.state === 'starting') await this.waitForStart(id);
    this.getLive(id);
    await this.context.processHost.resizeTerminal(id, cols, rows);
    const terminal = this.find(id);
    if (terminal === undefined || (terminal.cols === cols && terminal.rows === rows)) return;
    this.context.log.commit((tx) => updateTerminal(tx, { ...terminal, cols, rows }));
    this.audit.note(terminal, by, 'resize');
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a door of the API: it answers by promise, errors too
  async rename(id: string, name: string): Promise<Terminal> {
    const renamed: Terminal = { ...this.get(id), name: validName(name, 'terminal') };
    this.context.log.commit((tx) => updateTerminal(tx, renamed));
    return renamed;
  }

  /** Ends the whole process tree; resolves when the terminal has ended. Nothing to do for one that has. */
  async kill(id: string, options: KillOptions & { readonly by?: Principal } = {}): Promise<void> {
    const { by = null, ...killOptions } = options;
    if (this.get(id).state === 'starting') await this.waitForStart(id);
    const terminal = this.find(id);
    if (terminal?.state !== 'running') return;
    this.audit.note(terminal, by, 'kill');
    try {
      await this.context.processHost.killTerminal(id, killOptions);
    } catch (error) {
      if (OrchestratorError.is(error, 'terminal_not_found')) this.reconciler.markLost([id]);
      // Lost with its host or ended by itself: either way it is where the caller wants it.
      else if (this.find(id)?.state !== 'exited') throw error;
    }
    await this.waitForExit(id);
  }

  /** Forgets an ended terminal and deletes its record. Error: `invalid_request` while it runs. */
  async remove(id: string): Promise<void> {
    const terminal = this.get(id);
    if (terminal.state !== 'exited') {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'invalid_request',
        `The terminal "${terminal.name}" is still running. End it first.`,
      );
    }
    await this.deleteRecord(id);
    this.context.log.commit((tx) => {
      if (tx.get('terminal', id) !== undefined) removeTerminal(tx, terminal);
    });
  }

  /** Of ended ones too, as long as their record is there. */
  async snapshot(id: string, options: SnapshotOptions = {}): Promise<TerminalSnapshot> {
    this.get(id);
    if (!this.isConnected) await this.context.processHost.ensureConnected();
    return this.context.processHost.snapshotTerminal(id, options);
  }

  /** Bytes [from, to) of the record; see ProcessHost. */
  async read(id: string, from: number, to: number): Promise<TerminalBytes> {
    this.get(id);
    if (!this.isConnected) await this.context.processHost.ensureConnected();
    return this.context.processHost.readTerminal(id, from, to);
  }

  async follow(id: string, options: FollowOptions, sink: FollowSink): Promise<TerminalFollower> {
    this.get(id);
    if (!this.isConnected) await this.context.processHost.ensureConnected();
    return this.context.processHost.followTerminal(id, options, sink);
  }

  /** Errors: `terminal_not_found` (also when it is removed meanwhile), `aborted`, `closed`. */
  waitForExit(id: string, signal?: AbortSignal): Promise<TerminalExitStatus> {
    const { log } = this.context;
    return waitFor({
      read: () => this.get(id).exit,
      changes: log.onDidCommit,
      closes: log.onDidClose,
      signal,
    });
  }

  /** Until it runs, has ended, or is gone because it did not start. */
  private async waitForStart(id: string): Promise<void> {
    const { log } = this.context;
    const read = (): true | undefined => (this.find(id)?.state === 'starting' ? undefined : true);
    await waitFor({ read, changes: log.onDidCommit, closes: log.onDidClose });
  }

  /** Deletes the process host's part of an ended terminal; one that it does not know is deleted already. */
  async deleteRecord(id: string): Promise<void> {
    await this.context.processHost.ensureConnected();
    try {
      await this.context.processHost.removeTerminal(id);
    } catch (error) {
      if (!OrchestratorError.is(error, 'terminal_not_found')) throw error;
    }
  }

  dispose(): void {
    this.audit.dispose();
    this.reconciler.dispose();
  }

  /** What is asked of a host that is there is asked at once, before whatever the caller does next. */
  private get isConnected(): boolean {
    return this.context.processHost.connection.state === 'connected';
  }

  private getLive(id: string): Terminal {
    const terminal = this.get(id);
    if (terminal.state !== 'exited') return terminal;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'terminal_ended',
      `The program in the terminal "${terminal.name}" has ended. Open a new terminal to go on.`,
    );
  }

  private markRunning(id: string, pid: number): Terminal {
    return this.context.log.commit((tx) => {
      const terminal = tx.get('terminal', id);
      if (terminal === undefined) throw new OrchestratorError('ABORTED', 'terminal_ended', 'It was removed.');
      // A short program may have ended before we were told that it runs.
      const running: Terminal = {
        ...terminal,
        pid,
        state: terminal.state === 'exited' ? 'exited' : 'running',
      };
      updateTerminal(tx, running);
      return running;
    });
  }

  /** What could not be started, or not be written down as running, never was there; the caller is told why. */
  private async undoSpawn(id: string, isAsked: boolean): Promise<void> {
    const { processHost, logger } = this.context;
    try {
      // The answer may have been lost, not the terminal. Where it was refused or its host is gone, there is none.
      if (isAsked) await processHost.killTerminal(id, { graceMs: 0 });
    } catch (error) {
      logger.debug(`The terminal ${id}, which did not start, was not there to be ended`, error);
    }
    try {
      this.context.log.commit((tx) => {
        const terminal = tx.get('terminal', id);
        if (terminal !== undefined) removeTerminal(tx, terminal);
      });
    } catch (error) {
      // It stays as starting, which the next start-up sets right.
      this.context.failures.report(error, 'forget a terminal that did not start');
    }
  }
}

/** Bytes of the text in UTF-8, without making them. */
function utf8Length(text: string): number {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return length;
}

function checkSize(cols: number, rows: number): void {
  checkInteger(cols, 1, sizeLimit, 'The number of columns');
  checkInteger(rows, 1, sizeLimit, 'The number of rows');
}
