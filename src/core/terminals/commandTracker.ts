import { checkNonce, Osc133Parser } from './osc133.ts';
import type { ShellMarks } from './shellIntegration.ts';

/** One command that a person or an agent gave to an interactive shell, and its output [from, to). */
export interface FinishedCommand {
  /** Null where nobody can tell: the mark left the record, or the process host was lost. */
  readonly exitCode: number | null;
  readonly from: number;
  readonly to: number;
  /** The line that was submitted for it, if it was. */
  readonly line: string | undefined;
}

type PromptMark = {
  readonly kind: 'A' | 'B' | 'C' | 'D';
  readonly exitCode: number | null;
  readonly from: number;
  readonly to: number;
};

/** Commands that were given and never waited for: at most so many are remembered. */
const submittedLimit = 1_000;
const newline = 0x0a;

/**
 * Makes commands of an interactive shell's marks. Pure: bytes, gaps and what was submitted go in.
 *
 * A submitted line is known by the offset where the output ended when it was typed. Each command that begins after that
 * and ends takes one off the list, so that lines typed ahead, while another command still runs, are all waited for.
 */
export class CommandTracker {
  private readonly parser: Osc133Parser<PromptMark>;
  private readonly hasStartMark: boolean;
  private readonly submitted: { readonly offset: number; readonly line: string }[] = [];
  /** The command that runs, or, of a shell without start marks, that may be typed. */
  private open: { readonly from: number; startedAt: number | undefined } | undefined;
  private _last: FinishedCommand | undefined;
  private lastStartedAt = -1;
  private lastSubmittedAt = -1;
  private _isAtPrompt = false;
  private _position: number;

  constructor({ nonce, hasStartMark }: ShellMarks, offset = 0) {
    this.hasStartMark = hasStartMark;
    this._position = offset;
    const pattern = new RegExp(`^(?:([ABC])|D;(\\d{1,9}));aid=${checkNonce(nonce)}$`);
    this.parser = new Osc133Parser((body, from, to) => {
      const match = pattern.exec(body);
      if (match === null) return undefined;
      const [, letter, exitCode] = match;
      const kind = letter === 'A' || letter === 'B' || letter === 'C' ? letter : 'D';
      return { kind, exitCode: exitCode === undefined ? null : Number(exitCode), from, to };
    }, offset);
  }

  /** One past the last byte that was taken in. */
  get position(): number {
    return this._position;
  }

  /** The last command that ended, if any. */
  get last(): FinishedCommand | undefined {
    return this._last;
  }

  /** Where the output of the command that runs begins; undefined at a prompt. */
  get runningFrom(): number | undefined {
    const { open } = this;
    return open !== undefined && (this.hasStartMark || open.startedAt !== undefined) ? open.from : undefined;
  }

  /** Everything that was submitted has ended, and nothing runs. */
  get isSettled(): boolean {
    return this.submitted.length === 0 && this.runningFrom === undefined;
  }

  /**
   * The shell waits for input although not all that was submitted made a command: several lines were one, or a program
   * read a line as its input. Something that was submitted last did end, though.
   */
  get mayBeSettled(): boolean {
    return this._isAtPrompt && this.runningFrom === undefined && this.lastStartedAt > this.lastSubmittedAt;
  }

  /** The line was typed when the output ended at `offset`. */
  submit(offset: number, line: string): void {
    this.submitted.push({ offset, line });
    this.lastSubmittedAt = offset;
    if (this.submitted.length > submittedLimit) this.submitted.shift();
  }

  /** Gives up on what was submitted and made no command. */
  settle(): void {
    this.submitted.length = 0;
  }

  push(chunk: Uint8Array, offset: number): void {
    this._position = offset + chunk.length;
    let seenTo = offset;
    for (const mark of this.parser.push(chunk)) {
      this.noteNewline(chunk, offset, seenTo, mark.from);
      seenTo = Math.max(seenTo, mark.to);
      this.mark(mark);
    }
    this.noteNewline(chunk, offset, seenTo, this._position);
  }

  /** [.., to) left the record unread. */
  skipTo(to: number): void {
    this._position = to;
    this.parser.skipTo(to);
    if (this.open !== undefined && this.hasStartMark) this.finish(null, to);
  }

  /** The shell ended, with the command that ran. */
  end(exitCode: number | null, offset: number): void {
    if (this.runningFrom !== undefined) this.finish(exitCode, offset);
    this.submitted.length = 0;
  }

  private mark(mark: PromptMark): void {
    switch (mark.kind) {
      case 'A':
        // A command whose end was lost.
        if (this.hasStartMark && this.open !== undefined) this.finish(null, mark.from);
        this._isAtPrompt = true;
        return;
      case 'B':
        if (!this.hasStartMark) this.open = { from: mark.to, startedAt: undefined };
        return;
      case 'C':
        this._isAtPrompt = false;
        this.open = { from: mark.to, startedAt: mark.to };
        return;
      case 'D':
        this._isAtPrompt = false;
        if (this.open !== undefined) this.finish(mark.exitCode, mark.from);
        return;
    }
  }

  private finish(exitCode: number | null, to: number): void {
    const { open } = this;
    if (open === undefined) return;
    this.open = undefined;
    this.lastStartedAt = open.startedAt ?? to;
    const [oldest] = this.submitted;
    const isSubmitted = oldest !== undefined && this.lastStartedAt > oldest.offset;
    if (isSubmitted) this.submitted.shift();
    this._last = { exitCode, from: open.from, to, line: isSubmitted ? oldest.line : undefined };
  }

  /** Without start marks, the end of the typed line is the best sign that a command began. */
  private noteNewline(chunk: Uint8Array, offset: number, from: number, to: number): void {
    const { open } = this;
    if (this.hasStartMark || open === undefined || open.startedAt !== undefined) return;
    const index = chunk
      .subarray(0, Math.max(0, to - offset))
      .indexOf(newline, Math.max(from, open.from) - offset);
    if (index === -1) return;
    open.startedAt = offset + index + 1;
    this._isAtPrompt = false;
  }
}
