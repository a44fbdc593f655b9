import type { Disposable } from '../base/disposable.ts';
import { DisposableStore, toDisposable } from '../base/disposable.ts';
import { isLastRunEvent, type OrchestratorAccess, type RunReport } from '../core/orchestratorAccess.ts';
import type { CommandContext } from './commandContext.ts';
import { exitCode } from './exitCodes.ts';
import { isInForeground } from './foreground.ts';

/** Two Ctrl-C within this time mean the run, not the program. */
const doublePressMs = 1_000;
/** An abort needs less. Who asks again after it wants to leave, whatever becomes of the run. */
const abortPatienceMs = 2_000;
const interrupt = 0x03;
const endOfFile = 0x04;
const lineFeed = 0x0a;

/**
 * What goes into a run: keys, signals and the size of the window.
 *
 * On a terminal, everything typed goes to the program, Ctrl-C too; a second Ctrl-C within a second aborts the run. Else
 * the first signal aborts it; a further one, 2 s later, leaves at once. Standard input that is no terminal is only read
 * with `--stdin`; its end is passed on as Ctrl-D.
 */
export class RunInput implements Disposable {
  private readonly access: OrchestratorAccess;
  private readonly context: CommandContext;
  private readonly forwardsInput: boolean;
  private readonly disposables = new DisposableStore();
  private writing: Promise<void> = Promise.resolve();
  private lastInterruptMs = Number.NEGATIVE_INFINITY;
  private lastByte = lineFeed;
  private abortedMs: number | undefined;
  private terminalId: string | undefined;
  private readonly begun = Promise.withResolvers<void>();

  constructor(access: OrchestratorAccess, context: CommandContext, forwardsInput: boolean) {
    this.access = access;
    this.context = context;
    this.forwardsInput = forwardsInput;
  }

  /** By a key or a signal. */
  get wasAborted(): boolean {
    return this.abortedMs !== undefined;
  }

  start(abort: () => void): void {
    const onAbort = (): void => {
      if (this.abortedMs === undefined) {
        this.abortedMs = performance.now();
        abort();
      } else if (performance.now() - this.abortedMs > abortPatienceMs) {
        // The worker ends the run by itself, whether we wait or not.
        process.exit(exitCode.cancelled);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, onAbort);
      this.disposables.add(toDisposable(() => process.off(signal, onAbort)));
    }
    const { stdin } = process;
    if (stdin.isTTY && this.context.out.isTty && !this.context.isJson) {
      if (isInForeground()) this.forwardKeys(onAbort);
    } else if (this.forwardsInput && !stdin.isTTY) {
      this.forwardPipe();
    }
    if (this.context.out.isTty) this.disposables.add(this.context.out.onDidResize(() => this.resize()));
  }

  /** What the run reports, in order. */
  note(event: RunReport): void {
    const { terminal_id: terminalId } = event.data;
    if (event.type === 'runner.terminal' && typeof terminalId === 'string') this.terminalId = terminalId;
    if (event.type === 'runner.step.started' || isLastRunEvent(event)) this.begun.resolve();
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private forwardKeys(abort: () => void): void {
    this.listen((bytes) => {
      if (bytes.includes(interrupt)) {
        const nowMs = performance.now();
        const isDouble = nowMs - this.lastInterruptMs < doublePressMs;
        this.lastInterruptMs = nowMs;
        if (isDouble) {
          abort();
          return;
        }
      }
      // Not held up by what is still on its way: the next key may be the one that ends the run.
      void this.send(bytes);
    });
    const { stdin } = process;
    stdin.setRawMode(true);
    this.disposables.add(toDisposable(() => stdin.setRawMode(false)));
  }

  private forwardPipe(): void {
    this.listen((bytes) => {
      process.stdin.pause();
      void this.send(bytes).then(() => {
        if (!this.disposables.isDisposed) process.stdin.resume();
      });
    });
    const onEnd = (): void => {
      // In the middle of a line the first Ctrl-D only ends the line.
      void this.send(Buffer.of(endOfFile, ...(this.lastByte === lineFeed ? [] : [endOfFile])));
    };
    process.stdin.once('end', onEnd);
    this.disposables.add(toDisposable(() => process.stdin.off('end', onEnd)));
  }

  private listen(onData: (bytes: Buffer) => void): void {
    const { stdin } = process;
    stdin.on('data', onData);
    this.disposables.add(
      toDisposable(() => {
        stdin.off('data', onData);
        // A pipe that nobody closes would keep us from ending.
        stdin.destroy();
      }),
    );
  }

  /** In order; what is typed before the first step has begun waits for it, so that its echo is part of the output. */
  private send(bytes: Buffer): Promise<void> {
    this.lastByte = bytes.at(-1) ?? this.lastByte;
    this.writing = this.writing
      .then(async () => {
        await this.begun.promise;
        if (this.terminalId !== undefined) await this.access.writeTerminal(this.terminalId, bytes);
      })
      // The program has ended: nobody is there to read it.
      .catch(() => undefined);
    return this.writing;
  }

  private resize(): void {
    const { columns, rows } = this.context.out;
    const { terminalId } = this;
    if (terminalId === undefined || columns === undefined || rows === undefined) return;
    this.access.resizeTerminal(terminalId, columns, rows).catch(() => undefined);
  }
}
