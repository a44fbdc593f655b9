import type { Clock } from '../../base/clock.ts';
import type { ErrorShape } from '../../base/errors.ts';
import type { ContainerTaskSpec } from '../../core/containerTasks/containerTaskSpec.ts';
import type { RunnerResult } from '../../core/runs/run.ts';
import type { RunEventData, RunEventType, StepExecutionResult } from '../../core/runs/runEvents.ts';
import { contractEnding } from '../../core/runs/runResult.ts';

/** Resolves once the event is journaled. */
export type EmitTaskEvent<E extends RunEventType = RunEventType> = <T extends E>(
  type: T,
  data: RunEventData[T],
) => Promise<void>;

/** How the program of the task ended, as far as it is known. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  /** `exited`, `killed`, or what the container manager says, such as `out_of_memory`. */
  readonly reason: string;
  /** For a person; null where the code says all. */
  readonly message: string | null;
}

interface ProgramOutput {
  readonly terminalId: string;
  to: number;
}

/** Ten a second, as runEvents.ts promises. */
const outputIntervalMs = 100;
const engine = 'container-task';

/** Tells the story of a container task as that of a run with one step: its program. */
export class TaskRunReport {
  private readonly spec: ContainerTaskSpec;
  private readonly emit: EmitTaskEvent;
  private readonly clock: Clock;
  private startedMs: number | undefined;
  private output: ProgramOutput | undefined;
  private toldAtMs = Number.NEGATIVE_INFINITY;
  private step: StepExecutionResult | undefined;

  constructor(spec: ContainerTaskSpec, emit: EmitTaskEvent, clock: Clock) {
    this.spec = spec;
    this.emit = emit;
    this.clock = clock;
  }

  begin(): void {
    const { runId, taskName, title, platform } = this.spec;
    this.tell('response.in_progress', { status: 'running', run_id: runId });
    this.tell('runner.started', { task: taskName, max_steps: 1, platform });
    this.tell('runner.steps.planned', { commands: [title] });
  }

  abortRequested(reason: string): void {
    this.tell('runner.abort.requested', { reason });
  }

  /** @param terminal where its output goes; a container's is kept by who made it. */
  programStarted(terminal?: RunEventData['runner.terminal']): void {
    const { title } = this.spec;
    this.startedMs = this.clock.now();
    if (terminal !== undefined) {
      this.output = { terminalId: terminal.terminal_id, to: 0 };
      this.tell('runner.terminal', terminal);
    }
    this.tell('runner.step.started', { step: 1 });
    this.tell('runner.step.execution.started', { step: 1, mode: 'controller_execute', exec_code: title });
  }

  programOutput(to: number): void {
    const { output } = this;
    if (output === undefined || to <= output.to) return;
    output.to = to;
    // The end tells what is left.
    if (this.clock.now() - this.toldAtMs >= outputIntervalMs) this.tellOutput(output);
  }

  programEnded(end: ProgramEnd, outcome: RunnerResult['outcome']): void {
    if (this.startedMs === undefined) return;
    const { output } = this;
    if (output !== undefined) this.tellOutput(output);
    this.step = {
      exit_code: end.exitCode,
      duration_ms: Math.max(0, this.clock.now() - this.startedMs),
      terminal_id: output?.terminalId ?? null,
      output_from: output === undefined ? null : 0,
      output_to: output?.to ?? null,
      outcome,
    };
    this.tell('container_task.program_ended', {
      exit_code: end.exitCode,
      reason: end.reason,
      message: end.message,
    });
    this.tell('runner.step.execution.completed', {
      step: 1,
      mode: 'controller_execute',
      did_click: false,
      result: this.step,
    });
    this.tell('runner.step.completed', {
      step: 1,
      action: this.spec.title,
      ...(outcome === 'succeeded'
        ? ({ status: 'success', completion_reason: 'DONE' } as const)
        : ({ status: 'failed', completion_reason: 'FAIL' } as const)),
    });
  }

  finish(outcome: RunnerResult['outcome']): void {
    const { runId, taskName, title } = this.spec;
    const verdict = contractEnding(outcome);
    const { status, completion_reason } = verdict;
    this.tell('runner.completed', { status, completion_reason, steps: this.step === undefined ? 0 : 1 });
    this.tell('response', {
      run_id: runId,
      task: taskName,
      ...verdict,
      steps:
        this.step === undefined
          ? []
          : [
              {
                step_index: 1,
                plan: title,
                action: title,
                exec_code: title,
                execution_result: { ...this.step },
                reflection: null,
                reflection_thoughts: null,
                info: { engine },
                behavior_fact_thoughts: null,
                behavior_fact_answer: null,
                action_kind: 'gui',
              },
            ],
      grounding_prompts: {},
    });
    this.tell('response.completed', verdict);
  }

  /** There is no result: the program could not be started, or this worker failed. */
  fail(error: ErrorShape): void {
    const data = { error: error.message, reason: error.reason };
    this.tell('response.failed', data);
    this.tell('error', data);
  }

  private tellOutput(output: ProgramOutput): void {
    this.toldAtMs = this.clock.now();
    this.tell('runner.step.output', { step: 1, terminal_id: output.terminalId, from: 0, to: output.to });
  }

  private tell<T extends RunEventType>(type: T, data: RunEventData[T]): void {
    // Whoever made `emit` remembers the loss and fails by it.
    this.emit(type, data).catch(() => undefined);
  }
}
