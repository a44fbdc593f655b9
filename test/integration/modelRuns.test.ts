// Runs of the engine `model`: the real core, process host, worker and libraries, and a model on loopback that is told
// what to say.
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createModels } from '../../src/adapters/models/models.ts';
import type { OrchestratorEvent } from '../../src/core/events/event.ts';
import type { ModelProviderSetting } from '../../src/core/models/modelProvider.ts';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import type { ModelRequest, Run } from '../../src/core/runs/run.ts';
import { readStepOutput } from '../../src/core/runs/stepOutput.ts';
import { type ModelEndpoint, type ScriptedAnswer, startModelEndpoint } from '../harness/modelEndpoint.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct } from './cliHarness.ts';
import { HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

const key = 'sk-very-secret-0123456789';

let dist: string;
let fixture: HostFixture;
let endpoint: ModelEndpoint;
let real: RealCore;
let core: Orchestrator;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  fixture = new HostFixture(dist);
  endpoint = await startModelEndpoint();
  real = await startRealCore(fixture, { models: models(), limits: { allowsCodeInTerminal: true } });
  core = real.core;
});
afterEach(async () => {
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
  await endpoint[Symbol.asyncDispose]();
});

function models(): ReturnType<typeof createModels> {
  const common = { keyEnv: 'TEST_MODEL_KEY', defaultModel: 'fake', idleTimeoutMs: 700 };
  const providers: ModelProviderSetting[] = [
    { ...common, id: 'test', baseUrl: `${endpoint.url}/v1`, prices: { fake: { input: 1, output: 10 } } },
    { ...common, id: 'claude', kind: 'anthropic', baseUrl: `${endpoint.url}/v1` },
    { id: 'locked', baseUrl: `${endpoint.url}/v1`, keyEnv: 'NO_SUCH_KEY', defaultModel: 'fake' },
  ];
  return createModels({
    settings: () => ({ providers, default: 'test' }),
    environment: { TEST_MODEL_KEY: key },
  });
}

const start = (task: string, model: ModelRequest = {}, more = {}): Promise<Run> =>
  core.runs.start({ task, engine: 'model', model, cwd: real.home, ...more });

async function run(answers: readonly ScriptedAnswer[], model: ModelRequest = {}, more = {}): Promise<Run> {
  endpoint.say(...answers);
  return core.runs.waitForEnd((await start('do it', model, more)).id);
}

const eventsOf = (id: string): OrchestratorEvent[] =>
  core.events.read({ after: 0, limit: 10_000, runId: id });
/** Those of the run itself: when its terminals begin and end is told by the core. */
const typesOf = (id: string): string[] =>
  eventsOf(id).flatMap(({ type }) => (type.startsWith('terminal.') ? [] : [type]));
const dataOf = (id: string, type: string): Readonly<Record<string, unknown>>[] =>
  eventsOf(id).flatMap((event) => (event.type === type ? [event.data] : []));

const ls = { name: 'run_code', input: { language: 'bash', code: 'echo hello; exit 3' } };

describe.each(['test', 'claude'])('a run with %s', (provider) => {
  it('streams thoughts and text, runs code, and ends with the answer', async () => {
    const ended = await run(
      [
        { thinking: 'let me see', text: ['I ', 'look.'], calls: [ls], usage: { input: 100, output: 20 } },
        { text: ['All ', 'done.'], usage: { input: 200, output: 10 } },
      ],
      { provider, codeExecution: true },
    );
    expect(ended.error).toBeUndefined();
    expect(ended).toMatchObject({
      status: 'succeeded',
      request: { model: { provider, model: 'fake' } },
      usage: { inputTokens: 300, outputTokens: 30, costUsd: provider === 'test' ? 0.0006 : 0 },
      steps: [
        { index: 1, command: 'run_code', status: 'failed', textBytes: 7 },
        { index: 2, command: 'DONE', status: 'succeeded', textBytes: 9 },
      ],
      result: { status: 'success', completion_reason: 'DONE' },
    });
    expect(ended.result?.steps.map(({ action_kind, info }) => [action_kind, info['text']])).toEqual([
      ['mcp', undefined],
      ['gui', 'All done.'],
    ]);
    expect(typesOf(ended.id)).toEqual([
      'response.created',
      'response.in_progress',
      'runner.tools.configured',
      'mcp.actions.registration.completed',
      'runner.started',
      'runner.step.started',
      'worker.step.started',
      'worker.reflection.skipped',
      'worker.generator.started',
      'worker.generator.reasoning.delta',
      'worker.generator.output.delta',
      'runner.usage',
      'worker.generator.stream.completed',
      'worker.generator.completed',
      'worker.step.ready',
      'runner.step.agent_response',
      'runner.step.execution.started',
      'code_agent.session.started',
      'code_agent.step.started',
      'code_agent.step.response',
      'runner.terminal',
      'code_agent.step.execution',
      'code_agent.step.completed',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.step.started',
      'worker.step.started',
      'worker.reflection.skipped',
      'worker.generator.started',
      'worker.generator.output.delta',
      'runner.usage',
      'worker.generator.stream.completed',
      'worker.generator.completed',
      'worker.step.ready',
      'runner.step.agent_response',
      'code_agent.session.completed',
      'runner.step.completed',
      'runner.completed',
      'response',
      'response.completed',
    ]);
    expect(dataOf(ended.id, 'code_agent.step.execution')).toMatchObject([
      { code_type: 'bash', status: 'error', output: 'hello\n', return_code: 3 },
    ]);
    // What it said before it called goes back with the call, and what came of it.
    const messages = JSON.stringify(endpoint.requests[1]?.body['messages']);
    expect(messages).toContain('I look.');
    expect(messages).toContain('It ended with exit code 3.');
    if (provider === 'claude') expect(messages).toContain('c2lnbmVk');
    const piece = await readStepOutput(core, ended, { step: 2, skip: 4, maxBytes: 100 });
    expect(Buffer.from(piece.data).toString()).toBe('done.');
  });
});

describe('what goes wrong on the wire', () => {
  it.each<[string, ScriptedAnswer, number, RegExp]>([
    [
      'a rate limit with retry-after',
      { fault: { kind: 'status', status: 429, message: 'slow down', headers: { 'retry-after': '1' } } },
      1_000,
      /HTTP 429: slow down/,
    ],
    ['a 500', { fault: { kind: 'status', status: 500, message: 'oops' } }, 250, /HTTP 500: oops/],
    [
      'an error within the stream',
      { text: ['half '], fault: { kind: 'error', message: 'boom' } },
      250,
      /boom/,
    ],
    ['a broken connection', { text: ['half '], fault: { kind: 'reset' } }, 250, /broke off/],
    [
      'silence within an answer',
      { text: ['half '], fault: { kind: 'silence' } },
      950,
      /sent nothing for 0.7 s/,
    ],
    ['no answer at all', { fault: { kind: 'deaf' } }, 950, /sent nothing for 0.7 s/],
    [
      'JSON that is none',
      { text: ['half '], fault: { kind: 'raw', text: 'data: {"id": nonsense\n\n' } },
      250,
      /broke off/,
    ],
    ['an end that is none', { text: ['half '], fault: { kind: 'raw', text: '' } }, 250, /broke off/],
    ['nothing at all', { text: [] }, 250, /nothing at all/],
  ])(
    '%s: is asked again, and no text is there twice',
    async (_, fault, waitMs, message) => {
      for (const provider of ['test', 'claude']) {
        const ended = await run([fault, { text: ['whole answer'] }], { provider });
        expect(ended).toMatchObject({ status: 'succeeded', steps: [{ textBytes: 12 }] });
        expect(dataOf(ended.id, 'worker.generator.failed')).toEqual([
          {
            step: 1,
            attempt: 1,
            error: expect.stringMatching(message),
            retry_in_ms: expect.any(Number),
            text_to: 0,
          },
        ]);
        const [first, second] = endpoint.requests.slice(-2).map(({ at }) => at);
        const waited = (second ?? 0) - (first ?? 0);
        expect(waited).toBeGreaterThanOrEqual(waitMs - 20);
        expect(waited).toBeLessThan(waitMs + 1_500);
        const piece = await readStepOutput(core, ended, { step: 1, skip: 0, maxBytes: 100 });
        expect(Buffer.from(piece.data).toString()).toBe('whole answer');
        expect(ended.result?.steps[0]?.info['text']).toBe('whole answer');
      }
    },
    20_000,
  );

  it.each<[string, ScriptedAnswer, string]>([
    [
      'a key that is not accepted',
      { fault: { kind: 'status', status: 401, message: `bad key ${key}` } },
      'model_key_refused',
    ],
    [
      'a request that is not accepted',
      { fault: { kind: 'status', status: 400, message: 'bad' } },
      'model_rejected',
    ],
    [
      'a model that is not there',
      { fault: { kind: 'status', status: 404, message: 'none' } },
      'model_not_found',
    ],
    [
      'a conversation that is too long',
      { fault: { kind: 'status', status: 400, message: "This model's maximum context length is 10 tokens" } },
      'context_overflow',
    ],
    ['another address', { fault: { kind: 'redirect', to: 'http://127.0.0.1:9/v1' } }, 'model_rejected'],
    ['an answer at the limit of its length', { text: ['and so'], finish: 'length' }, 'output_limit'],
  ])('%s: ends the run at once', async (_, answer, reason) => {
    const ended = await run([answer]);
    expect(ended).toMatchObject({ status: 'failed', error: { reason } });
    expect(endpoint.requests).toHaveLength(1);
    expect(JSON.stringify(eventsOf(ended.id))).not.toContain(key);
  });

  it('a refusal fails the run, and nothing else does', async () => {
    const ended = await run([{ text: ['I will not.'], finish: 'content_filter' }]);
    expect(ended).toMatchObject({
      status: 'failed',
      result: { status: 'failed', completion_reason: 'FAIL' },
    });
    expect(ended.error).toBeUndefined();
    const claude = await run([{ text: ['I will not.'], finish: 'refusal' }], { provider: 'claude' });
    expect(claude).toMatchObject({ status: 'failed', result: { completion_reason: 'FAIL' } });
    const said = await run([{ text: ['FAIL: there is no such file'] }]);
    expect(said).toMatchObject({ status: 'failed', steps: [{ command: 'FAIL' }] });
  });

  it('an endless answer is cut, and memory does not grow with it', async () => {
    const text = 'x'.repeat(10_000);
    const ended = await run([{ fault: { kind: 'endless', text } }], { maxOutputTokens: 2_000 });
    expect(ended).toMatchObject({ status: 'failed', error: { reason: 'output_limit' } });
    expect(ended.steps[0]?.textBytes).toBeLessThan(60_000);
    await endpoint.requests[0]?.closed;
  });

  it('gives up after four more tries, in the stated time', async () => {
    endpoint.answerBy(() => ({ fault: { kind: 'status', status: 503, message: 'down' } }));
    const begun = Date.now();
    const ended = await run([]);
    expect(ended).toMatchObject({ status: 'failed', error: { reason: 'model_unavailable' } });
    expect(endpoint.requests).toHaveLength(5);
    expect(dataOf(ended.id, 'worker.generator.failed').at(-1)).toMatchObject({
      attempt: 5,
      retry_in_ms: null,
    });
    expect(Date.now() - begun).toBeLessThan(10_000);
  }, 20_000);
});

describe('limits', () => {
  it('steps, tokens and cost', async () => {
    endpoint.answerBy(() => ({ calls: [ls], usage: { input: 1_000, output: 100 } }));
    const bySteps = await run([], { codeExecution: true, maxSteps: 2 });
    expect(bySteps).toMatchObject({
      status: 'timed_out',
      result: { status: 'timeout', completion_reason: 'MAX_STEPS_REACHED' },
    });
    expect(bySteps.steps).toHaveLength(2);
    const before = endpoint.requests.length;
    const byTokens = await run([], { codeExecution: true, maxTokens: 3_000 });
    expect(byTokens).toMatchObject({
      status: 'failed',
      error: { reason: 'budget_exhausted' },
      usage: { inputTokens: 3_000 },
    });
    expect(endpoint.requests.length - before).toBe(3);
    const byCost = await run([], { codeExecution: true, maxCostUsd: 0.003 });
    expect(byCost).toMatchObject({ status: 'failed', error: { reason: 'budget_exhausted' } });
    expect(byCost.usage?.costUsd).toBeCloseTo(0.004);
    const unpriced = await run([{ text: ['ok'] }], { provider: 'claude', maxCostUsd: 1 });
    expect(dataOf(unpriced.id, 'runner.hints.ignored')).toEqual([
      { engine: 'model', fields: ['worker.max_cost_usd'] },
    ]);
  }, 20_000);

  it('an answer that goes over the budget is cut off', async () => {
    const ended = await run([{ fault: { kind: 'endless', text: 'word '.repeat(50) } }], { maxTokens: 2_000 });
    expect(ended).toMatchObject({ status: 'failed', error: { reason: 'budget_exhausted' } });
    await endpoint.requests[0]?.closed;
    expect(ended.steps[0]?.textBytes).toBeLessThan(9_000);
  });

  it('time', async () => {
    const ended = await run([{ text: ['half'], fault: { kind: 'silence' } }], {}, { timeoutMs: 300 });
    expect(ended).toMatchObject({ status: 'timed_out', result: { status: 'timeout' } });
  });

  it('an abort ends it within 1.5 s, whatever it waits for', async () => {
    const sleep = { name: 'run_code', input: { language: 'bash', code: 'sleep 60' } };
    for (const [answer, type] of [
      [{ text: ['half'], fault: { kind: 'silence' } }, 'worker.generator.output.delta'],
      [
        { fault: { kind: 'status', status: 429, message: 'no', headers: { 'retry-after': '50' } } },
        'worker.generator.failed',
      ],
      [{ calls: [sleep] }, 'runner.terminal'],
    ] as const) {
      endpoint.say(answer);
      const { id } = await start('wait', { codeExecution: true });
      await waitUntil(type, () => typesOf(id).includes(type), { limitMs: 10_000, everyMs: 10 });
      const asked = Date.now();
      await core.runs.abort(id);
      const ended = await core.runs.waitForEnd(id);
      expect(ended.status).toBe('cancelled');
      expect(Date.now() - asked).toBeLessThan(1_500);
    }
  }, 20_000);
});

it('says before anything is started what is missing', async () => {
  await expect(start('x', { provider: 'locked' })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'model_key_missing',
    message: expect.stringContaining('NO_SUCH_KEY'),
  });
  await expect(start('x', { provider: 'nobody' })).rejects.toMatchObject({ reason: 'model_not_found' });
  await expect(start('x', { maxSteps: 0 })).rejects.toMatchObject({ reason: 'invalid_request' });
  expect(core.runs.list()).toEqual([]);
});
