import { type Clock, systemClock } from '../../base/clock.ts';
import { LinkedAbort } from '../../base/linkedAbort.ts';
import type {
  AnswerEnd,
  LanguageModel,
  ModelMessage,
  ModelPart,
  ModelPrompt,
} from '../../core/models/languageModel.ts';
import type { ModelProvider } from '../../core/models/modelProvider.ts';
import type * as Libraries from './modelSdk.ts';
import { modelFailure } from './modelFailure.ts';
import { modelFetch } from './modelFetch.ts';

type Sdk = typeof Libraries;
type SdkModel = ReturnType<ReturnType<Sdk['createAnthropic']>['languageModel']>;
type SdkCall = Parameters<SdkModel['doStream']>[0];
type SdkMessage = SdkCall['prompt'][number];
type SdkAssistantPart = Extract<SdkMessage, { role: 'assistant' }>['content'][number];
type SdkToolPart = Extract<SdkMessage, { role: 'tool' }>['content'][number];
type SdkMetadata = NonNullable<SdkAssistantPart['providerOptions']>;
type SdkStream = Awaited<ReturnType<SdkModel['doStream']>>['stream'];
type SdkPart = SdkStream extends ReadableStream<infer Part> ? Part : never;

/** One model of a provider that is reached over HTTP. Nothing is loaded or sent before it is asked. */
export function openSdkModel(
  provider: ModelProvider,
  name: string,
  key: string | undefined,
  clock: Clock = systemClock,
): LanguageModel {
  return {
    name,
    async *answer(prompt, signal) {
      // A reader that stops early ends the request with it.
      const stop = new LinkedAbort(signal);
      try {
        const model = await openModel(provider, name, key, clock);
        const { stream } = await model.doStream({ ...callOf(prompt, provider), abortSignal: stop.signal });
        yield* partsOf(stream);
      } catch (error) {
        signal.throwIfAborted();
        throw modelFailure(error, provider, name, key);
      } finally {
        stop.abort();
        stop.dispose();
      }
    },
  };
}

async function openModel(
  provider: ModelProvider,
  name: string,
  key: string | undefined,
  clock: Clock,
): Promise<SdkModel> {
  const sdk = await import('./modelSdk.ts');
  const fetch = modelFetch({ provider, hasKey: key !== undefined, clock });
  // Without any, the libraries would look into the environment: a key is for its own provider only.
  const apiKey = key ?? 'none';
  const { id, baseUrl: baseURL } = provider;
  if (provider.kind === 'anthropic')
    return sdk.createAnthropic({ baseURL, apiKey, fetch }).languageModel(name);
  const model = sdk
    .createOpenAICompatible({
      name: id,
      baseURL,
      apiKey,
      fetch,
      includeUsage: true,
      transformRequestBody: isOpenAi(baseURL) ? withCompletionLimit : undefined,
    })
    .languageModel(name);
  // Models at home write their thoughts into the answer.
  return sdk.wrapLanguageModel({ model, middleware: sdk.extractReasoningMiddleware({ tagName: 'think' }) });
}

function isOpenAi(baseUrl: string): boolean {
  return new URL(baseUrl).hostname === 'api.openai.com';
}

/** OpenAI's own reasoning models refuse the old name, which all others still need. */
function withCompletionLimit(body: Record<string, unknown>): Record<string, unknown> {
  const { max_tokens: limit, ...rest } = body;
  return limit === undefined ? rest : { ...rest, max_completion_tokens: limit };
}

function callOf(prompt: ModelPrompt, { kind }: ModelProvider): SdkCall {
  const { messages, tools, maxOutputTokens, reasoningEffort, temperature, topP, topK, stopSequences } =
    prompt;
  return {
    prompt: messages.map(messageOf),
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, inputSchema }) => ({
            type: 'function' as const,
            name,
            description,
            inputSchema: inputSchema,
          })),
        }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(stopSequences === undefined ? {} : { stopSequences: [...stopSequences] }),
    ...(reasoningEffort === undefined || kind === 'ollama' ? {} : { reasoning: reasoningEffort }),
  };
}

function messageOf(message: ModelMessage): SdkMessage {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.text };
    case 'user':
      return { role: 'user', content: [{ type: 'text', text: message.text }] };
    case 'tool':
      return {
        role: 'tool',
        content: message.results.map(
          ({ callId, name, text, hasFailed }): SdkToolPart => ({
            type: 'tool-result',
            toolCallId: callId,
            toolName: name,
            output: { type: hasFailed ? 'error-text' : 'text', value: text },
          }),
        ),
      };
    case 'assistant':
      return {
        role: 'assistant',
        content: message.content.map((part): SdkAssistantPart => {
          if (part.kind === 'text') return { type: 'text', text: part.text };
          const own = part.opaque === undefined ? {} : { providerOptions: part.opaque as SdkMetadata };
          if (part.kind === 'reasoning') return { type: 'reasoning', text: part.text, ...own };
          const { id: toolCallId, name: toolName } = part;
          return { type: 'tool-call', toolCallId, toolName, input: inputOf(part.arguments), ...own };
        }),
      };
  }
}

/** Providers take an object only: what the model wrote instead of one, it is told of in the call's result. */
function inputOf(written: string): unknown {
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

async function* partsOf(stream: SdkStream): AsyncGenerator<ModelPart, void, undefined> {
  /** Names of the calls whose arguments are being written. */
  const names = new Map<string, string>();
  for await (const part of stream as AsyncIterable<SdkPart>) {
    switch (part.type) {
      case 'text-delta':
        yield { kind: 'text', text: part.delta };
        break;
      case 'reasoning-delta':
        yield { kind: 'reasoning', text: part.delta };
        // Anthropic signs a thought with an empty delta at its end.
        if (part.providerMetadata !== undefined)
          yield { kind: 'reasoning.end', opaque: part.providerMetadata };
        break;
      case 'reasoning-start':
        if (hasRedacted(part.providerMetadata))
          yield { kind: 'reasoning.end', opaque: part.providerMetadata };
        break;
      case 'tool-input-start':
        names.set(part.id, part.toolName);
        break;
      case 'tool-input-delta':
        yield { kind: 'call.delta', id: part.id, name: names.get(part.id) ?? '', text: part.delta };
        break;
      case 'tool-call': {
        const { toolCallId: id, toolName: name, input, providerMetadata: opaque } = part;
        yield { kind: 'call', id, name, arguments: input, opaque };
        break;
      }
      case 'error':
        throw part.error;
      case 'finish': {
        const { inputTokens, outputTokens } = part.usage;
        const isKnown = inputTokens.total !== undefined || outputTokens.total !== undefined;
        const usage = isKnown
          ? { inputTokens: inputTokens.total ?? 0, outputTokens: outputTokens.total ?? 0 }
          : undefined;
        yield { kind: 'end', reason: endOf(part.finishReason.unified), usage };
        return;
      }
      default:
        break;
    }
  }
  throw new Error('it ended without saying that it was the end');
}

/** A thought that only the provider can read has no text, and must go back all the same. */
function hasRedacted(metadata: SdkMetadata = {}): boolean {
  return Object.values(metadata).some((own) => 'redactedData' in own);
}

function endOf(reason: Extract<SdkPart, { type: 'finish' }>['finishReason']['unified']): AnswerEnd {
  switch (reason) {
    case 'tool-calls':
      return 'tool_calls';
    case 'length':
      return 'length';
    case 'content-filter':
      return 'refused';
    case 'error':
    case 'interrupted':
      throw new Error('it ended with an error');
    case 'stop':
    case 'other':
      return 'stop';
  }
}
