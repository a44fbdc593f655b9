import { given } from '../../../protocol/given.ts';
import type { OrchestratorEvent } from '../../../core/events/event.ts';
import type { Run, RunRequest, RunStatus, RunStepState } from '../../../core/runs/run.ts';
import {
  type Run as RunMessage,
  type RunEvent,
  type RunRequest as RunRequestMessage,
  RunStatus as RunStatusMessage,
  type RunStep,
  StepStatus,
} from '../../../protocol/gen/run/v1/run.ts';
import { constraintsMessage, constraintsOf, modelMessage, modelOf } from '../../../protocol/runModel.ts';
import { dateOf, environmentOf, optionalDate } from './values.ts';

const statuses: Readonly<Record<RunStatus, RunStatusMessage>> = {
  queued: RunStatusMessage.RUN_STATUS_QUEUED,
  running: RunStatusMessage.RUN_STATUS_RUNNING,
  succeeded: RunStatusMessage.RUN_STATUS_SUCCEEDED,
  failed: RunStatusMessage.RUN_STATUS_FAILED,
  cancelled: RunStatusMessage.RUN_STATUS_CANCELLED,
  timed_out: RunStatusMessage.RUN_STATUS_TIMED_OUT,
};

const stepStatuses: Readonly<Record<RunStepState['status'], StepStatus>> = {
  pending: StepStatus.STEP_STATUS_PENDING,
  running: StepStatus.STEP_STATUS_RUNNING,
  succeeded: StepStatus.STEP_STATUS_SUCCEEDED,
  failed: StepStatus.STEP_STATUS_FAILED,
  cancelled: StepStatus.STEP_STATUS_CANCELLED,
  timed_out: StepStatus.STEP_STATUS_TIMED_OUT,
  skipped: StepStatus.STEP_STATUS_SKIPPED,
};

export function runMessage(run: Run): RunMessage {
  const {
    id,
    sessionId,
    createdAt,
    startedAt,
    endedAt,
    isAborting,
    terminalIds,
    error,
    retryOf,
    stepMode,
    taskId,
  } = run;
  return {
    id,
    sessionId,
    request: requestMessage(run.request),
    status: statuses[run.status],
    steps: run.steps.map(stepMessage),
    createdAt: dateOf(createdAt),
    startedAt: optionalDate(startedAt),
    endedAt: optionalDate(endedAt),
    isAborting,
    terminalIds: [...terminalIds],
    error,
    retryOf: retryOf ?? '',
    taskId: taskId ?? '',
    hasResult: run.result !== undefined,
    stepMode: stepMode === undefined ? undefined : { mode: stepMode.mode, reason: stepMode.reason ?? '' },
  };
}

export function eventMessage({ sequence, id, type, time, runId, data }: OrchestratorEvent): RunEvent {
  return { sequence, id, type, time: dateOf(time), runId: runId ?? '', data };
}

/** @param requestedBy who asks, where that is known better than by the request's own word. */
export function runRequestOf(message: RunRequestMessage, requestedBy: string | null): RunRequest {
  const { task, commands, sessionId, cwd, shell, env, unsetEnv, timeoutMs, cols, rows } = message;
  return {
    // Who gives the steps apart need not write them down twice.
    task: task === '' ? commands.join('\n') : task,
    commands: commands.length === 0 ? undefined : commands,
    sessionId: given(sessionId),
    cwd: given(cwd),
    shell: given(shell),
    env: environmentOf(env, unsetEnv),
    isEnvWhole: message.isEnvWhole ? true : undefined,
    timeoutMs: given(timeoutMs),
    cols: given(cols),
    rows: given(rows),
    requestedBy: requestedBy ?? given(message.requestedBy),
    engine: given(message.engine),
    model: modelOf(message.model),
    tools: constraintsOf(message.tools),
  };
}

/** Without the environment, which may hold what is nobody else's business. */
function requestMessage(request: RunRequest): RunRequestMessage {
  return {
    task: request.task,
    commands: [...(request.commands ?? [])],
    sessionId: request.sessionId ?? '',
    cwd: request.cwd ?? '',
    shell: request.shell ?? '',
    env: {},
    unsetEnv: [],
    isEnvWhole: request.isEnvWhole ?? false,
    timeoutMs: request.timeoutMs ?? 0,
    cols: request.cols ?? 0,
    rows: request.rows ?? 0,
    requestedBy: request.requestedBy ?? '',
    engine: request.engine ?? '',
    model: modelMessage(request.model),
    tools: constraintsMessage(request.tools),
  };
}

function stepMessage({
  index,
  command,
  status,
  startedAt,
  durationMs,
  exitCode,
  output,
}: RunStepState): RunStep {
  return {
    index,
    command,
    status: stepStatuses[status],
    startedAt: optionalDate(startedAt),
    durationMs,
    exitCode: exitCode ?? undefined,
    output,
  };
}
