import type { Clock } from '../../base/clock.ts';
import { type Disposable, DisposableStore } from '../../base/disposable.ts';
import { OrchestratorError } from '../../base/errors.ts';
import type { IdSource } from '../../base/ids.ts';
import type { ProcessHost, TerminalExit, TerminalStatus } from '../../core/ports/processHost.ts';
import type { ShellRunSpec } from '../../core/runs/runEvents.ts';
import type { WriteDriverFile } from './driverFile.ts';
import { followToEnd } from './followToEnd.ts';
import { type Mark, MarkParser } from './markParser.ts';
import { outputTail, outputTailBytes } from './outputText.ts';
import { type EmitRunEvent, type RunOutcome, RunReport } from './runReport.ts';
import {
  driverArguments,
  driverScript,
  programName,
  type ShellFamily,
  shellFamilyOf,
  singleCommandArguments,
} from './shellDriver.ts';
import { exitCodeOf, type StepChange, StepTracker } from './stepTracker.ts';
import { Stopper } from './stopper.ts';

export type RunnerTerminals = Pick<
  ProcessHost,
  'spawnTerminal' | 'followTerminal' | 'writeTerminal' | 'killTerminal' | 'readTerminal'
>;

export interface ShellRunnerDependencies {
  readonly emit: EmitRunEvent;
  readonly terminals: RunnerTerminals;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly writeDriverFile: WriteDriverFile;
}

/** The longest that a timer can wait, 24.8 days. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Runs the steps of one task in a shell and reports them. `run` ends when everything was reported; it rejects only
 * where not even that could be done (the process host is gone).
 */
export class ShellRunner implements Disposable {
  private readonly spec: ShellRunSpec;
  private readonly dependencies: ShellRunnerDependencies;
  private readonly disposables = new DisposableStore();
  private readonly report: RunReport;
  private readonly stopper: Stopper;
  private readonly tails: Promise<string>[] = [];
  private openFrom = 0;
  private hasFailed = false;

  constructor(spec: ShellRunSpec, dependencies: ShellRunnerDependencies) {
    this.spec = spec;
    this.dependencies = dependencies;
    this.report = this.disposables.add(new RunReport(spec, dependencies.emit, dependencies.clock));
    this.stopper = this.disposables.add(new Stopper(dependencies.terminals, dependencies.clock));
  }

  /** Ends the run as cancelled. May be called at any time, also before `run`. */
  abort(reason: string): void {
    if (this.stopper.request('cancelled')) this.report.abortRequested(reason);
  }

  async run(): Promise<void> {
    this.report.begin();
    const { timeoutMs } = this.spec;
    if (timeoutMs !== null) {
      this.disposables.add(
        this.dependencies.clock.setTimer(Math.min(timeoutMs, maxTimerMs), () => {
          this.stopper.request('timed_out');
        }),
      );
    }
    try {
      const family = shellFamilyOf(this.spec.shell);
      if (family === undefined) await this.runInProcesses();
      else await this.runWithMarks(family);
      await this.stopper.settled();
      this.report.finish(this.outcome(), await Promise.all(this.tails));
    } catch (error) {
      await this.stopper.settled();
      this.report.fail(OrchestratorError.from(error).toShape());
    }
  }

  dispose(): void {
    this.disposables.dispose();
  }

  private outcome(): RunOutcome {
    return this.stopper.outcome() ?? (this.hasFailed ? 'failed' : 'succeeded');
  }

  /** All steps in one shell, told apart by the marks of the driver script. */
  private async runWithMarks(family: ShellFamily): Promise<void> {
    const { commands, shell } = this.spec;
    if (this.stopper.outcome() !== undefined) return;
    this.report.marks('marks', null);
    const nonce = this.dependencies.ids.hexId();
    const script = await this.dependencies.writeDriverFile(driverScript(family, commands, nonce));
    try {
      const terminal = await this.spawn(driverArguments(shell, script.path));
      const parser = new MarkParser(nonce);
      const tracker = new StepTracker(commands.length);
      const exit = await followToEnd(this.dependencies.terminals, terminal.id, {
        onData: (data) => {
          const marks = parser.push(data);
          // The shell reads all of the script before it prints the first mark.
          if (marks.length > 0) script.remove();
          for (const mark of marks) this.applyMark(mark, tracker, terminal.id);
          const outputEnd = tracker.outputEnd(parser.settledOffset);
          if (outputEnd !== undefined) this.report.stepOutput(outputEnd);
        },
        onGap: (from, to) => {
          parser.skipTo(to);
          tracker.skipped(from, to);
        },
      });
      this.apply(tracker.shellEnded(exit, exit.end), terminal.id);
      if (!tracker.hasStarted && this.stopper.outcome() === undefined) {
        throw await this.shellEndedEarly(terminal.id, exit);
      }
    } finally {
      script.remove();
    }
  }

  /** Each step a process of its own, in a terminal of its own. */
  private async runInProcesses(): Promise<void> {
    const { commands, shell } = this.spec;
    if (this.stopper.outcome() !== undefined) return;
    this.report.marks(
      'process',
      `${programName(shell)} is not a shell of the Bourne family, so each command ran in a process of its own, ` +
        'and cd and variables do not carry over.',
    );
    for (const [index, command] of commands.entries()) {
      const terminal = await this.spawn(singleCommandArguments(shell, command));
      this.apply([{ type: 'started', step: index + 1, from: 0 }], terminal.id);
      const exit = await followToEnd(this.dependencies.terminals, terminal.id, {
        onData: (data, offset) => this.report.stepOutput(offset + data.length),
      });
      this.apply([{ type: 'ended', step: index + 1, to: exit.end, exitCode: exitCodeOf(exit) }], terminal.id);
      if (this.hasFailed || this.stopper.outcome() !== undefined) return;
    }
  }

  private async spawn(args: readonly string[]): Promise<TerminalStatus> {
    const { shell, cwd, env, cols, rows } = this.spec;
    const status = await this.dependencies.terminals.spawnTerminal({
      id: this.dependencies.ids.uuidV4(),
      file: shell,
      args,
      cwd,
      env,
      cols,
      rows,
    });
    this.report.terminal(status.id, args, status.pid);
    this.stopper.watch(status.id);
    return status;
  }

  private applyMark(mark: Mark, tracker: StepTracker, terminalId: string): void {
    this.apply(tracker.mark(mark), terminalId);
    // A step that ends on Ctrl-C with success would let the next one begin.
    if (mark.kind === 'end') this.stopper.hurry();
  }

  private apply(changes: readonly StepChange[], terminalId: string): void {
    const stopped = this.stopper.outcome();
    for (const change of changes) {
      if (change.type === 'started') {
        this.openFrom = change.from;
        this.report.stepStarted(change.step, terminalId, change.from);
        continue;
      }
      this.tails.push(this.readTail(terminalId, this.openFrom, change.to));
      if (change.exitCode === 0) {
        this.report.stepEnded(change.to, 0, 'succeeded');
      } else if (stopped !== undefined) {
        this.report.stepEnded(change.to, null, stopped);
      } else {
        this.hasFailed = true;
        this.report.stepEnded(change.to, change.exitCode, 'failed');
      }
    }
  }

  /** Never rejects: a result without this text is better than none. */
  private async readTail(terminalId: string, from: number, to: number): Promise<string> {
    const start = Math.max(from, to - outputTailBytes);
    if (start >= to) return '';
    try {
      const bytes = await this.dependencies.terminals.readTerminal(terminalId, start, to);
      return outputTail(bytes.data, bytes.from > from);
    } catch {
      return '';
    }
  }

  private async shellEndedEarly(terminalId: string, exit: TerminalExit): Promise<OrchestratorError> {
    const said = (await this.readTail(terminalId, 0, exit.end)).trim();
    return new OrchestratorError(
      'FAILED_PRECONDITION',
      'spawn_failed',
      `The shell ${this.spec.shell} ended with exit code ${exitCodeOf(exit)} before it ran the first command` +
        (said === '' ? '. ' : `: ${said} `) +
        'Check its start-up files, or choose another shell.',
    );
  }
}
