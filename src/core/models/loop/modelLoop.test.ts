import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { ModelRunSpec } from '../../runs/modelRunSpec.ts';
import type { RunEvent, RunEventType } from '../../runs/runEvents.ts';
import type { EmitRunEvent } from '../../runs/runTeller.ts';
import type { RunnerResult } from '../../runs/run.ts';
import type { ToolCall, ToolOutcome, ToolSet } from '../../tools/toolSet.ts';
import type { LanguageModel, ModelPart, ModelPrompt } from '../languageModel.ts';
import { builtInProviders } from '../modelProvider.ts';
import type { CodeRunner } from './codeTool.ts';
import { runModelLoop } from './modelLoop.ts';

type Answer = readonly (ModelPart | Error)[];

const usage = { inputTokens: 10, outputTokens: 5 };
const say = (text: string): Answer => [
  { kind: 'text', text },
  { kind: 'end', reason: 'stop', usage },
];
const callTools = (...calls: readonly [name: string, input: string, id?: string][]): Answer => [
  ...calls.map(([name, input, id = name]): ModelPart => ({ kind: 'call', id, name, arguments: input })),
  { kind: 'end', reason: 'tool_calls', usage },
];

/** A model that says what it is told to, and remembers what it was asked. */
function scripted(answers: readonly Answer[]): LanguageModel & { readonly prompts: ModelPrompt[] } {
  const prompts: ModelPrompt[] = [];
  return {
    name: 'fake',
    prompts,
    async *answer(prompt) {
      prompts.push({ ...prompt, messages: [...prompt.messages] });
      for (const part of answers[prompts.length - 1] ?? say('done')) {
        if (part instanceof Error) throw part;
        yield part;
      }
    },
  };
}

type Tools = ToolSet & { readonly called: ToolCall[]; isClosed: boolean };

function toolSet(answer: (call: ToolCall, signal: AbortSignal) => Promise<ToolOutcome>): Tools {
  const tools = ['slow', 'fast', 'broken'].map((name) => ({
    name,
    provider: 'test',
    description: name,
    inputSchema: { type: 'object' },
  }));
  const set: Tools = {
    constraints: { mode: 'auto', providers: null, tools: null },
    tools,
    unavailable: [{ provider: 'gmail', tool: null, reason: 'unauthorized' }],
    called: [],
    isClosed: false,
    call(call, signal) {
      set.called.push(call);
      if (!tools.some(({ name }) => name === call.name)) {
        return Promise.resolve({ kind: 'skipped', provider: null, reason: 'unknown_tool' });
      }
      return answer(call, signal);
    },
    [Symbol.asyncDispose]() {
      set.isClosed = true;
      return Promise.resolve();
    },
  };
  return set;
}

const completed = (text: string): ToolOutcome => ({
  kind: 'completed',
  provider: 'test',
  text,
  value: { text },
});

const spec: ModelRunSpec = {
  runId: 'run-1',
  task: 'do it',
  provider: { ...builtInProviders[0]!, id: 'test', contextTokens: 20_000 },
  model: 'fake',
  reasoningEffort: null,
  maxOutputTokens: 1_000,
  maxSteps: 10,
  maxTokens: null,
  maxCostUsd: null,
  reflects: false,
  code: null,
  tools: { mode: 'auto', providers: null, tools: null },
  servers: [],
  toolsAllowed: [],
  cwd: '/srv',
  platformHint: null,
  platform: 'linux',
  timeoutMs: null,
  ignored: [],
};

interface Told {
  readonly events: readonly RunEvent[];
  readonly types: readonly RunEventType[];
  readonly tools: Tools;
  readonly result: RunnerResult | undefined;
  all(type: RunEventType): readonly Readonly<Record<string, unknown>>[];
}

async function tell(
  model: LanguageModel,
  {
    more = {},
    tools = toolSet(() => Promise.resolve(completed('ok'))),
    code,
    signal,
  }: {
    more?: Partial<ModelRunSpec>;
    tools?: Tools;
    code?: CodeRunner;
    signal?: AbortSignal;
  } = {},
): Promise<Told> {
  const events: RunEvent[] = [];
  const emit: EmitRunEvent = (type, data) => {
    events.push({ type, data } as RunEvent);
    return Promise.resolve();
  };
  await runModelLoop(
    { ...spec, ...more },
    {
      model,
      openTools: () => Promise.resolve(tools),
      code,
      emit,
      clock: systemClock,
      random: () => 0,
      signal: signal ?? new AbortController().signal,
    },
  );
  const all = (type: RunEventType): readonly Readonly<Record<string, unknown>>[] =>
    events.flatMap((event) => (event.type === type ? [{ ...event.data }] : []));
  expect(tools.isClosed).toBe(true);
  return {
    events,
    types: events.map(({ type }) => type),
    tools,
    all,
    result: all('response')[0] as RunnerResult | undefined,
  };
}

describe('calls of one answer', () => {
  it('are made together, and told of in their order', async () => {
    const order: string[] = [];
    const { promise: fastIsDone, resolve } = Promise.withResolvers<void>();
    const tools = toolSet(async ({ name }) => {
      order.push(`${name} begins`);
      // It can only end once the other one has.
      if (name === 'slow') await fastIsDone;
      if (name === 'fast') resolve();
      order.push(`${name} ends`);
      return name === 'broken' ? { kind: 'failed', provider: 'test', error: 'it broke' } : completed(name);
    });
    const model = scripted([callTools(['slow', '{"a":1}'], ['fast', ''], ['broken', '{}'])]);
    const told = await tell(model, { tools });
    expect(order.slice(0, 2)).toEqual(['slow begins', 'fast begins']);
    const calls = told.events.flatMap(({ type, data }) =>
      type.startsWith('mcp.call.') ? [`${type} ${(data as { tool: string }).tool}`] : [],
    );
    expect(calls).toEqual([
      'mcp.call.started slow',
      'mcp.call.started fast',
      'mcp.call.started broken',
      'mcp.call.completed slow',
      'mcp.call.completed fast',
      'mcp.call.failed broken',
    ]);
    expect(model.prompts[1]?.messages.at(-1)).toMatchObject({
      role: 'tool',
      results: [
        { callId: 'slow', text: 'slow', hasFailed: false },
        { callId: 'fast', text: 'fast', hasFailed: false },
        { callId: 'broken', text: 'it broke', hasFailed: true },
      ],
    });
    expect(told.result).toMatchObject({
      status: 'success',
      steps: [
        { action_kind: 'mcp', action: 'slow, fast, broken', execution_result: { outcome: 'succeeded' } },
        { action_kind: 'gui', action: 'DONE', info: { text: 'done' } },
      ],
    });
  });

  it('that make no sense are not made, and the model hears why', async () => {
    const model = scripted([
      callTools(
        ['fast', 'no json', 'same'],
        ['fast', '[1]', 'same'],
        ['delete_everything', '{}', 'x'],
        ['FAST', '{}', ''],
        ['fast', '{}', ''],
      ),
    ]);
    const told = await tell(model);
    expect(told.tools.called.map(({ name }) => name)).toEqual(['delete_everything', 'FAST', 'fast']);
    const answer = model.prompts[1]?.messages.at(-1);
    expect(
      answer?.role === 'tool' && answer.results.map(({ callId, hasFailed }) => [callId, hasFailed]),
    ).toEqual([
      ['same', true],
      ['same-2', true],
      ['x', true],
      ['call', true],
      ['call-2', false],
    ]);
    expect(told.all('mcp.call.failed')).toMatchObject([
      { call_id: 'same', error: expect.stringContaining('not a JSON object') },
      { call_id: 'same-2' },
    ]);
    expect(told.all('mcp.call.skipped')).toMatchObject([
      { tool: 'delete_everything', reason: 'unknown_tool' },
      { tool: 'FAST', reason: 'unknown_tool' },
    ]);
    expect(told.all('mcp.call.started').map(({ call_id }) => call_id)).toEqual(['same', 'same-2', 'call-2']);
  });

  it('more than 32 are told so', async () => {
    const many = Array.from({ length: 40 }, (_, index): [string, string, string] => [
      'fast',
      '{}',
      `c${index}`,
    ]);
    const told = await tell(scripted([callTools(...many)]));
    expect(told.tools.called).toHaveLength(32);
    expect(told.all('mcp.call.failed')).toHaveLength(8);
  });
});

it('tells the tools that it has, and those that it lacks', async () => {
  const told = await tell(scripted([]));
  expect(told.all('runner.tools.configured')).toMatchObject([
    {
      mode: 'auto',
      effective: [{ name: 'slow', provider: 'test' }, {}, {}],
      unavailable: [{ provider: 'gmail' }],
    },
  ]);
  expect(told.all('mcp.actions.registration.completed')).toEqual([
    { server: 'test', actions: ['slow', 'fast', 'broken'] },
  ]);
  expect(told.all('mcp.actions.registration.skipped')).toEqual([{ server: 'gmail', reason: 'unauthorized' }]);
  expect(told.types.indexOf('runner.tools.configured')).toBeLessThan(told.types.indexOf('runner.started'));
});

it('reflects before each step but the first', async () => {
  const model = scripted([callTools(['fast', '{}']), say('it went well'), say('done')]);
  const told = await tell(model, { more: { reflects: true } });
  expect(told.types.filter((type) => type.startsWith('worker.reflection'))).toEqual([
    'worker.reflection.skipped',
    'worker.reflection.started',
    'worker.reflection.completed',
  ]);
  expect(told.result?.steps.map(({ reflection }) => reflection)).toEqual([null, 'it went well']);
  expect(JSON.stringify(model.prompts[2]?.messages)).toContain('it went well');
  expect(told.all('worker.reflection.skipped')).toEqual([{ step: 1, reason: 'initial_step' }]);
});

it('shortens what old tools gave back, and says so', async () => {
  const tools = toolSet(() => Promise.resolve(completed('y'.repeat(40_000))));
  const model = scripted([callTools(['fast', '{}']), callTools(['fast', '{}']), callTools(['fast', '{}'])]);
  const told = await tell(model, { tools });
  const [first] = told.all('worker.history.shortened');
  expect(first).toMatchObject({ step: 3, results: 1 });
  const last = model.prompts.at(-1)!;
  expect(JSON.stringify(last.messages).length).toBeLessThan(80_000);
  // The newest stays whole as long as it can.
  const results = last.messages.flatMap((message) => (message.role === 'tool' ? message.results : []));
  expect(results.at(-1)?.text).toHaveLength(40_000);
  expect(results[0]?.text).toMatch(/shortened: 40000 bytes in all/);
});

it('a conversation that is too long is asked for once more with less', async () => {
  const tooLong = new OrchestratorError('OUT_OF_RANGE', 'context_overflow', 'too long');
  const tools = toolSet(() => Promise.resolve(completed('y'.repeat(20_000))));
  const told = await tell(scripted([callTools(['fast', '{}']), [tooLong], say('done')]), { tools });
  expect(told.result).toMatchObject({ status: 'success' });
  const never = await tell(scripted([[tooLong]]));
  expect(never.all('response.failed')).toMatchObject([{ reason: 'context_overflow' }]);
});

it('what an attempt said before it broke off does not count', async () => {
  const broken = new OrchestratorError('UNAVAILABLE', 'model_unavailable', 'broke off');
  const told = await tell(scripted([[{ kind: 'text', text: 'half' }, broken], say('whole')]));
  expect(told.all('worker.generator.output.delta')).toMatchObject([
    { text: 'half', to: 4 },
    { text: 'whole', to: 5 },
  ]);
  expect(told.all('worker.generator.failed')).toMatchObject([{ attempt: 1, retry_in_ms: 250, text_to: 0 }]);
  expect(told.result?.steps[0]).toMatchObject({ plan: 'whole', info: { input_tokens: expect.any(Number) } });
});

it('hears of an abort while a tool takes no notice of it', async () => {
  const controller = new AbortController();
  const tools = toolSet(() => {
    queueMicrotask(() => controller.abort('enough'));
    return new Promise(() => undefined);
  });
  const told = await tell(scripted([callTools(['slow', '{}'])]), { tools, signal: controller.signal });
  expect(told.all('runner.abort.requested')).toEqual([{ reason: 'enough' }]);
  expect(told.result).toMatchObject({ status: 'failed', outcome: 'cancelled', steps: [{ action: 'slow' }] });
});

it('code has a budget of its own', async () => {
  let ran = 0;
  const code: CodeRunner = {
    place: 'container',
    run: () => Promise.resolve({ exitCode: ran++ === 0 ? 1 : 0, output: 'out', error: '' }),
  };
  const piece = (n: number): [string, string, string] => [
    'run_code',
    JSON.stringify({ language: 'python', code: `print(${n})` }),
    `c${n}`,
  ];
  const pieces = Array.from({ length: 22 }, (_, index) => piece(index));
  const told = await tell(
    scripted([callTools(...pieces, ['run_code', '{"language":"cobol","code":"x"}', 'z'])]),
    {
      code,
      more: { code: 'container' },
    },
  );
  expect(ran).toBe(20);
  expect(told.all('code_agent.session.started')).toMatchObject([{ budget: 20, place: 'container' }]);
  expect(told.all('code_agent.step.execution').slice(0, 2)).toMatchObject([
    { step: 1, status: 'error', return_code: 1, code_type: 'python' },
    { step: 2, status: 'ok', return_code: 0 },
  ]);
  expect(told.all('code_agent.session.completed')).toMatchObject([
    { steps_executed: 20, completion_reason: 'DONE' },
  ]);
});
