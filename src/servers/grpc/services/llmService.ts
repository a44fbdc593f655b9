import { AsyncQueue } from '../../../base/asyncQueue.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import { LinkedAbort } from '../../../base/linkedAbort.ts';
import type { ModelGateway } from '../../../core/models/modelGateway.ts';
import type { ModelProvider } from '../../../core/models/modelProvider.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { invalidRequest } from '../../../core/text.ts';
import { Health, Status } from '../../../protocol/gen/common/v1/common.ts';
import {
  type LLMRequest,
  LLMServiceDefinition,
  type LLMStatusResponse,
  type ModelInfo,
  type ProviderCapabilities,
  type StreamLLMRequest,
  type StreamLLMResponse,
} from '../../../protocol/gen/llm/v1/llm.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { errorMessage, gatewayRequestOf, responseMessage, usageMessage } from './llmMessages.ts';
import type { ServerFacts } from './serverFacts.ts';
import { dateOf, optionalDate, required } from './values.ts';

/** What a provider gets to list its models; one that is not there must not hold up the others. */
const listLimitMs = 5_000;

/** Single answers of language models over gRPC, for clients with a loop of their own. */
export function llmService(orchestrator: Orchestrator, facts: ServerFacts): ServiceImplementation {
  const gateway = (): ModelGateway => {
    const { models } = orchestrator.runs;
    if (models !== undefined) return models;
    throw new OrchestratorError('UNIMPLEMENTED', 'invalid_request', 'This orchestrator knows of no models.');
  };
  return implement(LLMServiceDefinition, {
    streamLLM: (requests, call) => streamAnswers(gateway(), requests, call, facts),
    async completeLLM({ request }, call) {
      checkPerson(call);
      const checked = checkRequest(request);
      const limit = deadlineOf(checked, call.signal);
      const answer = await limit.within(gateway().ask(gatewayRequestOf(checked), {}, limit.signal));
      return { response: responseMessage(checked, answer, facts.now()) };
    },
    async listModels({ provider }, { signal }) {
      const found = await capabilitiesOf(gateway(), provider, signal);
      return { models: found.flatMap(({ models }) => models) };
    },
    async getCapabilities({ provider }, { signal }) {
      return { providers: await capabilitiesOf(gateway(), provider, signal) };
    },
    async healthCheck() {
      const models = gateway();
      const providers = await models.models.providers();
      const available = await availability(models, providers);
      const names = (wanted: boolean): string[] =>
        providers.flatMap(({ id }, index) => (available[index] === wanted ? [id] : []));
      return {
        health: available.includes(true) ? Health.HEALTH_HEALTHY : Health.HEALTH_DEGRADED,
        version: facts.version,
        availableProviders: names(true),
        unavailableProviders: names(false),
        timestamp: dateOf(facts.now()),
      };
    },
    getStatus: () => statusOf(gateway(), facts),
  });
}

/** Keys are the owner's, and so is what is paid for with them. Error: `permission_denied`. */
function checkPerson({ principal }: CallContext): void {
  if (principal === null) return;
  throw new OrchestratorError(
    'PERMISSION_DENIED',
    'permission_denied',
    `${principal} may not ask models with the keys of this orchestrator's owner.`,
  );
}

function checkRequest(request: LLMRequest | undefined): LLMRequest {
  if (request === undefined) throw invalidRequest('request is required');
  required(request.requestId, 'request_id');
  return request;
}

/** Answers one request after the other; a heartbeat is answered by one. */
async function* streamAnswers(
  gateway: ModelGateway,
  requests: AsyncIterable<StreamLLMRequest>,
  call: CallContext,
  facts: ServerFacts,
): AsyncGenerator<StreamLLMResponse, void, undefined> {
  checkPerson(call);
  let isFirst = true;
  for await (const { payload } of requests) {
    if (payload?.$case === 'heartbeat') {
      yield { payload: { $case: 'heartbeat', value: {} } };
      continue;
    }
    const request = payload?.value;
    if (request === undefined && isFirst) throw invalidRequest('first message must contain LLM request');
    isFirst = false;
    yield* streamAnswer(gateway, checkRequest(request), call.signal, facts);
  }
}

async function* streamAnswer(
  gateway: ModelGateway,
  request: LLMRequest,
  signal: AbortSignal,
  facts: ServerFacts,
): AsyncGenerator<StreamLLMResponse, void, undefined> {
  const { requestId } = request;
  const queue = new AsyncQueue<StreamLLMResponse>();
  const stop = new LinkedAbort(signal);
  const limit = deadlineOf(request, stop.signal);
  let index = 0;
  // What is sent cannot be taken back: an attempt that broke off within its text is the end.
  const listener = {
    said(kind: 'text' | 'reasoning', content: string): void {
      if (kind === 'text')
        queue.push(responseOf('chunk', { requestId, content, index: index++, isLast: false }));
    },
    failed(_attempt: number, failure: OrchestratorError): void {
      if (index > 0) throw failure;
    },
  };
  const answering = (async () => {
    try {
      const answer = await limit.within(gateway.ask(gatewayRequestOf(request), listener, limit.signal));
      for (const { id: toolCallId, name, arguments: argumentsDelta } of answer.calls) {
        queue.push(responseOf('toolCall', { requestId, toolCallId, name, argumentsDelta }));
      }
      queue.push(responseOf('chunk', { requestId, content: '', index, isLast: true }));
      const usage = usageMessage(answer.usage);
      if (usage !== undefined) queue.push(responseOf('usage', { requestId, usage }));
      const response = responseMessage(request, answer, facts.now());
      queue.push(responseOf('complete', { requestId, response }));
    } catch (error) {
      queue.push(responseOf('error', errorMessage(requestId, error)));
    } finally {
      queue.end();
    }
  })();
  try {
    yield* queue;
  } finally {
    stop.abort();
    stop.dispose();
    await answering;
  }
}

type Payload = NonNullable<StreamLLMResponse['payload']>;

function responseOf<C extends Payload['$case']>(
  $case: C,
  value: Extract<Payload, { $case: C }>['value'],
): StreamLLMResponse {
  return { payload: { $case, value } as Payload };
}

/** The request's own time limit beside that of the call. */
function deadlineOf(
  { metadata }: LLMRequest,
  signal: AbortSignal,
): { readonly signal: AbortSignal; within<T>(answer: Promise<T>): Promise<T> } {
  const timeoutMs = Number(metadata?.timeoutMs ?? 0n);
  if (timeoutMs <= 0) return { signal, within: (answer) => answer };
  const timer = AbortSignal.timeout(Math.min(timeoutMs, 2 ** 31 - 1));
  const linked = new LinkedAbort(signal, timer);
  return {
    signal: linked.signal,
    async within(answer) {
      try {
        return await answer;
      } catch (error) {
        if (!timer.aborted || signal.aborted) throw error;
        const message = `The model has not answered within ${timeoutMs} ms.`;
        throw new OrchestratorError('DEADLINE_EXCEEDED', 'request_timeout', message, { cause: error });
      } finally {
        linked.dispose();
      }
    },
  };
}

async function capabilitiesOf(
  gateway: ModelGateway,
  wanted: string,
  signal: AbortSignal,
): Promise<ProviderCapabilities[]> {
  const providers = await gateway.models.providers();
  const found = wanted === '' ? providers : providers.filter(({ id }) => id === wanted);
  if (found.length === 0) {
    throw new OrchestratorError(
      'NOT_FOUND',
      'model_not_found',
      `There is no provider of models "${wanted}".`,
    );
  }
  const limited = new LinkedAbort(signal, AbortSignal.timeout(listLimitMs));
  try {
    return await Promise.all(found.map((provider) => capabilities(gateway, provider, limited.signal)));
  } finally {
    limited.dispose();
  }
}

async function capabilities(
  gateway: ModelGateway,
  provider: ModelProvider,
  signal: AbortSignal,
): Promise<ProviderCapabilities> {
  const { id, title, kind } = provider;
  const metadata = { title, kind };
  if (!(await gateway.isAvailable(provider))) {
    return {
      name: id,
      available: false,
      models: [],
      metadata: { ...metadata, problem: 'its key is missing' },
    };
  }
  try {
    const key = await gateway.models.keyOf(provider);
    const names = await gateway.models.list(provider, key, signal);
    const models = names.map(
      (name): ModelInfo => ({
        id: name,
        name,
        provider: id,
        capabilities: { streaming: true, tools: true, vision: false, thinking: false },
        metadata: {},
      }),
    );
    return { name: id, available: true, models, metadata };
  } catch (error) {
    const problem = OrchestratorError.from(error).message;
    return { name: id, available: false, models: [], metadata: { ...metadata, problem } };
  }
}

function availability(gateway: ModelGateway, providers: readonly ModelProvider[]): Promise<boolean[]> {
  return Promise.all(providers.map((provider) => gateway.isAvailable(provider)));
}

async function statusOf(gateway: ModelGateway, facts: ServerFacts): Promise<LLMStatusResponse> {
  const providers = await gateway.models.providers();
  const available = await availability(gateway, providers);
  const figures = providers.map(({ id }) => gateway.figuresOf(id));
  const sum = (value: (of: (typeof figures)[number]) => number): number =>
    figures.reduce((total, one) => total + value(one), 0);
  const upMs = facts.now() - facts.startedAt;
  return {
    status: Status.STATUS_RUNNING,
    startedAt: dateOf(facts.startedAt),
    uptime: { seconds: BigInt(Math.floor(upMs / 1_000)), nanos: (upMs % 1_000) * 1e6 },
    activeRequests: sum(({ activeRequests }) => activeRequests),
    totalRequests: BigInt(sum(({ totalRequests }) => totalRequests)),
    totalTokensUsed: BigInt(sum(({ totalTokens }) => totalTokens)),
    providers: Object.fromEntries(
      providers.map(({ id }, index) => {
        const { activeRequests, totalRequests, averageMs, lastRequestAt } = gateway.figuresOf(id);
        const isThere = available[index] === true;
        return [
          id,
          {
            available: isThere,
            health: isThere ? Health.HEALTH_HEALTHY : Health.HEALTH_UNHEALTHY,
            activeRequests,
            totalRequests: BigInt(totalRequests),
            avgResponseTimeMs: averageMs,
            lastRequestAt: optionalDate(lastRequestAt),
          },
        ];
      }),
    ),
  };
}
