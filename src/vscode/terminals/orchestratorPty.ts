import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable.ts';
import { type ErrorShape, OrchestratorError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { TerminalExitStatus, TerminalFollower } from '../../core/ports/processHost.ts';
import { describeExit } from '../../core/terminals/terminalEvents.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { InputQueue, OutputPump, splitText } from './outputPump.ts';

export interface OrchestratorPtyOptions {
  readonly terminals: LiveOrchestrator['terminals'];
  readonly logger: Logger;
  /** A round trip to the window. */
  readonly reachWindow: () => Promise<void>;
  readonly scrollback: () => number;
  /** Which terminal this view shows: it may still be starting. */
  readonly terminal: Promise<Terminal>;
}

/** VS Code gathers what an extension terminal writes for 5 ms before it sends it to the window. */
const editorBufferMs = 6;
/** A window that does not answer for so long is taken for closed. */
const windowPatienceMs = 3_000;
/** A program that fails sooner than this leaves its text to be read. */
const quickFailureMs = 3_000;
/** Sizes that come sooner than this after one of ours belong to the same dragging of the panel. */
const resizeSettleMs = 500;

const dim = (text: string): string => `\u001b[2m${text}\u001b[0m`;
const note = (text: string): string => `\r\n${dim(text)}\r\n`;

/**
 * The view of one terminal: its screen at some offset, then the bytes from there. It owns nothing but the view;
 * closing it detaches.
 */
export class OrchestratorPty implements vscode.Pseudoterminal {
  private readonly options: OrchestratorPtyOptions;
  private readonly writeEmitter = new vscode.EventEmitter<string>();
  private readonly closeEmitter = new vscode.EventEmitter<number | undefined>();
  private readonly nameEmitter = new vscode.EventEmitter<string>();
  private readonly dimensionsEmitter = new vscode.EventEmitter<vscode.TerminalDimensions | undefined>();
  private readonly input: InputQueue;
  private readonly pump: OutputPump;
  private follower: TerminalFollower | undefined;
  /** What is shown is not cleaned away. */
  private holding: Disposable | undefined;
  private acknowledged = 0;
  /** One past the last byte that came, acknowledged or not. */
  private received = 0;
  private following: Promise<void> = Promise.resolve();
  private dimensions: vscode.TerminalDimensions | undefined;
  private resizedAt = 0;
  private sizeTimer: NodeJS.Timeout | undefined;
  private isOverridden = false;
  private isOpen = false;
  private isAttached = false;
  private isClosed = false;
  /** The process is gone and its text stays: a key closes the tab. */
  private isWaitingForKey = false;
  private waitForDimensions: (() => void) | undefined;
  private pendingName: string | undefined;

  readonly onDidWrite = this.writeEmitter.event;
  readonly onDidClose = this.closeEmitter.event as vscode.Event<void | number>;
  readonly onDidChangeName = this.nameEmitter.event;
  readonly onDidOverrideDimensions = this.dimensionsEmitter.event;

  /** Its id, once it is known. */
  terminalId: string | undefined;

  constructor(options: OrchestratorPtyOptions) {
    this.options = options;
    this.input = new InputQueue(
      async (text) => await options.terminals.write((await options.terminal).id, text),
      (error) => {
        this.reportInputError(error);
      },
    );
    this.pump = new OutputPump({
      write: (text) => this.writeEmitter.fire(text),
      settle: async () => {
        await delay(editorBufferMs);
        await this.reachWindow();
      },
      acknowledge: (offset) => {
        this.acknowledged = offset;
        this.follower?.ack(offset);
      },
    });
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    this.isOpen = true;
    this.dimensions = dimensions;
    if (this.pendingName !== undefined) this.nameEmitter.fire(this.pendingName);
    void this.attach().catch((error: unknown) => {
      this.failToAttach(error);
    });
  }

  close(): void {
    this.isClosed = true;
    this.waitForDimensions?.();
    clearTimeout(this.sizeTimer);
    this.pump.stop();
    this.holding?.dispose();
    this.follower?.dispose();
    this.follower = undefined;
    for (const emitter of [this.writeEmitter, this.closeEmitter, this.nameEmitter, this.dimensionsEmitter]) {
      emitter.dispose();
    }
  }

  handleInput(data: string): void {
    if (this.isWaitingForKey) {
      this.isWaitingForKey = false;
      this.closeEmitter.fire(undefined);
      return;
    }
    this.input.push(data);
  }

  setDimensions(dimensions: vscode.TerminalDimensions): void {
    const before = this.dimensions;
    this.dimensions = dimensions;
    this.waitForDimensions?.();
    if (before?.columns === dimensions.columns && before.rows === dimensions.rows) return;
    if (!this.isAttached || this.terminalId === undefined) return;
    this.resizedAt = Date.now();
    this.options.terminals
      .resize(this.terminalId, dimensions.columns, dimensions.rows)
      .catch((error: unknown) => {
        this.options.logger.debug('a resize was not taken', error);
      });
  }

  /** The tab's title; kept until the tab is there. */
  setName(name: string): void {
    if (this.isOpen) this.nameEmitter.fire(name);
    else this.pendingName = name;
  }

  private async attach(): Promise<void> {
    const { terminals, scrollback } = this.options;
    const terminal = await this.options.terminal;
    this.terminalId = terminal.id;
    if (!this.isClosed) this.holding = terminals.hold(terminal.id);
    // A tab that was never shown has no size: what it would show is drawn once, when someone looks.
    if (this.dimensions === undefined) await this.nextDimensions();
    if (this.isClosed) return;
    const size = this.dimensions;
    const isAlive = terminals.get(terminal.id).state !== 'exited';
    if (isAlive && size !== undefined) {
      this.resizedAt = Date.now();
      await terminals.resize(terminal.id, size.columns, size.rows);
    }
    const snapshot = await terminals.snapshot(terminal.id, {
      scrollback: scrollback(),
      ...(size === undefined ? {} : { cols: size.columns, rows: size.rows }),
    });
    if (this.isStopped()) return;
    if (terminal.managedBy !== null && isAlive) {
      this.writeEmitter.fire(
        `${dim(`Owned by ${terminal.managedBy}. What you type goes to the same program.`)}\r\n`,
      );
    }
    for (const piece of splitText(snapshot.data, 64 * 1024)) this.writeEmitter.fire(piece);
    const ended = terminals.get(terminal.id);
    if (ended.state === 'exited' && ended.exit !== undefined && !isAlive) {
      this.stayForReading(describeExit(ended.exit));
      return;
    }
    await this.follow(terminal, snapshot.offset, true);
    if (this.isStopped()) return;
    this.isAttached = true;
    const now = this.dimensions;
    if (now !== size && now !== undefined) this.setDimensionsAgain(now);
  }

  private async follow(terminal: Terminal, from: number, isForeground: boolean): Promise<void> {
    this.received = from;
    const follower = await this.options.terminals.follow(
      terminal.id,
      { from, isForeground },
      {
        onData: (data, offset) => {
          this.received = offset + data.byteLength;
          this.pump.push(data, offset);
        },
        onGap: (gapFrom, to) => {
          this.received = to;
          this.writeEmitter.fire(note(`[${to - gapFrom} bytes of output are no longer kept]`));
        },
        onEnd: (exit) => void this.end(exit, Date.now() - terminal.createdAt),
        onResize: (cols, rows) => {
          this.noteSize(cols, rows);
        },
        onLost: (error) => void this.lose(error),
      },
    );
    if (this.isStopped()) {
      follower.dispose();
      return;
    }
    this.follower = follower;
    // The first bytes may have come before the follower did.
    if (this.acknowledged > 0) follower.ack(this.acknowledged);
  }

  /**
   * A page that was closed, or a machine that sleeps, leaves this extension host alive with nobody behind it. The
   * program must not stand still for that: from here on it is read like by anyone else, until the window answers.
   */
  private async reachWindow(): Promise<void> {
    let hasWaited = false as boolean;
    const patience = setTimeout(() => {
      hasWaited = true;
      this.followAgain(false);
    }, windowPatienceMs);
    try {
      await this.options.reachWindow();
    } finally {
      clearTimeout(patience);
    }
    if (hasWaited) this.followAgain(true);
  }

  private followAgain(isForeground: boolean): void {
    // One after the other: a follower that is not there yet cannot be replaced.
    this.following = this.following
      .then(async () => {
        if (this.isClosed || this.follower === undefined) return;
        this.follower.dispose();
        this.follower = undefined;
        await this.follow(await this.options.terminal, this.received, isForeground);
      })
      .catch((error: unknown) => {
        this.failToAttach(error);
      });
  }

  /** Read through a method, because a `close` may come during any await. */
  private isStopped(): boolean {
    return this.isClosed;
  }

  private setDimensionsAgain(dimensions: vscode.TerminalDimensions): void {
    this.dimensions = undefined;
    this.setDimensions(dimensions);
  }

  private nextDimensions(): Promise<void> {
    return new Promise((resolve) => {
      this.waitForDimensions = () => {
        this.waitForDimensions = undefined;
        resolve();
      };
    });
  }

  /** Someone else may have changed the size: then show the screen as it is laid out, until this view is resized. */
  private noteSize(columns: number, rows: number): void {
    clearTimeout(this.sizeTimer);
    const check = (): void => {
      if (this.isClosed) return;
      const isOurs = this.dimensions?.columns === columns && this.dimensions.rows === rows;
      if (isOurs && !this.isOverridden) return;
      this.isOverridden = !isOurs;
      this.dimensionsEmitter.fire(isOurs ? undefined : { columns, rows });
    };
    this.sizeTimer = setTimeout(check, Math.max(0, this.resizedAt + resizeSettleMs - Date.now()));
  }

  private async end(exit: TerminalExitStatus, livedMs: number): Promise<void> {
    await this.pump.drain();
    if (this.isClosed) return;
    const hasFailed = exit.exitCode !== 0;
    if (exit.reason === 'killed') this.closeEmitter.fire(undefined);
    else if (!hasFailed) this.closeEmitter.fire(0);
    else if (livedMs < quickFailureMs || exit.exitCode === null) this.stayForReading(describeExit(exit));
    else {
      this.writeEmitter.fire(note(`[${describeExit(exit)}]`));
      this.closeEmitter.fire(exit.exitCode);
    }
  }

  private async lose(error: ErrorShape): Promise<void> {
    await this.pump.drain();
    this.options.logger.warn(`a terminal lost its process host: ${error.message}`);
    this.stayForReading('The process host ended, and this terminal with it. Its output is saved.');
  }

  private stayForReading(text: string): void {
    if (this.isClosed) return;
    this.writeEmitter.fire(note(`[${text} Press any key to close this tab.]`));
    this.isWaitingForKey = true;
  }

  private failToAttach(error: unknown): void {
    if (this.isClosed) return;
    const known = OrchestratorError.from(error);
    this.options.logger.error(`a terminal could not be shown: ${known.message}`, error);
    this.stayForReading(known.message);
  }

  private reportInputError(error: unknown): void {
    const known = OrchestratorError.from(error);
    // Keys typed into what has just ended are nobody's problem.
    if (known.reason === 'terminal_ended') return;
    this.options.logger.warn(`input was not taken: ${known.message}`, error);
  }
}
