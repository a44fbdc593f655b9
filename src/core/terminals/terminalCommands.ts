import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { TerminalExitStatus } from '../ports/processHost.ts';
import { baseName, checkInteger } from '../text.ts';
import { CommandTracker } from './commandTracker.ts';
import { canIntegrate, type ShellMarks } from './shellIntegration.ts';
import type { Terminal } from './terminal.ts';
import type { PtyManager } from './ptyManager.ts';
import type { TerminalOutput } from './terminalOutput.ts';

export interface CommandResult {
  /** 128 + signal where a signal ended the shell; null where nobody can tell. */
  readonly exitCode: number | null;
  /** Exactly what the command printed, control sequences included, as far as the record still has it. */
  readonly output: string;
}

export interface WaitForCompletionOptions {
  /** Milliseconds, 1 to 86,400,000. Default: no limit; 10,000 for a shell that prints no marks. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How long a shell may stand at its prompt before lines that made no command of their own are given up. */
const quietMs = 500;
const unmarkedTimeoutMs = 10_000;

interface Tracked {
  readonly tracker: CommandTracker;
  readonly waiters: Set<() => void>;
  readonly failures: Set<(error: OrchestratorError) => void>;
  reader: Promise<Disposable> | undefined;
  /** Tells the reader of now from one that is still being let go. */
  attachment: symbol | undefined;
  quiet: Disposable | undefined;
  isQuiet: boolean;
  hasEnded: boolean;
}

/**
 * Waits for the commands that run in interactive shells. A terminal's output is read for it only while somebody waits;
 * until then nothing but the offsets of what was typed is kept.
 */
export class TerminalCommands implements Disposable {
  private readonly terminals: PtyManager;
  private readonly output: TerminalOutput;
  private readonly clock: Clock;
  private readonly tracked = new Map<string, Tracked>();

  constructor(terminals: PtyManager, output: TerminalOutput, clock: Clock) {
    this.terminals = terminals;
    this.output = output;
    this.clock = clock;
  }

  /** To be called before each line that is typed for somebody who may wait for it. */
  async noteCommand(terminal: Terminal, line: string): Promise<void> {
    if (terminal.marks === undefined) return;
    const end = await this.output.end(terminal.id);
    this.trackedOf(terminal, end)?.tracker.submit(end, line);
  }

  /**
   * Waits for everything that was typed by `executeTerminalCommand`, or else for the command that runs, and answers
   * with the last of them; at a prompt, with the last command that ran. A program that was started without a shell, or
   * a shell that prints no marks, is waited for until it exits, and all its output is the answer.
   *
   * Errors: `terminal_not_found`, `output_timeout`, `aborted`, `process_host_lost`; `terminal_unmarked` for a shell
   * without marks that has not ended in time.
   */
  async wait(terminal: Terminal, options: WaitForCompletionOptions = {}): Promise<CommandResult> {
    const { timeoutMs, signal } = options;
    if (timeoutMs !== undefined) checkInteger(timeoutMs, 1, 86_400_000, 'The time to wait, in milliseconds,');
    const isShell = canIntegrate(terminal.shell, terminal.args) || terminal.args.length === 0;
    const limitMs = timeoutMs ?? (terminal.marks === undefined && isShell ? unmarkedTimeoutMs : undefined);
    const stop = new AbortController();
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    stopped.catch(() => undefined);
    const give = (error: OrchestratorError): void => {
      reject(error);
      stop.abort();
    };
    const onAbort = (): void => give(new OrchestratorError('CANCELLED', 'aborted', 'The wait was given up.'));
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      limitMs === undefined
        ? undefined
        : this.clock.setTimer(limitMs, () => give(this.timeoutError(terminal, limitMs)));
    try {
      const waiting =
        terminal.marks === undefined
          ? this.waitForEnd(terminal, stop.signal)
          : this.waitForCommand(terminal, stop.signal);
      // Given up by the one, the other fails with nobody there to hear.
      waiting.catch(() => undefined);
      return await Promise.race([stopped, waiting]);
    } finally {
      stop.abort();
      timer?.dispose();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Forgets what is known of a terminal's commands. */
  forget(id: string): void {
    const tracked = this.tracked.get(id);
    if (tracked !== undefined) this.detach(tracked);
    this.tracked.delete(id);
  }

  dispose(): void {
    for (const id of [...this.tracked.keys()]) this.forget(id);
  }

  private async waitForEnd(terminal: Terminal, signal: AbortSignal): Promise<CommandResult> {
    const exit = await this.terminals.waitForExit(terminal.id, signal);
    const { text } = await this.output.read(terminal.id);
    return { exitCode: exitCodeOf(exit), output: text };
  }

  private async waitForCommand(terminal: Terminal, signal: AbortSignal): Promise<CommandResult> {
    const { id } = terminal;
    const reached = await this.output.end(id);
    const tracked = this.trackedOf(terminal, undefined);
    if (tracked === undefined) return this.waitForEnd(terminal, signal);
    const { tracker, waiters, failures } = tracked;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (tracked.hasEnded) resolve();
      else if (
        tracker.position >= reached &&
        tracker.last !== undefined &&
        (tracker.isSettled || tracked.isQuiet)
      ) {
        tracker.settle();
        resolve();
      }
    };
    waiters.add(check);
    failures.add(reject);
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.attach(terminal, tracked);
      check();
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      waiters.delete(check);
      failures.delete(reject);
      if (waiters.size === 0) this.detach(tracked);
    }
    const { last } = tracker;
    if (last === undefined) {
      const exit = await this.terminals.waitForExit(id, signal);
      return { exitCode: exitCodeOf(exit), output: '' };
    }
    const { text } = await this.output.read(id, last.from, last.to);
    return { exitCode: last.exitCode, output: withoutLeadIn(terminal.marks, text, last.line) };
  }

  private trackedOf(terminal: Terminal, from: number | undefined): Tracked | undefined {
    const known = this.tracked.get(terminal.id);
    if (known !== undefined || terminal.marks === undefined) return known;
    const tracked: Tracked = {
      tracker: new CommandTracker(terminal.marks, terminal.marks.hasStartMark ? (from ?? 0) : 0),
      waiters: new Set(),
      failures: new Set(),
      reader: undefined,
      attachment: undefined,
      quiet: undefined,
      isQuiet: false,
      hasEnded: false,
    };
    this.tracked.set(terminal.id, tracked);
    return tracked;
  }

  private attach({ id }: Terminal, tracked: Tracked): void {
    if (tracked.reader !== undefined) return;
    const { tracker } = tracked;
    const attachment = Symbol(id);
    tracked.attachment = attachment;
    const isCurrent = (): boolean => tracked.attachment === attachment;
    const notify = (): void => {
      for (const waiter of [...tracked.waiters]) waiter();
    };
    const fail = (error: unknown): void => {
      for (const failure of [...tracked.failures]) failure(OrchestratorError.from(error));
    };
    const noteChange = (): void => {
      tracked.quiet?.dispose();
      tracked.isQuiet = false;
      tracked.quiet = tracker.mayBeSettled
        ? this.clock.setTimer(quietMs, () => {
            tracked.isQuiet = true;
            notify();
          })
        : undefined;
      notify();
    };
    tracked.reader = this.output.follow(id, tracker.position, {
      onData: (data, offset) => {
        if (!isCurrent()) return;
        tracker.push(data, offset);
        noteChange();
      },
      onGap: (_from, to) => {
        if (isCurrent()) tracker.skipTo(to);
      },
      onEnd: () => {
        // The end's code comes by the log, which may be a moment later.
        this.terminals.waitForExit(id).then((exit) => {
          tracker.end(exitCodeOf(exit), tracker.position);
          tracked.hasEnded = true;
          notify();
        }, fail);
      },
      onLost: (error) => {
        if (isCurrent()) fail(error);
      },
    });
    tracked.reader.catch(fail);
  }

  private detach(tracked: Tracked): void {
    tracked.quiet?.dispose();
    tracked.quiet = undefined;
    const { reader } = tracked;
    tracked.reader = undefined;
    tracked.attachment = undefined;
    reader?.then(
      (attached) => attached.dispose(),
      () => undefined,
    );
  }

  private timeoutError(terminal: Terminal, limitMs: number): OrchestratorError {
    if (terminal.marks !== undefined) {
      return new OrchestratorError(
        'DEADLINE_EXCEEDED',
        'output_timeout',
        `Timeout waiting for output: the command had not ended after ${limitMs} ms.`,
      );
    }
    return new OrchestratorError(
      'FAILED_PRECONDITION',
      'terminal_unmarked',
      `Nothing tells when a command ends in this terminal, because ${baseName(terminal.shell)} prints no marks; only its exit could be waited for, and it had not exited after ${limitMs} ms. Use bash, zsh, fish or sh, or wait for a pattern.`,
    );
  }
}

/** As shells do it: 128 + signal. */
export function exitCodeOf({ exitCode, signal }: TerminalExitStatus): number | null {
  return exitCode ?? (signal === null ? null : 128 + signal);
}

/** Only what the command itself printed. */
function withoutLeadIn(marks: ShellMarks | undefined, text: string, line: string | undefined): string {
  if (marks?.hasModesAfterStart === true) return text.replace(shellModes, '');
  if (marks?.hasStartMark !== false) return text;
  // Without a mark before the output, the line as it was typed stands in front of it. Of a line that was typed ahead,
  // the echo came before the prompt, and only its output is here.
  if (line === undefined) return text.replace(/^[^\n]*\r\n/, '');
  const echo = `${line}\r\n`;
  return text.startsWith(echo) ? text.slice(echo.length) : text;
}

/** Bracketed paste and key modes off, the title, colours reset: what fish does before it runs a command. */
const shellModes =
  /^(?:\x1b\[[?>=]?[\d;]*[hlmu]|\x1b\][02];[^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\]133;C[^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\(B|\r)*/;
