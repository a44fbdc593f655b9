import { given } from '../../../protocol/given.ts';
import type { AgentMessage, AgentMessageBody, AgentMessageType } from '../../../core/agents/agentLink.ts';
import type { TaskState } from '../../../core/tasks/task.ts';
import {
  type AgentMessage as WireMessage,
  ControlCommand,
  MessageType,
  type TaskMessage,
  TaskState as TaskStateMessage,
} from '../../../protocol/gen/agent/v1/agent.ts';
import { wordOf } from './commonMessages.ts';
import { taskStateMessage, taskStateOf } from './taskMessages.ts';
import { dateOf } from './values.ts';

type WirePayload = WireMessage['payload'];
type Control = Extract<AgentMessageBody, { kind: 'control' }>['command'];

const types: Readonly<Record<AgentMessageType, MessageType>> = {
  task_request: MessageType.MESSAGE_TYPE_TASK_REQUEST,
  task_response: MessageType.MESSAGE_TYPE_TASK_RESPONSE,
  task_update: MessageType.MESSAGE_TYPE_TASK_UPDATE,
  control: MessageType.MESSAGE_TYPE_CONTROL,
  data: MessageType.MESSAGE_TYPE_DATA,
  event: MessageType.MESSAGE_TYPE_EVENT,
  heartbeat: MessageType.MESSAGE_TYPE_HEARTBEAT,
  error: MessageType.MESSAGE_TYPE_ERROR,
};

const commands: Readonly<Record<Control, ControlCommand>> = {
  unspecified: ControlCommand.CONTROL_COMMAND_UNSPECIFIED,
  pause: ControlCommand.CONTROL_COMMAND_PAUSE,
  resume: ControlCommand.CONTROL_COMMAND_RESUME,
  cancel: ControlCommand.CONTROL_COMMAND_CANCEL,
  shutdown: ControlCommand.CONTROL_COMMAND_SHUTDOWN,
  restart: ControlCommand.CONTROL_COMMAND_RESTART,
  status: ControlCommand.CONTROL_COMMAND_STATUS,
};

const typeOfBody: Readonly<Record<AgentMessageBody['kind'], MessageType>> = {
  none: MessageType.MESSAGE_TYPE_UNSPECIFIED,
  task: MessageType.MESSAGE_TYPE_TASK_UPDATE,
  control: MessageType.MESSAGE_TYPE_CONTROL,
  data: MessageType.MESSAGE_TYPE_DATA,
  event: MessageType.MESSAGE_TYPE_EVENT,
};

export function wireMessage(message: AgentMessage): WireMessage {
  const { id, type, time, sourceId, targetId, body, correlationId, sessionId, headers, priority } = message;
  return {
    id,
    type: type === undefined ? typeOfBody[body.kind] : types[type],
    timestamp: dateOf(time),
    sourceId,
    targetId,
    payload: payloadOf(body),
    metadata: {
      correlationId: correlationId ?? '',
      sessionId: sessionId ?? '',
      headers: { ...headers },
      priority: priority ?? 0,
    },
  };
}

/**
 * @param defaults for what the message leaves open
 * Error: `invalid_request` for words that the protocol does not have.
 */
export function agentMessageOf(
  message: WireMessage,
  defaults: {
    readonly id: string;
    readonly time: number;
    readonly sourceId: string;
    readonly targetId: string;
  },
): AgentMessage {
  const { id, type, timestamp, sourceId, targetId, payload, metadata } = message;
  return {
    id: given(id) ?? defaults.id,
    time: timestamp?.getTime() ?? defaults.time,
    sourceId: given(sourceId) ?? defaults.sourceId,
    targetId: given(targetId) ?? defaults.targetId,
    type: wordOf(types, type, 'type'),
    correlationId: metadata && given(metadata.correlationId),
    sessionId: metadata && given(metadata.sessionId),
    headers: metadata?.headers ?? {},
    priority: metadata && given(metadata.priority),
    body: bodyOf(payload),
  };
}

function payloadOf(body: AgentMessageBody): WirePayload {
  switch (body.kind) {
    case 'none':
      return undefined;
    case 'task': {
      const { taskId, sessionId, state, progress, statusMessage, output } = body;
      const value: TaskMessage = {
        taskId,
        sessionId,
        state: state === undefined ? TaskStateMessage.TASK_STATE_UNSPECIFIED : taskStateMessage(state),
        progress,
        statusMessage,
        output,
      };
      return { $case: 'taskMessage', value };
    }
    case 'control': {
      const { command, parameters } = body;
      return {
        $case: 'controlMessage',
        value: { command: commands[command], parameters: { ...parameters } },
      };
    }
    case 'data': {
      const { contentType, data, headers } = body;
      return { $case: 'dataMessage', value: { contentType, data, headers: { ...headers } } };
    }
    case 'event': {
      const { type, source, data } = body;
      return { $case: 'eventMessage', value: { eventType: type, source, data: { ...data } } };
    }
  }
}

function bodyOf(payload: WirePayload): AgentMessageBody {
  switch (payload?.$case) {
    case undefined:
      return { kind: 'none' };
    case 'taskMessage': {
      const { taskId, sessionId, state, progress, statusMessage, output } = payload.value;
      return { kind: 'task', taskId, sessionId, state: stateOf(state), progress, statusMessage, output };
    }
    case 'controlMessage': {
      const { command, parameters } = payload.value;
      return { kind: 'control', command: wordOf(commands, command, 'command') ?? 'unspecified', parameters };
    }
    case 'dataMessage':
      return { kind: 'data', ...payload.value };
    case 'eventMessage': {
      const { eventType, source, data } = payload.value;
      return { kind: 'event', type: eventType, source, data };
    }
  }
}

/** A paused task is one that runs: who does it says how it is. */
function stateOf(state: TaskStateMessage): TaskState | undefined {
  return state === TaskStateMessage.TASK_STATE_PAUSED ? 'running' : taskStateOf(state);
}
