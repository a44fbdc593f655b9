// llm.v1.LLMService against a real `orchestrator serve` and a model on loopback.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Health, Status } from '../../src/protocol/gen/common/v1/common.ts';
import {
  FinishReason,
  LLMRequest,
  LLMServiceDefinition,
  type StreamLLMRequest,
  type StreamLLMResponse,
} from '../../src/protocol/gen/llm/v1/llm.ts';
import { type ModelEndpoint, startModelEndpoint } from '../harness/modelEndpoint.ts';
import { buildProduct, CliFixture, type RunningCli } from './cliHarness.ts';

let dist: string;
let fixture: CliFixture;
let serving: RunningCli;
let endpoint: ModelEndpoint;
let client: GrpcClient;
let llm: RpcClient<typeof LLMServiceDefinition>;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  fixture = new CliFixture(dist);
  endpoint = await startModelEndpoint();
  const models = join(fixture.root, 'models.json');
  const test = { id: 'test', baseUrl: `${endpoint.url}/v1`, keyEnv: null, defaultModel: 'fake' };
  const locked = { ...test, id: 'locked', keyEnv: 'NO_SUCH_KEY' };
  writeFileSync(models, JSON.stringify({ providers: [test, locked], default: 'test' }));
  serving = fixture.start(['serve', '--models', models]);
  await serving.shows('gRPC: unix:');
  client = new GrpcClient(join(fixture.stateDir, 'grpc.sock'), { dialTimeoutMs: 5_000 });
  await client.dial();
  llm = client.service(LLMServiceDefinition);
});
afterEach(async () => {
  client.close();
  serving.child.kill('SIGTERM');
  await serving.result;
  await fixture[Symbol.asyncDispose]();
  await endpoint[Symbol.asyncDispose]();
});

const requestOf = (more: object = {}): LLMRequest =>
  LLMRequest.fromPartial({ requestId: 'r1', messages: [{ role: 'user', content: 'hello' }], ...more });

async function stream(...requests: readonly LLMRequest[]): Promise<StreamLLMResponse['payload'][]> {
  const queue = new AsyncQueue<StreamLLMRequest>();
  queue.push({ payload: { $case: 'heartbeat', value: {} } });
  for (const value of requests) queue.push({ payload: { $case: 'request', value } });
  queue.end();
  const answers: StreamLLMResponse['payload'][] = [];
  for await (const { payload } of llm.streamLLM(queue)) answers.push(payload);
  return answers;
}

it('completes, with tools and parameters, and falls back to another provider', async () => {
  endpoint.say({ text: ['hi'], calls: [{ id: 'c1', name: 'look', input: { at: 'it' } }] });
  const tools = [
    {
      name: 'look',
      description: 'looks',
      inputSchema: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] },
    },
  ];
  const parameters = { maxTokens: 77, temperature: 0.5 };
  const { response } = await llm.completeLLM({
    request: requestOf({ provider: 'locked', fallbackProviders: ['test'], tools, parameters }),
  });
  expect(response).toMatchObject({
    requestId: 'r1',
    content: 'hi',
    toolCalls: [{ id: 'c1', name: 'look', arguments: '{"at":"it"}' }],
    usage: { inputTokens: 100, outputTokens: 20, totalTokens: 120 },
    finishReason: FinishReason.FINISH_REASON_TOOL_USES,
    provider: 'test',
    model: 'fake',
  });
  expect(endpoint.requests[0]?.body).toMatchObject({ max_tokens: 77, temperature: 0.5, tools: [{}] });
  // What came of the call goes back to the model.
  const calls = JSON.stringify([{ id: 'c1', name: 'look', arguments: '{"at":"it"}' }]);
  await llm.completeLLM({
    request: requestOf({
      messages: [
        { role: 'user', content: 'hello' },
        { role: 'assistant', content: 'hi', extra: { tool_calls: calls } },
        { role: 'tool', content: 'a cat', extra: { tool_call_id: 'c1', tool_name: 'look' } },
      ],
    }),
  });
  expect(endpoint.requests[1]?.body['messages']).toMatchObject([
    { role: 'user' },
    { role: 'assistant', tool_calls: [{ id: 'c1' }] },
    { role: 'tool', tool_call_id: 'c1', content: 'a cat' },
  ]);
});

it('streams, and tells errors in the stream', async () => {
  endpoint.say({ text: ['one ', 'two'] }, { fault: { kind: 'status', status: 400, message: 'bad' } });
  const answers = await stream(requestOf(), requestOf({ requestId: 'r2' }));
  expect(answers.map((answer) => answer?.$case)).toEqual([
    'heartbeat',
    'chunk',
    'chunk',
    'chunk',
    'usage',
    'complete',
    'error',
  ]);
  expect(answers[3]?.value).toMatchObject({ index: 2, isLast: true });
  expect(answers[5]?.value).toMatchObject({ response: { content: 'one two' } });
  expect(answers.at(-1)?.value).toMatchObject({ requestId: 'r2', retryable: false });
});

it('keeps deadlines, and ends the request when its client goes', async () => {
  endpoint.say({ fault: { kind: 'deaf' } });
  const late = llm.completeLLM({ request: requestOf({ metadata: { timeoutMs: 200n } }) });
  await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await endpoint.requests[0]?.closed;
  endpoint.say({ text: ['half'], fault: { kind: 'silence' } });
  const queue = new AsyncQueue<StreamLLMRequest>();
  queue.push({ payload: { $case: 'request', value: requestOf() } });
  for await (const { payload } of llm.streamLLM(queue)) if (payload?.$case === 'chunk') break;
  await endpoint.requests[1]?.closed;
});

it('says what is wrong, what there is, and how it is', async () => {
  await expect(llm.completeLLM({ request: requestOf({ requestId: '' }) })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('request_id is required'),
  });
  await expect(llm.completeLLM({ request: requestOf({ provider: 'locked' }) })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
  });
  await expect(llm.listModels({ provider: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { models } = await llm.listModels({ provider: 'test' });
  expect(models.map(({ id, provider }) => [id, provider])).toEqual([
    ['model-a', 'test'],
    ['model-b', 'test'],
  ]);
  const { providers } = await llm.getCapabilities({ provider: 'locked' });
  expect(providers).toMatchObject([{ name: 'locked', available: false, models: [] }]);
  expect(await llm.healthCheck({})).toMatchObject({
    health: Health.HEALTH_HEALTHY,
    availableProviders: expect.arrayContaining(['test']),
    unavailableProviders: expect.arrayContaining(['locked', 'openai']),
  });
  await llm.completeLLM({ request: requestOf() });
  expect(await llm.getStatus({})).toMatchObject({
    status: Status.STATUS_RUNNING,
    activeRequests: 0,
    totalRequests: 1n,
    totalTokensUsed: 120n,
    providers: { test: { available: true, totalRequests: 1n } },
  });
});
