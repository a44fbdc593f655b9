import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { Priority } from '../../../core/events/event.ts';
import {
  type AgentTask,
  boundAgent,
  type CreateTaskRequest,
  type TaskConfig,
  type TaskError,
  type TaskFilter,
  type TaskResult,
  type TaskState,
  type TaskTarget,
  type TaskType,
} from '../../../core/tasks/task.ts';
import {
  type ExecuteTaskRequest,
  type ListTasksRequest,
  type Task as TaskMessage,
  type TaskConfig as ConfigMessage,
  type TaskConstraints as ConstraintsMessage,
  type TaskError as ErrorMessage,
  TaskPriority,
  type TaskResult as ResultMessage,
  TaskState as TaskStateMessage,
  TaskType as TaskTypeMessage,
} from '../../../protocol/gen/agent/v1/agent.ts';
import { msOfNs, nsOfMs, wordOf } from './commonMessages.ts';
import { dateOf, optionalDate, required } from './values.ts';

const states: Readonly<Record<TaskState, TaskStateMessage>> = {
  pending: TaskStateMessage.TASK_STATE_PENDING,
  queued: TaskStateMessage.TASK_STATE_QUEUED,
  running: TaskStateMessage.TASK_STATE_RUNNING,
  completed: TaskStateMessage.TASK_STATE_COMPLETED,
  failed: TaskStateMessage.TASK_STATE_FAILED,
  cancelled: TaskStateMessage.TASK_STATE_CANCELLED,
  timed_out: TaskStateMessage.TASK_STATE_TIMEOUT,
};

const types: Readonly<Record<TaskType, TaskTypeMessage>> = {
  unspecified: TaskTypeMessage.TASK_TYPE_UNSPECIFIED,
  code_execution: TaskTypeMessage.TASK_TYPE_CODE_EXECUTION,
  file_operation: TaskTypeMessage.TASK_TYPE_FILE_OPERATION,
  network_request: TaskTypeMessage.TASK_TYPE_NETWORK_REQUEST,
  data_processing: TaskTypeMessage.TASK_TYPE_DATA_PROCESSING,
  container_operation: TaskTypeMessage.TASK_TYPE_CONTAINER_OPERATION,
  tool_execution: TaskTypeMessage.TASK_TYPE_TOOL_EXECUTION,
  custom: TaskTypeMessage.TASK_TYPE_CUSTOM,
};

const priorities: Readonly<Record<Priority, TaskPriority>> = {
  low: TaskPriority.TASK_PRIORITY_LOW,
  normal: TaskPriority.TASK_PRIORITY_NORMAL,
  high: TaskPriority.TASK_PRIORITY_HIGH,
  critical: TaskPriority.TASK_PRIORITY_CRITICAL,
};

const noBytes = new Uint8Array();

export function taskStateMessage(state: TaskState): TaskStateMessage {
  return states[state];
}

/** Undefined where none is given. Error: `invalid_request` for what the core does not know, as `paused`. */
export function taskStateOf(state: TaskStateMessage): TaskState | undefined {
  return wordOf(states, state, 'state');
}

/** @param input what to show as its input; a task itself does not hold it. */
export function taskMessage(task: AgentTask, input: Uint8Array = noBytes): TaskMessage {
  const { id, name, sessionId, createdAt, startedAt, endedAt, expiresAt, progress, error } = task;
  return {
    id,
    name,
    sessionId,
    type: types[task.type],
    state: states[task.state],
    priority: priorities[task.priority],
    createdAt: dateOf(createdAt),
    startedAt: optionalDate(startedAt),
    completedAt: optionalDate(endedAt),
    expiresAt: optionalDate(expiresAt),
    config: configMessage(task.config, input),
    result: resultMessage(task),
    error: error && errorMessage(error),
    progress,
    agentId: task.agentId ?? boundAgent(task) ?? '',
  };
}

/** Undefined where it has none. */
export function resultMessage({ result, endedAt }: AgentTask): ResultMessage | undefined {
  if (result === undefined) return undefined;
  const { exitCode, outputText, errorText, metadata, durationMs } = result;
  return {
    exitCode,
    outputData: new TextEncoder().encode(outputText),
    outputText,
    errorText,
    metadata: { ...metadata },
    completedAt: optionalDate(endedAt),
    executionDurationNs: nsOfMs(durationMs),
  };
}

export function errorMessage({ code, message, details, time }: TaskError): ErrorMessage {
  return { code, message, details: [...details], stackTrace: '', occurredAt: dateOf(time) };
}

/** Errors: `invalid_request`, with the contract's texts for what is missing. */
export function createRequestOf(message: ExecuteTaskRequest): CreateTaskRequest {
  const { agentId, sessionId, config, type, priority } = message;
  required(agentId, 'agent_id');
  required(sessionId, 'session_id');
  if (config === undefined) throw invalidRequest('config is required');
  return {
    sessionId,
    target: targetOf(agentId),
    type: wordOf(types, type, 'type'),
    priority: wordOf(priorities, priority, 'priority'),
    config: configOf(config),
    input: config.inputData.length === 0 ? undefined : config.inputData,
  };
}

/** Undefined where no task can match: none is ever paused. Error: `invalid_request`. */
export function taskFilterOf({ agentId, filter }: ListTasksRequest): TaskFilter | undefined {
  if (filter === undefined) return { agentId: given(agentId) };
  const { state, type, priority, sessionId, createdAfter, createdBefore } = filter;
  if (state === TaskStateMessage.TASK_STATE_PAUSED) return undefined;
  return {
    agentId: given(agentId),
    state: taskStateOf(state),
    type: wordOf(types, type, 'type'),
    priority: wordOf(priorities, priority, 'priority'),
    sessionId: given(sessionId),
    createdAfter: createdAfter?.getTime(),
    createdBefore: createdBefore?.getTime(),
  };
}

export function resultOf(message: ResultMessage | undefined): Partial<TaskResult> {
  if (message === undefined) return {};
  const { exitCode, outputData, outputText, errorText, metadata, executionDurationNs } = message;
  return {
    exitCode,
    outputText: outputText === '' ? new TextDecoder().decode(outputData) : outputText,
    errorText,
    metadata,
    // Who does not tell how long it took has it counted.
    ...(executionDurationNs > 0n ? { durationMs: msOfNs(executionDurationNs, 'execution_duration_ns') } : {}),
  };
}

export function errorOf(message: ErrorMessage): Pick<TaskError, 'code' | 'message'> & Partial<TaskError> {
  const { code, message: text, details, stackTrace, occurredAt } = message;
  return {
    code: code === '' ? 'UNKNOWN' : code,
    message: text === '' ? 'The agent did not say why.' : text,
    details: stackTrace === '' ? details : [...details, stackTrace],
    ...(occurredAt === undefined ? {} : { time: occurredAt.getTime() }),
  };
}

/** The agent of this id; or any of a name (`agent:NAME`), or any that can do it (`capability:TASK`). */
function targetOf(agentId: string): TaskTarget {
  const [, kind, value = ''] = /^(agent|capability):(.*)$/s.exec(agentId) ?? [];
  if (kind === undefined) return { agentId };
  return kind === 'agent' ? { agentName: value } : { capability: value };
}

function configOf(message: ConfigMessage): CreateTaskRequest['config'] {
  const { command, environment, workingDirectory, retryOnFailure, parameters, constraints } = message;
  return {
    command,
    arguments: message.arguments,
    environment,
    workingDirectory,
    timeoutMs: msOfNs(message.timeoutNs, 'timeout_ns'),
    maxRetries: Number(message.maxRetries),
    retryOnFailure,
    parameters,
    constraints: constraints && {
      maxMemoryBytes: Number(constraints.maxMemoryBytes),
      maxCpuMs: msOfNs(constraints.maxCpuNs, 'max_cpu_ns'),
      maxExecutionTimeMs: msOfNs(constraints.maxExecutionTimeNs, 'max_execution_time_ns'),
      allowedOperations: constraints.allowedOperations,
      deniedOperations: constraints.deniedOperations,
    },
  };
}

function configMessage(config: TaskConfig, inputData: Uint8Array): ConfigMessage {
  const { command, environment, workingDirectory, retryOnFailure, parameters, constraints } = config;
  return {
    command,
    arguments: [...config.arguments],
    environment: { ...environment },
    workingDirectory,
    timeoutNs: nsOfMs(config.timeoutMs),
    maxRetries: BigInt(config.maxRetries),
    retryOnFailure,
    inputData,
    parameters: { ...parameters },
    constraints: constraints && constraintsMessage(constraints),
  };
}

function constraintsMessage(constraints: NonNullable<TaskConfig['constraints']>): ConstraintsMessage {
  return {
    maxMemoryBytes: BigInt(constraints.maxMemoryBytes),
    maxCpuNs: nsOfMs(constraints.maxCpuMs),
    maxExecutionTimeNs: nsOfMs(constraints.maxExecutionTimeMs),
    allowedOperations: [...constraints.allowedOperations],
    deniedOperations: [...constraints.deniedOperations],
  };
}
