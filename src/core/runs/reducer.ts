import { reduceTaskReport } from '../containerTasks/taskReport.ts';
import type { OrchestratorEvent } from '../events/event.ts';
import { isBackendRun } from './backendRuns.ts';
import { maxModelSteps, modelEngine } from './modelRunSpec.ts';
import {
  isRunEnded,
  type Run,
  type RunnerResult,
  type RunStatus,
  type RunStepState,
  type RunUsage,
} from './run.ts';
import * as payload from './runPayloads.ts';

/**
 * A run after one more of its events. Pure: folding all events of a run over its first state gives the stored one.
 * Unknown types and payloads that make no sense change nothing (a newer or a broken worker must not hurt the core),
 * and nothing changes a run that has ended.
 */
export function reduceRun(run: Run, event: OrchestratorEvent): Run {
  if (isRunEnded(run)) return run;
  const { data, time } = event;
  switch (event.type) {
    case 'response.in_progress':
      return run.status === 'queued' ? { ...run, status: 'running', startedAt: time } : run;
    case 'runner.steps.planned':
      return planSteps(run, payload.commandsOf(data));
    case 'runner.terminal':
      return addTerminal(run, payload.textOf(data, 'terminal_id'));
    case 'runner.shell.marks': {
      const stepMode = payload.stepModeOf(data);
      return stepMode === undefined ? run : { ...run, stepMode };
    }
    case 'runner.step.started':
      return withStep(withNextStep(run, data), data, (step) =>
        step.status === 'pending' ? { ...step, status: 'running', startedAt: time } : step,
      );
    case 'runner.step.agent_response': {
      const action = payload.textOf(data, 'action');
      // A model, or a backend, says step by step what it does; elsewhere that was known before.
      if (action === undefined || !tellsItsSteps(run)) return run;
      return withStep(run, data, (step) => ({ ...step, command: action }));
    }
    case 'runner.step.output': {
      const output = payload.outputOf(data);
      return output === undefined ? run : withStep(run, data, (step) => growOutput(step, output));
    }
    case 'runner.task.output': {
      const output = payload.taskOutputOf(data);
      return output === undefined ? run : withStep(run, data, (step) => growTaskOutput(step, output));
    }
    case 'runner.container.output': {
      const output = payload.containerOutputOf(data);
      return output === undefined ? run : withStep(run, data, (step) => growContainerOutput(step, output));
    }
    case 'runner.step.progress': {
      const progress = payload.shareOf(data, 'progress');
      return progress === undefined ? run : withStep(run, data, (step) => ({ ...step, progress }));
    }
    case 'runner.step.execution.completed':
      return withStep(run, data, (step) => completeExecution(step, data, time));
    case 'runner.step.completed':
      return withStep(run, data, (step) => completeStep(step, data, time));
    case 'worker.generator.output.delta': {
      const to = payload.countOf(data, 'to');
      return to === undefined ? run : withStep(run, data, (step) => growText(step, to));
    }
    case 'worker.generator.failed': {
      const to = payload.countOf(data, 'text_to');
      return to === undefined ? run : withStep(run, data, (step) => takeTextBack(step, to));
    }
    case 'runner.backend':
      return {
        ...run,
        backend: {
          runId: payload.textOf(data, 'run_id') ?? null,
          last: payload.textOf(data, 'last') ?? null,
          kept: payload.countOf(data, 'kept') ?? 0,
        },
      };
    case 'runner.conversation': {
      const conversation = payload.textOf(data, 'conversation_id');
      return conversation === undefined ? run : { ...run, conversation };
    }
    case 'runner.usage':
      return { ...run, usage: addUsage(run.usage, data) };
    case 'runner.abort.requested':
      return run.isAborting ? run : { ...run, isAborting: true };
    case 'run.updated': {
      const isAborting = payload.flagOf(data, 'is_aborting');
      return isAborting === undefined || isAborting === run.isAborting ? run : { ...run, isAborting };
    }
    case 'response': {
      const result = payload.resultOf(data);
      return result === undefined ? run : { ...run, result };
    }
    case 'response.completed':
      return complete(run, data, time);
    case 'response.failed': {
      const error = {
        reason: payload.textOf(data, 'reason') ?? 'internal',
        message: payload.textOf(data, 'error') ?? 'The run failed without saying why.',
      };
      return endRun({ ...run, error }, 'failed', time);
    }
    default: {
      const taskReport = reduceTaskReport(run.taskReport, event.type, data);
      return taskReport === run.taskReport ? run : { ...run, taskReport };
    }
  }
}

function complete(run: Run, data: payload.Data, time: number): Run {
  const outcome = payload.outcomeOf(data) ?? run.result?.outcome ?? outcomeOfStatus(data['status']);
  return outcome === undefined ? run : endRun(run, outcome, time);
}

/** For workers that speak the bare contract, which has no `outcome`. */
function outcomeOfStatus(status: unknown): RunnerResult['outcome'] | undefined {
  switch (status) {
    case 'success':
    case 'completed':
      return 'succeeded';
    case 'failed':
      return 'failed';
    case 'timeout':
      return 'timed_out';
    default:
      return undefined;
  }
}

function endRun(run: Run, status: Exclude<RunStatus, 'queued' | 'running'>, time: number): Run {
  return {
    ...run,
    status,
    isAborting: false,
    endedAt: time,
    steps: run.steps.map((step) => {
      if (step.status === 'pending') return { ...step, status: 'skipped' };
      if (step.status !== 'running') return step;
      const durationMs = step.durationMs ?? sinceStart(step, time);
      // A step that nobody saw ending did not succeed for all we know, whatever became of the run.
      return { ...step, status: status === 'succeeded' ? 'failed' : status, durationMs };
    }),
  };
}

function planSteps(run: Run, commands: readonly string[] | undefined): Run {
  if (commands === undefined) return run;
  const isSame =
    commands.length === run.steps.length &&
    commands.every((command, index) => run.steps[index]?.command === command);
  // Once a step has begun, the plan stands: what is known of steps is never thrown away.
  if (isSame || run.steps.some((step) => step.status !== 'pending')) return run;
  return {
    ...run,
    steps: commands.map((command, index) => ({ index: index + 1, command, status: 'pending' })),
  };
}

function tellsItsSteps(run: Run): boolean {
  return run.request.engine === modelEngine || isBackendRun(run);
}

/** A model's and a backend's steps are not known before they begin: each adds itself. */
function withNextStep(run: Run, data: payload.Data): Run {
  const index = payload.countOf(data, 'step');
  if (!tellsItsSteps(run) || index !== run.steps.length + 1 || index > maxModelSteps) return run;
  return { ...run, steps: [...run.steps, { index, command: '', status: 'pending' }] };
}

function addTerminal(run: Run, terminalId: string | undefined): Run {
  if (terminalId === undefined || run.terminalIds.includes(terminalId)) return run;
  return { ...run, terminalIds: [...run.terminalIds, terminalId] };
}

function growOutput(step: RunStepState, output: NonNullable<RunStepState['output']>): RunStepState {
  const known = step.output;
  if (known === undefined || known.terminalId !== output.terminalId) return { ...step, output };
  const to = Math.max(known.to, output.to);
  return to === known.to ? step : { ...step, output: { ...known, to } };
}

function growTaskOutput(step: RunStepState, output: NonNullable<RunStepState['taskOutput']>): RunStepState {
  const { taskOutput: known = { ...output, from: output.from, to: output.from } } = step;
  if (known.taskId !== output.taskId || output.to <= known.to) return step;
  return { ...step, taskOutput: { ...known, to: output.to } };
}

function growContainerOutput(
  step: RunStepState,
  output: NonNullable<RunStepState['containerOutput']>,
): RunStepState {
  const known = step.containerOutput;
  if (known === undefined) return { ...step, containerOutput: output };
  if (known.containerId !== output.containerId || output.to <= known.to) return step;
  return { ...step, containerOutput: { ...known, to: output.to } };
}

function growText(step: RunStepState, to: number): RunStepState {
  return to <= (step.textBytes ?? 0) ? step : { ...step, textBytes: to };
}

function takeTextBack(step: RunStepState, to: number): RunStepState {
  return to >= (step.textBytes ?? 0) ? step : { ...step, textBytes: to };
}

function addUsage(known: RunUsage = noUsage, data: payload.Data): RunUsage {
  return {
    inputTokens: known.inputTokens + (payload.countOf(data, 'input_tokens') ?? 0),
    outputTokens: known.outputTokens + (payload.countOf(data, 'output_tokens') ?? 0),
    costUsd: known.costUsd + (payload.amountOf(data, 'cost_usd') ?? 0),
  };
}

const noUsage: RunUsage = { inputTokens: 0, outputTokens: 0, costUsd: 0 };

function completeExecution(step: RunStepState, data: payload.Data, time: number): RunStepState {
  const result = payload.executionResultOf(data['result']);
  if (result === undefined || !isOpen(step)) return step;
  const withOutput = result.output === undefined ? step : growOutput(step, result.output);
  return {
    ...withOutput,
    status: result.outcome,
    exitCode: result.exitCode,
    durationMs: result.durationMs ?? sinceStart(step, time),
  };
}

/** Says nothing new after `runner.step.execution.completed`; decides where that one is missing. */
function completeStep(step: RunStepState, data: payload.Data, time: number): RunStepState {
  const status = data['status'];
  if (!isOpen(step) || (status !== 'success' && status !== 'failed')) return step;
  return {
    ...step,
    status: status === 'success' ? 'succeeded' : 'failed',
    durationMs: sinceStart(step, time),
  };
}

function isOpen(step: RunStepState): boolean {
  return step.status === 'pending' || step.status === 'running';
}

function sinceStart(step: RunStepState, time: number): number {
  return Math.max(0, time - (step.startedAt ?? time));
}

function withStep(run: Run, data: payload.Data, change: (step: RunStepState) => RunStepState): Run {
  const number = payload.countOf(data, 'step');
  const step = number === undefined ? undefined : run.steps[number - 1];
  if (number === undefined || step === undefined) return run;
  const changed = change(step);
  return changed === step ? run : { ...run, steps: run.steps.with(number - 1, changed) };
}
