import type { Run, RunnerResult, RunnerStep, RunStepState } from './run.ts';

export type RunOutcome = RunnerResult['outcome'];

/** Contract 004 knows three endings; ours that it lacks (cancelled) is told as failed there and by `outcome`. */
export function contractEnding(
  outcome: RunOutcome,
): Pick<RunnerResult, 'status' | 'completion_reason' | 'outcome'> {
  switch (outcome) {
    case 'succeeded':
      return { status: 'success', completion_reason: 'DONE', outcome };
    case 'timed_out':
      return { status: 'timeout', completion_reason: 'MAX_STEPS_REACHED', outcome };
    case 'failed':
    case 'cancelled':
      return { status: 'failed', completion_reason: 'FAIL', outcome };
  }
}

/** The result of a run whose worker cannot give one any more: the steps that were begun, as far as they are known. */
export function resultFromState(run: Run, outcome: RunOutcome): RunnerResult {
  const begun = run.steps.filter((step) => step.status !== 'pending' && step.status !== 'skipped');
  return {
    run_id: run.id,
    task: run.request.task,
    ...contractEnding(outcome),
    steps: begun.map((step) => runnerStep(step, outcome, run.request.engine ?? 'shell')),
    grounding_prompts: {},
  };
}

function runnerStep(step: RunStepState, outcome: RunOutcome, engine: string): RunnerStep {
  const { output, taskOutput, containerOutput } = step;
  const place = output ?? taskOutput ?? containerOutput;
  return {
    step_index: step.index,
    plan: '',
    action: step.command,
    exec_code: step.command,
    execution_result: {
      exit_code: step.exitCode ?? null,
      duration_ms: step.durationMs ?? null,
      terminal_id: output?.terminalId ?? null,
      ...(taskOutput === undefined ? {} : { task_id: taskOutput.taskId }),
      ...(containerOutput === undefined ? {} : { container_id: containerOutput.containerId }),
      output_from: place?.from ?? null,
      output_to: place?.to ?? null,
      outcome: step.status === 'running' ? outcome : step.status,
    },
    reflection: null,
    reflection_thoughts: null,
    info: { engine },
    behavior_fact_thoughts: null,
    behavior_fact_answer: null,
    action_kind: 'gui',
  };
}
