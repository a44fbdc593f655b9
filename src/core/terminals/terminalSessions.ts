import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { EventLog } from '../events/eventLog.ts';
import { checkText, invalidRequest } from '../text.ts';
import { isOwnedBy, mayTouch, permissionDenied, type Principal, validOwner } from './owners.ts';
import type { PtyManager } from './ptyManager.ts';
import { type SpawnOptions, validSpawnOptions } from './spawnOptions.ts';
import type { Terminal } from './terminal.ts';
import {
  type CommandResult,
  exitCodeOf,
  type TerminalCommands,
  type WaitForCompletionOptions,
} from './terminalCommands.ts';
import { createTerminalEvents, type TerminalEvents } from './terminalEvents.ts';
import type { OutputMatch, PatternMatch } from './lineSearch.ts';
import type { TerminalMeter, TerminalMetrics } from './terminalMetrics.ts';
import type { OutputText, TerminalOutput, WaitForPatternOptions } from './terminalOutput.ts';

/** A terminal as seed 003 has it on the wire. */
export interface TerminalSession {
  /** UUID v4. */
  readonly id: string;
  readonly cols: number;
  readonly rows: number;
  /** Where it was started. */
  readonly cwd: string;
  /** Absolute path of its program. */
  readonly shell: string;
  /** Whole seconds since the epoch. */
  readonly created_at: number;
  /** Owner id; null for a person's own. */
  readonly managed_by: string | null;
}

export interface TerminalSessionInfo {
  readonly session: TerminalSession;
  readonly is_alive: boolean;
  /** Null while it runs; 128 + signal where one ended it; 4294967295 where nobody could wait for it. */
  readonly exit_code: number | null;
  /** Whole seconds from its start to its end, or to now. */
  readonly uptime_seconds: number;
}

export interface ManagerMatch {
  /** Only terminals of exactly this id, as the source has it; by default those of owners below it (`id:…`) too. */
  readonly exact?: boolean;
}

export interface ListenOptions {
  /** Offset of the first byte to hear; default: what is printed after the call. 0 hears everything that is kept. */
  readonly from?: number;
}

export interface TerminalSessionsDependencies {
  readonly terminals: PtyManager;
  readonly output: TerminalOutput;
  readonly commands: TerminalCommands;
  readonly meter: TerminalMeter;
  readonly events: Pick<EventLog, 'onDidAppend'>;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** "if waiting failed" of the source: the largest unsigned 32-bit number. */
const unknownExitCode = 0xffff_ffff;

/**
 * The operations of seed 003 on terminals, for every door: names, data and error texts are the seed's, codes and
 * reasons are ours. A principal other than a person reaches only what it owns and what is below it (`permission_denied`),
 * and hears of nothing else.
 */
export class TerminalSessions implements TerminalEvents {
  readonly onDidExitTerminal: TerminalEvents['onDidExitTerminal'];
  readonly onDidPassThreshold: TerminalEvents['onDidPassThreshold'];
  private readonly dependencies: TerminalSessionsDependencies;
  private readonly principal: Principal;

  constructor(dependencies: TerminalSessionsDependencies, principal: Principal = null) {
    this.dependencies = dependencies;
    this.principal = principal;
    const { events, terminals } = dependencies;
    const told = createTerminalEvents(events.onDidAppend, (id) => terminals.find(id), principal);
    this.onDidExitTerminal = told.onDidExitTerminal;
    this.onDidPassThreshold = told.onDidPassThreshold;
  }

  /** The same operations with the rights of an agent. Error: `invalid_request`. */
  asPrincipal(owner: string): TerminalSessions {
    validOwner(owner);
    if (!mayTouch(this.principal, owner)) throw permissionDenied(this.principal, `what ${owner} owns`);
    return new TerminalSessions(this.dependencies, owner);
  }

  /**
   * Starts the person's shell in a terminal of that size, 1 to 1,000 each way. It belongs to the person, or to the
   * agent that asks. Errors: "Failed to spawn shell: …", `invalid_request`, `terminal_limit`, `ceilings_unavailable`.
   */
  async spawnTerminal(cols: number, rows: number, options?: SpawnOptions): Promise<TerminalSession> {
    return this.spawn(cols, rows, this.principal, options);
  }

  /** The same for an agent. */
  async spawnTerminalManaged(
    cols: number,
    rows: number,
    managedBy: string,
    options?: SpawnOptions,
  ): Promise<TerminalSession> {
    validOwner(managedBy);
    if (!mayTouch(this.principal, managedBy))
      throw permissionDenied(this.principal, `what ${managedBy} owns`);
    return this.spawn(cols, rows, managedBy, options);
  }

  /** Those that run, oldest first. */
  listTerminalSessions(): TerminalSession[] {
    return this.live().map(toSession);
  }

  /** Of ended ones too, until they are cleaned up. Error: "Session not found: …". */
  getTerminalSessionInfo(id: string): TerminalSessionInfo {
    const terminal = this.get(id);
    const { exit, createdAt } = terminal;
    const end = exit?.exitedAt ?? this.dependencies.now();
    return {
      session: toSession(terminal),
      is_alive: terminal.state !== 'exited',
      exit_code: exit === undefined ? null : (exitCodeOf(exit) ?? unknownExitCode),
      uptime_seconds: Math.max(0, Math.floor((end - createdAt) / 1000)),
    };
  }

  /**
   * Types the command and a line feed; resolves when it is typed, not when it has run (see `waitForCompletion`). Text
   * of several lines runs line by line. Errors: "Session not found: …", "Failed to write to PTY: …".
   */
  async executeTerminalCommand(id: string, command: string): Promise<void> {
    checkText(command, 'The command');
    const terminal = this.get(id);
    if (terminal.state !== 'exited') await this.dependencies.commands.noteCommand(terminal, command);
    await this.write(id, `${command}\n`);
  }

  /** Types exactly this. Errors: "Session not found: …", "Failed to write to PTY: …". */
  async writeToTerminal(id: string, data: string): Promise<void> {
    checkText(data, 'What is written to a terminal');
    this.get(id);
    await this.write(id, data);
  }

  /** 1 to 1,000 each way. Errors: "Session not found: …", `terminal_ended`, `invalid_request`. */
  async resizeTerminal(id: string, cols: number, rows: number): Promise<void> {
    this.get(id);
    await this.dependencies.terminals.resize(id, cols, rows, this.principal);
  }

  /**
   * Ends the terminal with everything that runs in it; resolves when it has ended. Its output stays readable. One that
   * was killed before is "Session not found: …".
   */
  async killTerminal(id: string): Promise<void> {
    const terminal = this.get(id);
    if (terminal.exit?.reason === 'killed') throw notFound(id);
    await this.dependencies.terminals.kill(id, { by: this.principal });
  }

  /** Those that run and belong to the manager or to an owner below it. An unknown manager has none. */
  listSessionsByManager(managerId: string, match: ManagerMatch = {}): TerminalSession[] {
    return this.ofManager(managerId, match).map(toSession);
  }

  /** Ends them all; resolves with how many when they have ended. Error: that of the first that could not be ended. */
  async killSessionsByManager(managerId: string, match: ManagerMatch = {}): Promise<number> {
    const found = this.ofManager(managerId, match);
    const ends = await Promise.allSettled(
      found.map(({ id }) => this.dependencies.terminals.kill(id, { by: this.principal })),
    );
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure !== undefined) throw OrchestratorError.from(failure.reason);
    return found.length;
  }

  /**
   * Calls back with the output as it comes, as text: a character is never cut in two. @returns a function that stops
   * it. A slow listener never slows the program down. Error: "Session not found: …".
   */
  async listenToTerminalOutput(
    id: string,
    callback: (data: string) => void,
    options: ListenOptions = {},
  ): Promise<() => void> {
    if (typeof callback !== 'function')
      throw invalidRequest('Give a function that is called with the output.');
    this.get(id);
    const { output, logger } = this.dependencies;
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const tell = (text: string): void => {
      if (text === '') return;
      try {
        callback(text);
      } catch (error) {
        logger.error(`A listener of terminal ${id} failed`, error);
      }
    };
    const follower: Disposable = await output.follow(id, options.from ?? (await output.end(id)), {
      onData: (data) => tell(decoder.decode(data, { stream: true })),
      onEnd: () => tell(decoder.decode()),
      onLost: () => tell(decoder.decode()),
    });
    return () => follower.dispose();
  }

  /** Exit code and output of the last command. See TerminalCommands.wait. */
  async waitForCompletion(id: string, options: WaitForCompletionOptions = {}): Promise<CommandResult> {
    const terminal = this.get(id);
    return this.holding(id, () => this.dependencies.commands.wait(terminal, options));
  }

  /** The output that is kept, from an offset on. See TerminalOutput.read. */
  async readOutput(id: string, from = 0, to?: number): Promise<OutputText> {
    this.get(id);
    return this.dependencies.output.read(id, from, to);
  }

  /** The last lines, without control sequences. See TerminalOutput.lastLines. */
  async readLastLines(id: string, count: number): Promise<string[]> {
    this.get(id);
    return this.dependencies.output.lastLines(id, count);
  }

  /** The screen as it is now: one line a row. */
  async readScreen(id: string): Promise<string> {
    this.get(id);
    return (await this.dependencies.terminals.snapshot(id, { scrollback: 0 })).text;
  }

  /** Lines of the output that is kept. See TerminalOutput.search. */
  async searchOutput(id: string, pattern: string | RegExp, limit?: number): Promise<OutputMatch[]> {
    this.get(id);
    return this.dependencies.output.search(id, pattern, limit);
  }

  /** Waits for text to be printed. See TerminalOutput.waitForPattern, and there the trap of the echo. */
  async waitForPattern(
    id: string,
    pattern: string | RegExp,
    options: WaitForPatternOptions = {},
  ): Promise<PatternMatch> {
    this.get(id);
    return this.holding(id, () => this.dependencies.output.waitForPattern(id, pattern, options));
  }

  /**
   * Processor, memory and I/O of the terminal's program and all below it; undefined for one that does not run, and where
   * the machine does not tell. See TerminalMeter.measure.
   */
  async getTerminalMetrics(id: string): Promise<TerminalMetrics | undefined> {
    return this.dependencies.meter.measure(this.get(id));
  }

  private async spawn(
    cols: number,
    rows: number,
    managedBy: Principal,
    options: SpawnOptions | undefined,
  ): Promise<TerminalSession> {
    try {
      const wanted = validSpawnOptions(options);
      const { terminals } = this.dependencies;
      return toSession(await terminals.spawn({ ...wanted, cols, rows, managedBy, by: this.principal }));
    } catch (error) {
      const known = OrchestratorError.from(error);
      const isShell = ['spawn_failed', 'shell_missing', 'directory_missing'].includes(known.reason);
      throw isShell ? reworded(known, `Failed to spawn shell: ${known.message}`) : known;
    }
  }

  /** Whose output somebody waits for is not idle. */
  private async holding<T>(id: string, wait: () => Promise<T>): Promise<T> {
    const hold = this.dependencies.terminals.hold(id);
    try {
      return await wait();
    } finally {
      hold.dispose();
    }
  }

  private async write(id: string, data: string): Promise<void> {
    try {
      await this.dependencies.terminals.write(id, data, this.principal);
    } catch (error) {
      const known = OrchestratorError.from(error);
      throw reworded(known, `Failed to write to PTY: ${known.message}`);
    }
  }

  private get(id: string): Terminal {
    const terminal = this.dependencies.terminals.find(id);
    if (terminal === undefined) throw notFound(id);
    if (!mayTouch(this.principal, terminal.managedBy))
      throw permissionDenied(this.principal, `terminal ${id}`);
    return terminal;
  }

  private live(): Terminal[] {
    return this.dependencies.terminals
      .list()
      .filter(({ state, managedBy }) => state !== 'exited' && mayTouch(this.principal, managedBy));
  }

  private ofManager(managerId: string, match: ManagerMatch): Terminal[] {
    return this.live().filter(({ managedBy }) => isOwnedBy(managedBy, managerId, match));
  }
}

function toSession({ id, cols, rows, cwd, shell, createdAt, managedBy }: Terminal): TerminalSession {
  return { id, cols, rows, cwd, shell, created_at: Math.floor(createdAt / 1000), managed_by: managedBy };
}

function notFound(id: string): OrchestratorError {
  return new OrchestratorError('NOT_FOUND', 'terminal_not_found', `Session not found: ${id}`, {
    details: { id },
  });
}

function reworded(error: OrchestratorError, message: string): OrchestratorError {
  return new OrchestratorError(error.code, error.reason, message, { details: error.details, cause: error });
}
