import { OrchestratorError } from '../../../base/errors.ts';
import {
  type ParameterType,
  parameterTypes,
  type ToolDefinition,
  type ToolKind,
  type ToolParameter,
} from '../../../core/tools/registeredTool.ts';
import type { Tool } from '../../../core/tools/tool.ts';
import type { ToolCallRecord, ToolCallStatus, ToolEntry, ToolUse } from '../../../core/tools/toolCalls.ts';
import {
  ParameterType as ParameterTypeMessage,
  Status,
  type ToolDefinition as DefinitionMessage,
  ToolExecutionStatus,
  type ToolExecutionResult,
  type ToolParameter as ParameterMessage,
  ToolState,
  ToolType,
} from '../../../protocol/gen/common/v1/common.ts';
import type { ToolExecution, ToolInstance, ToolUsageStats } from '../../../protocol/gen/tool/v1/tool.ts';
import { msOfNs, nsOfMs, wordOf } from './commonMessages.ts';
import { dateOf, optionalDate } from './values.ts';

export const toolTypes: Readonly<Record<ToolKind, ToolType>> = {
  file: ToolType.TOOL_TYPE_FILE,
  shell: ToolType.TOOL_TYPE_SHELL,
  web: ToolType.TOOL_TYPE_WEB,
  message: ToolType.TOOL_TYPE_MESSAGE,
  custom: ToolType.TOOL_TYPE_CUSTOM,
};

const parameterNumbers: Readonly<Record<ParameterType, ParameterTypeMessage>> = {
  string: ParameterTypeMessage.PARAMETER_TYPE_STRING,
  integer: ParameterTypeMessage.PARAMETER_TYPE_INTEGER,
  float: ParameterTypeMessage.PARAMETER_TYPE_FLOAT,
  boolean: ParameterTypeMessage.PARAMETER_TYPE_BOOLEAN,
  array: ParameterTypeMessage.PARAMETER_TYPE_ARRAY,
  object: ParameterTypeMessage.PARAMETER_TYPE_OBJECT,
  filePath: ParameterTypeMessage.PARAMETER_TYPE_FILE_PATH,
  directoryPath: ParameterTypeMessage.PARAMETER_TYPE_DIRECTORY_PATH,
};

export const executionStatuses: Readonly<Record<ToolCallStatus, ToolExecutionStatus>> = {
  running: ToolExecutionStatus.TOOL_EXECUTION_STATUS_RUNNING,
  completed: ToolExecutionStatus.TOOL_EXECUTION_STATUS_COMPLETED,
  failed: ToolExecutionStatus.TOOL_EXECUTION_STATUS_FAILED,
  timeout: ToolExecutionStatus.TOOL_EXECUTION_STATUS_TIMEOUT,
  cancelled: ToolExecutionStatus.TOOL_EXECUTION_STATUS_CANCELLED,
};

/**
 * Errors: `invalid_request`; UNIMPLEMENTED for policies and limits of a tool's own: a session's hold for all that runs in
 * it, and what we cannot hold is refused rather than passed over.
 */
export function definitionOf(message: DefinitionMessage | undefined): ToolDefinition {
  if (message === undefined)
    throw new OrchestratorError('INVALID_ARGUMENT', 'invalid_request', 'definition is required');
  if (message.securityPolicy !== undefined || message.resourceLimits !== undefined)
    throw new OrchestratorError(
      'UNIMPLEMENTED',
      'invalid_request',
      'A tool has no policy and no limits of its own: those of the session that it is called in hold.',
    );
  return {
    name: message.name,
    displayName: message.displayName,
    description: message.description,
    parameters: message.parameters.map(parameterOf),
    command: message.command,
    image: message.containerImage,
    timeoutMs: msOfNs(message.timeoutNs, 'timeout_ns'),
    kind: wordOf(toolTypes, message.type, 'type'),
    version: message.version,
    metadata: message.metadata,
  };
}

export function definitionMessage({ tool, definition, isEnabled }: ToolEntry): DefinitionMessage {
  const base = { securityPolicy: undefined, resourceLimits: undefined, enabled: isEnabled };
  if (definition === undefined)
    return {
      ...base,
      name: tool.name,
      displayName: tool.name,
      type: typeOf(tool),
      description: tool.description,
      parameters: parametersOf(tool),
      timeoutNs: 0n,
      containerImage: '',
      command: [],
      metadata: { provider: tool.provider },
      version: '',
    };
  return {
    ...base,
    name: definition.name,
    displayName: definition.displayName,
    type: definition.kind === undefined ? ToolType.TOOL_TYPE_UNSPECIFIED : toolTypes[definition.kind],
    description: definition.description,
    parameters: definition.parameters.map(parameterMessage),
    timeoutNs: nsOfMs(definition.timeoutMs),
    containerImage: definition.image,
    command: [...definition.command],
    metadata: { ...definition.metadata },
    version: definition.version,
  };
}

export function instanceMessage(entry: ToolEntry): ToolInstance {
  const definition = definitionMessage(entry);
  return {
    name: definition.name,
    displayName: definition.displayName,
    type: definition.type,
    state: stateOf(entry),
    status: entry.isEnabled ? Status.STATUS_RUNNING : Status.STATUS_STOPPED,
    registeredAt: dateOf(entry.registeredAt),
    updatedAt: dateOf(entry.updatedAt),
    lastUsedAt: optionalDate(entry.use.lastAt),
    definition,
    usageStats: usageMessage(entry.use),
    enabled: entry.isEnabled,
    version: definition.version,
  };
}

export function stateOf({ isEnabled, running }: ToolEntry): ToolState {
  if (!isEnabled) return ToolState.TOOL_STATE_DISABLED;
  return running > 0 ? ToolState.TOOL_STATE_BUSY : ToolState.TOOL_STATE_AVAILABLE;
}

export function usageMessage(use: ToolUse): ToolUsageStats {
  return {
    totalExecutions: BigInt(use.total),
    successfulExecutions: BigInt(use.completed),
    failedExecutions: BigInt(use.failed),
    timeoutExecutions: BigInt(use.timeout),
    cancelledExecutions: BigInt(use.cancelled),
    totalDurationNs: nsOfMs(use.durationMs),
    avgDurationNs: nsOfMs(use.total === 0 ? 0 : use.durationMs / use.total),
    lastExecution: optionalDate(use.lastAt),
  };
}

export function executionMessage(call: ToolCallRecord): ToolExecution {
  return {
    executionId: call.id,
    toolName: call.toolName,
    sessionId: call.sessionId ?? '',
    status: executionStatuses[call.status],
    createdAt: dateOf(call.createdAt),
    startedAt: dateOf(call.createdAt),
    completedAt: optionalDate(call.endedAt),
    expiresAt: dateOf(call.expiresAt),
    parameters: { ...call.parameters },
    result: call.status === 'running' ? undefined : resultMessage(call),
    containerId: '',
    durationNs: nsOfMs((call.endedAt ?? call.createdAt) - call.createdAt),
    errorMessage: call.error,
    correlationId: call.correlationId,
  };
}

export function resultMessage(call: ToolCallRecord): ToolExecutionResult {
  return {
    executionId: call.id,
    toolName: call.toolName,
    status: executionStatuses[call.status],
    exitCode: call.exitCode ?? (call.status === 'completed' ? 0 : 1),
    outputData: new TextEncoder().encode(call.text),
    outputText: call.text,
    errorData: new TextEncoder().encode(call.error),
    errorText: call.error,
    metadata: call.runId === undefined ? {} : { run_id: call.runId },
    durationNs: nsOfMs((call.endedAt ?? call.createdAt) - call.createdAt),
    completedAt: optionalDate(call.endedAt),
    containerId: '',
  };
}

function parameterOf(message: ParameterMessage): ToolParameter {
  return {
    name: message.name,
    description: message.description,
    type: wordOf(parameterNumbers, message.type, 'the type of a parameter') ?? 'string',
    isRequired: message.required,
    defaultValue: message.defaultValue,
    allowedValues: message.allowedValues,
  };
}

function parameterMessage(parameter: ToolParameter): ParameterMessage {
  return {
    name: parameter.name,
    description: parameter.description,
    type: parameterNumbers[parameter.type],
    required: parameter.isRequired,
    defaultValue: parameter.defaultValue,
    allowedValues: [...parameter.allowedValues],
    constraints: {},
  };
}

/** What this wire can say of a JSON Schema. */
function parametersOf({ inputSchema }: Tool): ParameterMessage[] {
  const { properties, required } = inputSchema;
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  return Object.entries((properties ?? {}) as Readonly<Record<string, unknown>>).map(([name, schema]) => {
    const { type, description } = (schema ?? {}) as Readonly<Record<string, unknown>>;
    const word = (Object.keys(parameterTypes) as ParameterType[]).find((key) => parameterTypes[key] === type);
    return {
      name,
      description: typeof description === 'string' ? description : '',
      type: word === undefined ? ParameterTypeMessage.PARAMETER_TYPE_UNSPECIFIED : parameterNumbers[word],
      required: needed.includes(name),
      defaultValue: '',
      allowedValues: [],
      constraints: {},
    };
  });
}

function typeOf({ provider }: Tool): ToolType {
  if (provider === 'files') return ToolType.TOOL_TYPE_FILE;
  return provider === 'terminal' || provider === 'container'
    ? ToolType.TOOL_TYPE_SHELL
    : ToolType.TOOL_TYPE_CUSTOM;
}
