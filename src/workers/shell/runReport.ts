import type { Clock } from '../../base/clock.ts';
import type { Disposable } from '../../base/disposable.ts';
import type { ErrorShape } from '../../base/errors.ts';
import type { RunnerResult, RunnerStep } from '../../core/runs/run.ts';
import type {
  RunEventData,
  RunEventType,
  ShellRunSpec,
  StepExecutionResult,
} from '../../core/runs/runEvents.ts';

export type EmitRunEvent = <T extends RunEventType>(type: T, data: RunEventData[T]) => void;
export type StepOutcome = StepExecutionResult['outcome'];
export type RunOutcome = RunnerResult['outcome'];

/** Ten a second, as runEvents.ts promises. */
const outputIntervalMs = 100;

/**
 * Tells the story of a run in the events of contract 004 and in their order. It decides nothing: the runner tells it
 * what happened. After `finish` or `fail` nothing more is told.
 */
export class RunReport implements Disposable {
  private readonly spec: ShellRunSpec;
  private readonly emit: EmitRunEvent;
  private readonly clock: Clock;
  private readonly ended: EndedStep[] = [];
  private open: OpenStep | undefined;
  private lastOutputMs = Number.NEGATIVE_INFINITY;
  private outputTimer: Disposable | undefined;

  constructor(spec: ShellRunSpec, emit: EmitRunEvent, clock: Clock) {
    this.spec = spec;
    this.emit = emit;
    this.clock = clock;
  }

  begin(): void {
    this.emit('response.in_progress', { status: 'running', run_id: this.spec.runId });
    this.emit('runner.started', {
      task: this.spec.task,
      max_steps: this.spec.commands.length,
      platform: this.spec.platform,
    });
    this.emit('runner.steps.planned', { commands: this.spec.commands });
  }

  marks(mode: 'marks' | 'process', reason: string | null): void {
    this.emit('runner.shell.marks', { shell: this.spec.shell, mode, reason });
  }

  terminal(terminalId: string, args: readonly string[], pid: number): void {
    const { shell, cwd, cols, rows } = this.spec;
    this.emit('runner.terminal', { terminal_id: terminalId, shell, args, cwd, cols, rows, pid });
  }

  abortRequested(reason: string): void {
    this.emit('runner.abort.requested', { reason });
  }

  get openStep(): number | undefined {
    return this.open?.index;
  }

  /** @param from offset of the first byte of its output in the terminal's record. */
  stepStarted(index: number, terminalId: string, from: number): void {
    const command = this.spec.commands[index - 1] ?? '';
    this.open = { index, command, terminalId, from, to: from, reportedTo: -1, startedMs: this.clock.now() };
    this.emit('runner.step.started', { step: index });
    this.emit('runner.step.agent_response', {
      step: index,
      action: command,
      exec_code: command,
      normalized_action: command.trim().toUpperCase(),
      info: this.stepInfo(),
    });
    this.emit('runner.step.execution.started', {
      step: index,
      mode: 'controller_execute',
      exec_code: command,
    });
  }

  /** The open step's output reaches to `to` now. Told at once or, within 100 ms of the last time, a little later. */
  stepOutput(to: number): void {
    const open = this.open;
    if (open === undefined || to < open.to) return;
    open.to = to;
    const waitMs = this.lastOutputMs + outputIntervalMs - this.clock.now();
    if (waitMs <= 0) this.tellOutput(open);
    else this.outputTimer ??= this.clock.setTimer(waitMs, () => this.tellLateOutput());
  }

  /** @param exitCode null where the step did not end by itself. */
  stepEnded(to: number, exitCode: number | null, outcome: StepOutcome): void {
    const open = this.open;
    if (open === undefined) return;
    open.to = Math.max(to, open.from);
    this.stopOutputTimer();
    if (open.reportedTo !== open.to) this.tellOutput(open);
    this.open = undefined;

    const result: StepExecutionResult = {
      exit_code: exitCode,
      duration_ms: Math.max(0, this.clock.now() - open.startedMs),
      terminal_id: open.terminalId,
      output_from: open.from,
      output_to: open.to,
      outcome,
    };
    this.ended.push({ index: open.index, command: open.command, result });
    this.emit('runner.step.execution.completed', {
      step: open.index,
      mode: 'controller_execute',
      did_click: false,
      result,
    });
    const isLast = open.index === this.spec.commands.length;
    this.emit('runner.step.completed', {
      step: open.index,
      action: open.command,
      ...(outcome !== 'succeeded'
        ? ({ status: 'failed', completion_reason: 'FAIL' } as const)
        : isLast
          ? ({ status: 'success', completion_reason: 'DONE' } as const)
          : ({ status: 'in_progress', completion_reason: null } as const)),
    });
  }

  /** @param tails the last part of each ended step's output, in their order. */
  finish(outcome: RunOutcome, tails: readonly string[]): void {
    const verdict = verdictOf(outcome);
    const steps = this.ended.map((step, index) => this.runnerStep(step, tails[index] ?? ''));
    this.emit('runner.completed', { ...verdict, steps: steps.length });
    this.emit('response', {
      run_id: this.spec.runId,
      task: this.spec.task,
      ...verdict,
      outcome,
      steps,
      grounding_prompts: {},
    });
    this.emit('response.completed', { ...verdict, outcome });
  }

  /** There is no result: the shell could not be started, or this worker failed. */
  fail(error: ErrorShape): void {
    const data = { error: error.message, reason: error.reason };
    this.emit('response.failed', data);
    this.emit('error', data);
  }

  dispose(): void {
    this.stopOutputTimer();
  }

  private tellLateOutput(): void {
    this.outputTimer = undefined;
    if (this.open !== undefined && this.open.reportedTo !== this.open.to) this.tellOutput(this.open);
  }

  private tellOutput(open: OpenStep): void {
    open.reportedTo = open.to;
    this.lastOutputMs = this.clock.now();
    this.emit('runner.step.output', {
      step: open.index,
      terminal_id: open.terminalId,
      from: open.from,
      to: open.to,
    });
  }

  private stopOutputTimer(): void {
    this.outputTimer?.dispose();
    this.outputTimer = undefined;
  }

  private stepInfo(): Record<string, unknown> {
    return { engine: 'shell', shell: this.spec.shell };
  }

  private runnerStep(step: EndedStep, tail: string): RunnerStep {
    return {
      step_index: step.index,
      plan: step.command,
      action: step.command,
      exec_code: step.command,
      execution_result: { ...step.result, output_tail: tail },
      reflection: null,
      reflection_thoughts: null,
      info: this.stepInfo(),
      behavior_fact_thoughts: null,
      behavior_fact_answer: null,
      action_kind: 'gui',
    };
  }
}

interface OpenStep {
  readonly index: number;
  readonly command: string;
  readonly terminalId: string;
  readonly from: number;
  readonly startedMs: number;
  to: number;
  reportedTo: number;
}

interface EndedStep {
  readonly index: number;
  readonly command: string;
  readonly result: StepExecutionResult;
}

/** The contract's pairs: success ↔ DONE, failed ↔ FAIL, timeout ↔ MAX_STEPS_REACHED. */
function verdictOf(outcome: RunOutcome): Pick<RunnerResult, 'status' | 'completion_reason'> {
  switch (outcome) {
    case 'succeeded':
      return { status: 'success', completion_reason: 'DONE' };
    case 'timed_out':
      return { status: 'timeout', completion_reason: 'MAX_STEPS_REACHED' };
    case 'failed':
    case 'cancelled':
      return { status: 'failed', completion_reason: 'FAIL' };
  }
}
