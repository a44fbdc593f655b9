import { setVariables } from '../../core/variables.ts';
import { given } from '../../protocol/given.ts';
import type { Run, RunRequest, RunStatus, RunStepMode, RunStepState } from '../../core/runs/run.ts';
import {
  type Run as RunMessage,
  RunRequest as RunRequestMessage,
  RunStatus as StatusMessage,
  type RunStep,
  type RunStepMode as StepModeMessage,
  StepStatus,
} from '../../protocol/gen/run/v1/run.ts';
import { constraintsMessage, constraintsOf, modelMessage, modelOf } from '../../protocol/runModel.ts';
import { optionalTime, present, timeOf, wordOf } from './values.ts';

const statuses: Readonly<Record<number, RunStatus>> = {
  [StatusMessage.RUN_STATUS_QUEUED]: 'queued',
  [StatusMessage.RUN_STATUS_RUNNING]: 'running',
  [StatusMessage.RUN_STATUS_SUCCEEDED]: 'succeeded',
  [StatusMessage.RUN_STATUS_FAILED]: 'failed',
  [StatusMessage.RUN_STATUS_CANCELLED]: 'cancelled',
  [StatusMessage.RUN_STATUS_TIMED_OUT]: 'timed_out',
};

const stepStatuses: Readonly<Record<number, RunStepState['status']>> = {
  [StepStatus.STEP_STATUS_PENDING]: 'pending',
  [StepStatus.STEP_STATUS_RUNNING]: 'running',
  [StepStatus.STEP_STATUS_SUCCEEDED]: 'succeeded',
  [StepStatus.STEP_STATUS_FAILED]: 'failed',
  [StepStatus.STEP_STATUS_CANCELLED]: 'cancelled',
  [StepStatus.STEP_STATUS_TIMED_OUT]: 'timed_out',
  [StepStatus.STEP_STATUS_SKIPPED]: 'skipped',
};

/** Without its result, which the wire has apart. */
export function runOf(message: RunMessage): Omit<Run, 'result'> {
  const { id, sessionId, createdAt, startedAt, endedAt, isAborting, terminalIds, error, stepMode } = message;
  return {
    id,
    sessionId,
    request: requestOf(present(message.request, 'request of a run')),
    status: wordOf(statuses, message.status, 'status of a run'),
    steps: message.steps.map(stepOf),
    createdAt: timeOf(createdAt),
    startedAt: optionalTime(startedAt),
    endedAt: optionalTime(endedAt),
    isAborting,
    terminalIds,
    stepMode: stepMode === undefined ? undefined : stepModeOf(stepMode),
    error,
    retryOf: given(message.retryOf),
    taskId: given(message.taskId),
  };
}

export function runRequestMessage(request: RunRequest): RunRequestMessage {
  return RunRequestMessage.fromPartial({
    task: request.task,
    commands: [...(request.commands ?? [])],
    sessionId: request.sessionId ?? '',
    cwd: request.cwd ?? '',
    shell: request.shell ?? '',
    env: setVariables(request.env),
    unsetEnv: Object.entries(request.env ?? {}).flatMap(([name, value]) => (value === null ? [name] : [])),
    timeoutMs: request.timeoutMs ?? 0,
    cols: request.cols ?? 0,
    rows: request.rows ?? 0,
    requestedBy: request.requestedBy ?? '',
    isEnvWhole: request.isEnvWhole ?? false,
    engine: request.engine ?? '',
    model: modelMessage(request.model),
    tools: constraintsMessage(request.tools),
  });
}

/** Its environment is not told. */
function requestOf(message: RunRequestMessage): RunRequest {
  const { task, commands } = message;
  return {
    task,
    commands: commands.length === 0 ? undefined : commands,
    sessionId: given(message.sessionId),
    cwd: given(message.cwd),
    shell: given(message.shell),
    timeoutMs: given(message.timeoutMs),
    cols: given(message.cols),
    rows: given(message.rows),
    requestedBy: given(message.requestedBy),
    isEnvWhole: message.isEnvWhole ? true : undefined,
    engine: given(message.engine),
    model: modelOf(message.model),
    tools: constraintsOf(message.tools),
  };
}

function stepOf({ index, command, status, startedAt, durationMs, exitCode, output }: RunStep): RunStepState {
  const word = wordOf(stepStatuses, status, 'status of a step');
  const hasEnded = word !== 'pending' && word !== 'running' && word !== 'skipped';
  return {
    index,
    command,
    status: word,
    startedAt: optionalTime(startedAt),
    durationMs,
    // Null is that of a step that did not end by itself.
    exitCode: exitCode ?? (hasEnded ? null : undefined),
    output,
  };
}

function stepModeOf({ mode, reason }: StepModeMessage): RunStepMode {
  return { mode: mode === 'process' ? 'process' : 'marks', reason: given(reason) ?? null };
}
