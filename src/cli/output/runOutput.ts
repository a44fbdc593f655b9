import type { FollowSink, TerminalFollower } from '../../core/ports/processHost.ts';
import { PlainText } from '../../core/terminals/plainText.ts';
import { StepGate } from './stepGate.ts';

const newline = 0x0a;

export interface RunOutputOptions {
  follow(terminalId: string, sink: FollowSink): Promise<TerminalFollower>;
  /** Resolves once the bytes are taken; until then no more than the follower's window is read on. */
  write(bytes: Buffer, step: number): Promise<void>;
  /** The record no longer held so many bytes of output. */
  onLost(bytes: number): void;
  /** A terminal could not be read. */
  onError(error: unknown): void;
}

/**
 * What the steps of a run print, as it comes, in order and without anything else. It is told of terminals and steps by
 * the run's events; terminals are read one after the other, as the run uses them.
 */
export class RunOutput {
  private readonly options: RunOutputOptions;
  private readonly streams: TerminalStream[] = [];
  private readonly plain = new PlainText();
  private texts: Promise<void> = Promise.resolve();
  /** Whose text ends within a line. */
  private textStep: number | undefined;
  private hasRunEnded = false;
  private readonly done = Promise.withResolvers<void>();

  constructor(options: RunOutputOptions) {
    this.options = options;
  }

  addTerminal(terminalId: string): void {
    if (this.streams.some((stream) => stream.terminalId === terminalId)) return;
    this.streams.push(new TerminalStream(terminalId, this.options, () => this.advance()));
    this.advance();
  }

  stepReaches(step: number, terminalId: string, from: number, to: number, isFinal: boolean): void {
    this.streams
      .find((stream) => stream.terminalId === terminalId)
      ?.gate.stepReaches(step, from, to, isFinal);
    this.advance();
  }

  /** What a coding agent or a model says: shown, never obeyed, and ended by a new line. */
  addText(step: number, text: string): void {
    const bytes = Buffer.from(this.plain.push(Buffer.from(text)));
    if (bytes.length === 0) return;
    // What another step said ended where it ended.
    if (this.textStep !== undefined && this.textStep !== step)
      this.writeText(Buffer.from('\n'), this.textStep);
    this.textStep = bytes.at(-1) === newline ? undefined : step;
    this.writeText(bytes, step);
  }

  /** What the step says next does not go on from what it has said. */
  breakText(step: number): void {
    if (this.textStep === step) this.addText(step, '\n[The answer broke off, and is asked for again.]\n');
  }

  /** No more will be told. Resolves once everything that can be had is written. */
  async finish(): Promise<void> {
    this.hasRunEnded = true;
    this.advance();
    await this.done.promise;
    if (this.textStep !== undefined) this.writeText(Buffer.from('\n'), this.textStep);
    await this.texts;
  }

  private writeText(bytes: Buffer, step: number): void {
    this.texts = this.texts.then(() => this.options.write(bytes, step));
  }

  private advance(): void {
    for (let stream = this.streams[0]; stream !== undefined; stream = this.streams[0]) {
      stream.start();
      const isLast = this.streams.length === 1 && !this.hasRunEnded;
      if (isLast || !stream.isThrough) return;
      stream.dispose();
      this.streams.shift();
    }
    if (this.hasRunEnded) this.done.resolve();
  }
}

class TerminalStream {
  readonly terminalId: string;
  readonly gate: StepGate;
  private readonly options: RunOutputOptions;
  private readonly onChange: () => void;
  private follower: TerminalFollower | undefined;
  private ackedTo = 0;
  private pendingWrites = 0;
  private isStarted = false;
  private hasEnded = false;

  constructor(terminalId: string, options: RunOutputOptions, onChange: () => void) {
    this.terminalId = terminalId;
    this.options = options;
    this.onChange = onChange;
    this.gate = new StepGate((bytes, step) => this.write(bytes, step));
  }

  /** Nothing of it is still to be written. Only meaningful once all of its steps are known. */
  get isThrough(): boolean {
    return this.pendingWrites === 0 && (this.gate.isSettled || this.hasEnded);
  }

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.options
      .follow(this.terminalId, {
        onData: (data) => {
          this.gate.data(data);
          this.ack();
        },
        onGap: (_from, to) => {
          const lost = this.gate.skipTo(to);
          if (lost > 0) this.options.onLost(lost);
        },
        onEnd: () => this.end(),
        onLost: () => this.end(),
      })
      .then(
        (follower) => {
          this.follower = follower;
          this.ack();
        },
        (error: unknown) => {
          this.options.onError(error);
          this.end();
        },
      );
  }

  dispose(): void {
    this.follower?.dispose();
  }

  private end(): void {
    this.hasEnded = true;
    this.onChange();
  }

  private write(bytes: Buffer, step: number): void {
    const usedTo = this.gate.usedOffset;
    this.pendingWrites++;
    void this.options.write(bytes, step).then(() => {
      this.pendingWrites--;
      this.ack(usedTo);
      this.onChange();
    });
  }

  /** Only what was written, or is no output, is acknowledged: the rest keeps the sender waiting. */
  private ack(usedTo = this.pendingWrites > 0 ? this.ackedTo : this.gate.usedOffset): void {
    this.ackedTo = Math.max(this.ackedTo, usedTo);
    this.follower?.ack(this.ackedTo);
  }
}
