import { OrchestratorError } from '../../../base/errors.ts';
import type {
  ModelMessage,
  ModelPrompt,
  ModelTool,
  ModelToolCall,
} from '../../../core/models/languageModel.ts';
import type { GatewayAnswer, GatewayRequest } from '../../../core/models/modelGateway.ts';
import { invalidRequest } from '../../../core/text.ts';
import type { TokenUsage } from '../../../protocol/gen/common/v1/common.ts';
import {
  FinishReason,
  type LLMMessage,
  type LLMParameters,
  type LLMRequest,
  type LLMResponse,
  type StreamError,
  type Tool,
} from '../../../protocol/gen/llm/v1/llm.ts';
import { given } from '../../../protocol/given.ts';

/** Keys of a message's `extra`. */
const extraKeys = { callId: 'tool_call_id', toolName: 'tool_name', calls: 'tool_calls' } as const;

/** Errors: `invalid_request`. */
export function gatewayRequestOf(request: LLMRequest): GatewayRequest {
  const { messages, tools, parameters } = request;
  if (messages.length === 0) throw invalidRequest('messages are required');
  const prompt: ModelPrompt = {
    messages: messages.map(messageOf),
    tools: tools.map(toolOf),
    ...(parameters === undefined ? {} : parametersOf(parameters)),
  };
  return {
    provider: given(request.provider),
    model: given(request.model),
    fallbacks: request.fallbackProviders,
    prompt,
  };
}

function parametersOf(parameters: LLMParameters): Omit<ModelPrompt, 'messages' | 'tools'> {
  const { maxTokens, temperature, topP, topK, stopSequences } = parameters;
  if (maxTokens < 0 || topK < 0) throw invalidRequest('max_tokens and top_k must not be negative');
  return {
    maxOutputTokens: given(maxTokens),
    temperature: given(temperature),
    topP: given(topP),
    topK: given(topK),
    stopSequences: stopSequences.length === 0 ? undefined : stopSequences,
  };
}

function messageOf({ role, content, extra }: LLMMessage): ModelMessage {
  switch (role) {
    case 'system':
    case 'user':
      return { role, text: content };
    case 'assistant': {
      const calls = callsOf(extra[extraKeys.calls]);
      const text = content === '' ? [] : [{ kind: 'text', text: content } as const];
      return { role, content: [...text, ...calls] };
    }
    case 'tool': {
      const callId = extra[extraKeys.callId];
      if (callId === undefined)
        throw invalidRequest(`a message of a tool needs extra["${extraKeys.callId}"]`);
      const name = extra[extraKeys.toolName] ?? '';
      return { role, results: [{ callId, name, text: content, hasFailed: false }] };
    }
    default:
      throw invalidRequest(`there is no role ${JSON.stringify(role)}: use system, user, assistant or tool`);
  }
}

/** As JSON: a list of `{ id, name, arguments }`, where `arguments` is JSON as text, as in an answer. */
function callsOf(text: string | undefined): readonly ModelToolCall[] {
  if (text === undefined) return [];
  try {
    const list = JSON.parse(text) as unknown;
    if (!Array.isArray(list)) throw new TypeError('it is no list');
    return list.map((call: Partial<Record<'id' | 'name' | 'arguments', unknown>>) => ({
      kind: 'call',
      id: String(call.id),
      name: String(call.name),
      arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments ?? {}),
    }));
  } catch (error) {
    const why = OrchestratorError.from(error).message;
    throw invalidRequest(`extra["${extraKeys.calls}"] must be a list of calls as JSON: ${why}`);
  }
}

function toolOf({ name, description, inputSchema }: Tool): ModelTool {
  if (name === '') throw invalidRequest('a tool needs a name');
  const properties = Object.entries(inputSchema?.properties ?? {}).map(([key, property]) => [
    key,
    {
      type: given(property.type) ?? 'string',
      ...(property.description === '' ? {} : { description: property.description }),
      ...(property.enum.length === 0 ? {} : { enum: property.enum }),
    },
  ]);
  const required = inputSchema?.required ?? [];
  return {
    name,
    description,
    inputSchema: { type: 'object', properties: Object.fromEntries(properties) as object, required },
  };
}

export function usageMessage(usage: GatewayAnswer['usage']): TokenUsage | undefined {
  if (usage === undefined) return undefined;
  const { inputTokens, outputTokens } = usage;
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
}

const finishReasons: Readonly<Record<GatewayAnswer['end'], FinishReason>> = {
  stop: FinishReason.FINISH_REASON_STOP,
  length: FinishReason.FINISH_REASON_LENGTH,
  tool_calls: FinishReason.FINISH_REASON_TOOL_USES,
  refused: FinishReason.FINISH_REASON_FILTER,
};

export function responseMessage(request: LLMRequest, answer: GatewayAnswer, now: number): LLMResponse {
  return {
    requestId: request.requestId,
    content: answer.text,
    toolCalls: answer.calls.map(({ id, name, arguments: written }) => ({ id, name, arguments: written })),
    usage: usageMessage(answer.usage),
    finishReason: finishReasons[answer.end],
    provider: answer.provider,
    model: answer.model,
    completedAt: new Date(now),
    metadata: request.metadata,
  };
}

export function errorMessage(requestId: string, error: unknown): StreamError {
  const { code, message, reason } = OrchestratorError.from(error);
  return {
    requestId,
    // The word that clients of baaaht know.
    code: code === 'INTERNAL' ? 'INTERNAL_ERROR' : code,
    message,
    retryable: reason === 'model_unavailable' || reason === 'model_rate_limited',
    suggestedProvider: '',
  };
}
