// A model's run with tools of real MCP servers, from `POST /orchestrate/stream` to its last event, on the real daemon.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import { RunServiceDefinition, WatchRunRequest } from '../../src/protocol/gen/run/v1/run.ts';
import type { StreamFrame } from '../../src/clients/runStream/frameParser.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { type ModelEndpoint, startModelEndpoint } from '../harness/modelEndpoint.ts';
import { tempDir, type TempDir } from '../harness/tempDir.ts';
import { connectSocket, type Frame } from './daemonHarness.ts';
import { dataOf, namesOf, OrchestrateClient, runIdOf, withoutNotices } from './orchestrateHarness.ts';
import { countingServer, everythingProgram } from './toolHarness.ts';

const key = 'sk-orchestrate-0123456789';

let folder: TempDir;
let journal: string;
let endpoint: ModelEndpoint;
let daemon: TestDaemon;
let client: OrchestrateClient;

beforeAll(async () => {
  folder = await tempDir('orchestrate-model');
  journal = join(folder.path, 'calls.jsonl');
  endpoint = await startModelEndpoint();
  const models = join(folder.path, 'models.json');
  const tools = join(folder.path, 'tools.json');
  const provider = { baseUrl: `${endpoint.url}/v1`, keyEnv: 'TEST_MODEL_KEY', defaultModel: 'fake' };
  writeFileSync(
    models,
    JSON.stringify({
      providers: [
        { ...provider, id: 'test' },
        { ...provider, id: 'claude', kind: 'anthropic' },
      ],
      default: 'test',
    }),
  );
  const { command, args } = countingServer('mail', journal, ['send', 'search', 'delete']);
  writeFileSync(
    tools,
    JSON.stringify({
      servers: {
        everything: { command: process.execPath, args: [everythingProgram()] },
        mail: { command, args, aliases: { send: 'gmail_send_email', search: 'gmail_search' } },
      },
    }),
  );
  daemon = await startDaemon({
    flags: ['--models', models, '--tools', tools],
    env: { TEST_MODEL_KEY: key },
  });
  client = new OrchestrateClient(daemon);
}, 60_000);
afterEach(() => endpoint.answerBy(() => ({ text: ['done'] })));
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await endpoint[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const calls = (): { name: string }[] =>
  existsSync(journal)
    ? readFileSync(journal, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { name: string })
    : [];

const all = (frames: readonly StreamFrame[], name: string): Record<string, unknown>[] =>
  frames.filter(({ event }) => event === name).map(({ data }) => data as Record<string, unknown>);

describe.each(['test', 'claude'])('a model of %s', (provider) => {
  const worker = { engine_params: { engine_type: 'model', provider }, max_steps: 5 };

  it('calls tools of real servers, several at once, and ends with its answer', async () => {
    endpoint.say(
      {
        thinking: 'two things',
        text: ['Let me ', 'see.'],
        calls: [
          { name: 'everything_echo', input: { message: 'hello there' } },
          { name: 'everything_get-sum', input: { a: 2, b: 40 } },
        ],
        usage: { input: 100, output: 20 },
      },
      { text: ['The sum ', 'is 42.'], usage: { input: 200, output: 10 } },
    );
    const frames = withoutNotices(await client.stream({ task: 'echo and add', worker }));
    const names = namesOf(frames);
    expect(names.slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
    expect(names.slice(-2)).toEqual(['response', 'response.completed']);
    expect(dataOf(frames, 'runner.tools.configured')).toMatchObject({ mode: 'auto', providers: null });
    const completed = all(frames, 'mcp.call.completed');
    expect(completed.map(({ tool }) => tool)).toEqual(['everything_echo', 'everything_get-sum']);
    expect(JSON.stringify(completed)).toContain('hello there');
    expect(JSON.stringify(completed)).toContain('42');
    expect(
      all(frames, 'worker.generator.output.delta')
        .map(({ text }) => text)
        .join(''),
    ).toBe('Let me see.The sum is 42.');
    expect(
      all(frames, 'worker.generator.reasoning.delta')
        .map(({ text }) => text)
        .join(''),
    ).toBe('two things');
    expect(dataOf(frames, 'response')).toMatchObject({
      task: 'echo and add',
      status: 'success',
      completion_reason: 'DONE',
      steps: [{ step_index: 1, action_kind: 'mcp' }, { step_index: 2 }],
    });
    expect(JSON.stringify(frames)).not.toContain(key);
  });

  it('ends as timeout where it has no step left', async () => {
    endpoint.answerBy(() => ({ calls: [{ name: 'everything_echo', input: { message: 'again' } }] }));
    const frames = await client.stream({ task: 'for ever', worker: { ...worker, max_steps: 2 } });
    expect(dataOf(frames, 'response.completed')).toMatchObject({
      status: 'timeout',
      completion_reason: 'MAX_STEPS_REACHED',
    });
  });

  it('fails over its budget, and asks no more', async () => {
    const before = endpoint.requests.length;
    endpoint.answerBy(() => ({
      calls: [{ name: 'everything_echo', input: { message: 'again' } }],
      usage: { input: 10_000, output: 10_000 },
    }));
    const frames = await client.stream({ task: 'dear', worker, budget: { max_tokens: 15_000 } });
    expect(dataOf(frames, 'response')).toMatchObject({ status: 'failed', completion_reason: 'FAIL' });
    expect(endpoint.requests.length - before).toBe(1);
  });
});

describe('tool_constraints', () => {
  const worker = { engine_params: { engine_type: 'model', provider: 'test' }, max_steps: 400 };
  const custom = { mode: 'custom', providers: ['Gmail '], tools: ['gmail_search'] };

  it('are echoed as the effective set, and hold whatever the model asks, 300 times', async () => {
    const wanted = 'gmail_send_email';
    const forged = [
      wanted,
      wanted.toUpperCase(),
      'send',
      'mail_send',
      'mail.send',
      'mail/send',
      'delete',
      'mail_delete',
      ` ${wanted}`,
      `${wanted}\u200b`,
      'gmail_\uff53end_email',
      'gmail_s\u0435nd_email',
      'gmail-send-email',
      '__proto__',
      'constructor',
      'gmail_searchx',
      'Gmail_Search',
      'search',
      'everything_echo',
      'terminal_run_command',
    ];
    let asked = 0;
    endpoint.answerBy(() => {
      const names = Array.from({ length: 10 }, () => forged[asked++ % forged.length] ?? wanted);
      return asked > 300
        ? { calls: [{ name: 'gmail_search', input: { query: 'x' } }], text: ['now the right one'] }
        : { calls: names.map((name) => ({ name, input: { to: 'a@example.org', query: 'x' } })) };
    });
    const before = calls().length;
    const ending = { ...worker, max_steps: 31 };
    const frames = await client.stream({ task: 'send it anyway', worker: ending, tool_constraints: custom });
    expect(calls().slice(before)).toEqual([expect.objectContaining({ name: 'search' })]);
    expect(all(frames, 'mcp.call.skipped')).toHaveLength(300);
    expect(all(frames, 'mcp.call.completed').map(({ tool }) => tool)).toEqual(['gmail_search']);
    expect(dataOf(frames, 'runner.tools.configured')).toMatchObject({
      mode: 'custom',
      providers: ['gmail'],
      tools: ['gmail_search'],
      effective: [{ name: 'gmail_search' }],
    });
    const { tools } = endpoint.requests.at(-1)?.body as { tools: { function: { name: string } }[] };
    expect(tools.map(({ function: { name } }) => name)).toEqual(['gmail_search']);
  });

  it('of a mode that is none are refused before anything is asked', async () => {
    const before = endpoint.requests.length;
    const answer = await client.ask('POST', '/orchestrate/stream', {
      task: 'x',
      worker,
      tool_constraints: { mode: 'strict' },
    });
    expect(answer).toMatchObject({
      status: 400,
      json: { detail: "tool_constraints.mode must be 'auto' or 'custom'" },
    });
    expect(endpoint.requests.length).toBe(before);
  });
});

it('tells the same events in the same order through every door, live and later', async () => {
  const socket = await connectSocket(daemon.url, daemon.token);
  socket.send({ type: 'subscribe', payload: { sessionIds: ['*'], topics: ['events'] } });
  await socket.next('subscribed');
  endpoint.say(
    { thinking: 'hm', text: ['a', 'b'], calls: [{ name: 'everything_echo', input: { message: 'x' } }] },
    { text: ['c'], paceMs: 5 },
  );
  const frames = await client.stream({
    task: 'the same everywhere',
    worker: { engine_params: { engine_type: 'model', provider: 'test' } },
    platform: 'linux',
  });
  const runId = runIdOf(frames);
  const log = logOf(frames);
  expect(log.length).toBeGreaterThan(15);
  expect(logOf(await client.events(runId))).toEqual(log);
  const grpc = new GrpcClient(daemon.httpUrl, { token: daemon.token });
  try {
    await grpc.dial();
    const request = WatchRunRequest.fromPartial({ runId, afterSequence: 0 });
    const watched: unknown[] = [];
    for await (const { payload } of grpc.service(RunServiceDefinition).watchRun(request)) {
      if (payload?.$case === 'event') watched.push({ type: payload.value.type, data: payload.value.data });
    }
    expect(watched).toEqual(log);
    await socket.next((frame) => isOf(frame, runId) && eventOf(frame).type === 'response.completed');
    const overSocket = socket.frames.filter((frame) => isOf(frame, runId)).map(eventOf);
    expect(overSocket.map(({ type, data }) => ({ type, data }))).toEqual(log);
  } finally {
    grpc.close();
    socket.close();
  }
});

/** What is in the log; `response` before a failure and the server's notices are not. */
function logOf(frames: readonly StreamFrame[]): { type: string; data: unknown }[] {
  return withoutNotices(frames).map(({ event, data }) => ({ type: event, data }));
}

function eventOf(frame: Frame): { type: string; runId: string; data: unknown } {
  return frame['event'] as { type: string; runId: string; data: unknown };
}

function isOf(frame: Frame, runId: string): boolean {
  return frame.type === 'event' && eventOf(frame).runId === runId;
}
