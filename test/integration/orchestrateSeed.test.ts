// Seed 004 against a real daemon: its client as printed, curl, and its tables row by row.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import {
  AgentServiceDefinition,
  RegisterRequest,
  type StreamTaskRequest,
  type StreamTaskResponse,
  TaskState,
} from '../../src/protocol/gen/agent/v1/agent.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { waitUntil } from '../harness/processes.ts';
import { complete, frame, output, status, Talk } from '../harness/taskTalk.ts';
import { type FakeAgent, makeFakeAgent } from './agentHarness.ts';
import { createSeedClient } from './fixtures/seed004Client.ts';
import { dataOf, namesOf, OrchestrateClient, printedText } from './orchestrateHarness.ts';

const run = promisify(execFile);

let agent: FakeAgent;
let daemon: TestDaemon;
let client: OrchestrateClient;

beforeAll(async () => {
  agent = makeFakeAgent();
  daemon = await startDaemon({
    origins: ['http://localhost:3000', 'https://localhost:3000'],
    env: agent.env,
  });
  client = new OrchestrateClient(daemon);
}, 90_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  agent[Symbol.dispose]();
});

const seedClient = (): ReturnType<typeof createSeedClient> =>
  createSeedClient({ apiBase: daemon.httpUrl, userId: 'tenant-1', fetch: client.fetch });

/** A registered agent that prints and ends each task that it is given. Ends with the connection. */
async function serveAgent(name: string, isStopped: () => boolean): Promise<void> {
  const grpc = new GrpcClient(daemon.httpUrl, { token: daemon.token });
  await grpc.dial();
  const service = grpc.service(AgentServiceDefinition);
  const { agentId } = await service.register(RegisterRequest.fromPartial({ name }));
  try {
    const taskId = await waitUntil('there is a task', async () => {
      const beat = await service.heartbeat({ agentId, resources: undefined, activeTasks: [] });
      return isStopped() || beat.pendingTasks.length > 0 ? (beat.pendingTasks[0] ?? 'none') : undefined;
    });
    if (taskId === 'none') return;
    const talk = new Talk<StreamTaskRequest, StreamTaskResponse>((requests) => service.streamTask(requests));
    talk.say(frame(taskId, status(TaskState.TASK_STATE_RUNNING)));
    talk.say(frame(taskId, output('from the agent\n')));
    talk.say(frame(taskId, complete(0)));
    await talk.until(({ payload }) => payload?.$case === 'complete');
    await talk.close();
  } finally {
    grpc.close();
  }
}

describe("the seed's client", () => {
  it('shows a run of the shell from queued to success', async () => {
    const { page, streamOrchestrator } = seedClient();
    await streamOrchestrator({ task: 'echo one\necho grüße 👋', enable_code_execution: false });
    expect(page.phases).toEqual(['queued', 'running', 'success']);
    expect(page.steps).toEqual([{ step: 1 }, { step: 2 }]);
    expect(page.results).toMatchObject([
      { task: 'echo one\necho grüße 👋', status: 'success', completion_reason: 'DONE' },
    ]);
    expect(page.results[0]?.steps.map((step) => step['step_index'])).toEqual([1, 2]);
    const printed = page.telemetry.filter(({ event }) => event === 'runner.step.output');
    expect(printed.map(({ data }) => data['text']).join('')).toBe('one\r\ngrüße 👋\r\n');
    // Contract 004, section 2: how it begins and ends.
    expect(page.events.slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
    expect(page.events.slice(-3)).toEqual(['response', 'response.completed', 'server.keepalive.stopped']);
  });

  it('shows one that fails, with its result', async () => {
    const { page, streamOrchestrator } = seedClient();
    await streamOrchestrator({ task: 'exit 3' });
    expect(page.phases).toEqual(['queued', 'running', 'failed']);
    expect(page.results).toMatchObject([{ status: 'failed', completion_reason: 'FAIL' }]);
    expect(page.errors).toEqual([]);
  });

  it('shows one that takes too long', async () => {
    const { page, streamOrchestrator } = seedClient();
    await streamOrchestrator({ task: 'sleep 60', timeout_ms: 300 });
    expect(page.phases).toEqual(['queued', 'running', 'timeout']);
    expect(page.results).toMatchObject([{ status: 'timeout', completion_reason: 'MAX_STEPS_REACHED' }]);
  });

  it('shows a coding agent', async () => {
    const { page, streamOrchestrator } = seedClient();
    await streamOrchestrator({
      task: 'slow please',
      worker: { engine_params: { engine_type: 'claude-code' } },
      tool_constraints: { mode: 'auto' },
      platform: 'linux',
    });
    expect(page.phases).toEqual(['queued', 'running', 'success']);
    expect(page.events.slice(0, 4)).toEqual([
      ...['response.created', 'response.in_progress', 'runner.tools.configured', 'runner.hints.ignored'],
    ]);
    const said = page.telemetry.filter(({ event }) => event === 'worker.generator.output.delta');
    expect(said.map(({ data }) => data['text']).join('')).toMatch(/^0 1 2 .* 39 /);
    expect(page.results).toHaveLength(1);
  });

  it('shows a registered agent', async () => {
    let isOver = false;
    const agents = serveAgent('painter', () => isOver);
    await waitUntil(
      'it is registered',
      async () => {
        const { page, streamOrchestrator } = seedClient();
        try {
          await streamOrchestrator({
            task: 'paint it',
            worker: { engine_params: { engine_type: 'agent', agent: 'painter' } },
          });
        } catch {
          return undefined;
        }
        expect(page.phases).toEqual(['queued', 'running', 'success']);
        const printed = page.telemetry.filter(({ event }) => event === 'runner.task.output');
        expect(printed.map(({ data }) => data['text']).join('')).toBe('from the agent\n');
        return true;
      },
      { limitMs: 30_000 },
    );
    isOver = true;
    await agents;
  });

  it('is told why a run failed that has no result, and still gets one', async () => {
    const { page, streamOrchestrator } = seedClient();
    await streamOrchestrator({ task: 'nothing', worker: { engine_params: { engine_type: 'claude-code' } } });
    expect(page.phases).toEqual(['queued', 'running', 'failed', 'failed']);
    expect(page.errors).toHaveLength(2);
    expect(page.errors[0]).toEqual(page.errors[1]);
    expect(page.errors[0]).toMatchObject({ error: expect.any(String) });
    expect(page.results).toMatchObject([{ status: 'failed', completion_reason: 'FAIL' }]);
    expect(page.events.slice(-4)).toEqual([
      'response',
      'response.failed',
      'error',
      'server.keepalive.stopped',
    ]);
  });
});

describe('curl -N', () => {
  it('streams standard frames with ids, and nothing that a proxy would hold back', async () => {
    const { stdout } = await run('curl', [
      ...['-sN', '-i', '-m', '20', '-H', `Authorization: Bearer ${daemon.token}`],
      ...['-H', 'Content-Type: application/json', '-d', '{"task":"echo hi"}'],
      `${daemon.httpUrl}/orchestrate/stream`,
    ]);
    const [head = '', ...frames] = stdout.replaceAll('\r\n', '\n').split('\n\n');
    expect(head).toMatch(/^HTTP\/1.1 200 OK\n/);
    for (const header of [
      'Content-Type: text/event-stream; charset=utf-8',
      'Cache-Control: no-cache',
      'X-Accel-Buffering: no',
    ]) {
      expect(head).toContain(header);
    }
    const all = frames.filter((text) => text.trim() !== '');
    for (const text of all) expect(text).toMatch(/^(?:id: \d+(?:\.\d+)?\n)?event: [\w.-]+\ndata: \{.*\}$/);
    expect(all[0]).toMatch(/^id: \d+\nevent: response\.created\ndata: \{"status":"accepted",/);
    expect(all.at(-1)).toMatch(/^event: server\.keepalive\.stopped\ndata: \{"ts":\d+(\.\d+)?\}$/);
  });

  it('streams a task in the address too', async () => {
    const { stdout } = await run('curl', [
      ...['-sN', '-m', '20', '-H', `Authorization: Bearer ${daemon.token}`],
      `${daemon.httpUrl}/orchestrate/stream?task=echo%20hello`,
    ]);
    expect(stdout).toContain('"text":"hello\\r\\n"');
    expect(stdout).toContain('event: response.completed');
  });
});

describe('what is wrong with a request', () => {
  const custom = (constraints: unknown): object => ({ task: 'true', tool_constraints: constraints });
  const engine = (params: object): object => ({ task: 'true', worker: { engine_params: params } });

  it.each([
    ['no task', {}, "Missing required field 'task'"],
    ['an empty task', { task: ' \n ' }, 'task must not be empty'],
    ['a number for a task', { task: 7 }, 'task must be a string'],
    ['null for a task', { task: null }, 'task must be a string'],
    ['another mode', custom({ mode: 'manual' }), "tool_constraints.mode must be 'auto' or 'custom'"],
    ['a number for a mode', custom({ mode: 7 }), "tool_constraints.mode must be 'auto' or 'custom'"],
    [
      'a text for providers',
      custom({ mode: 'custom', providers: 'gmail' }),
      'tool_constraints.providers must be a list of strings',
    ],
    ['a number among tools', custom({ tools: [1] }), 'tool_constraints.tools must be a list of strings'],
    ['a list of constraints', custom([1]), 'tool_constraints must be an object'],
    ['a list for a worker', { task: 'true', worker: [1] }, 'worker must be an object'],
    ['a text for grounding', { task: 'true', grounding: 'x' }, 'grounding must be an object'],
    ['a number for a platform', { task: 'true', platform: 7 }, 'platform must be a string'],
    [
      'a text for a flag',
      { task: 'true', enable_code_execution: 'yes' },
      'enable_code_execution must be true or false',
    ],
    ['no steps', { task: 'true', worker: { max_steps: 0 } }, 'worker.max_steps must be at least 1'],
    ['an agent without a name', engine({ engine_type: 'agent' }), /engine_params.agent must name the agent/],
    [
      'an unknown engine',
      engine({ engine_type: 'gpt' }),
      /engine_type must be one of shell, container, agent/,
    ],
    ['another effort', engine({ reasoning_effort: 'huge' }), /must be one of low, medium, high/],
    ['no budget', { task: 'true', budget: { max_cost_usd: 0 } }, 'budget.max_cost_usd must be more than 0'],
    ['an unfinished command', { task: 'echo "x' }, /quote|Line 1/],
  ])('%s is answered 400 with a sentence', async (_, body, detail) => {
    for (const path of ['/orchestrate/stream', '/orchestrate']) {
      const answer = await client.ask('POST', path, body);
      expect(answer.status).toBe(400);
      expect(answer.json).toEqual({
        detail: typeof detail === 'string' ? detail : expect.stringMatching(detail),
      });
    }
  });

  it.each([
    ['{', 'not JSON'],
    ['[1]', 'a list'],
    ['"task"', 'a text'],
    ['', 'nothing'],
  ])('%s is answered 422 with a list', async (body) => {
    const { status: code, json } = await client.ask('POST', '/orchestrate/stream', body);
    expect(code).toBe(422);
    expect(json).toEqual({ detail: [expect.objectContaining({ loc: ['body'], msg: expect.any(String) })] });
  });

  it('looking starts nothing', async () => {
    const before = (await client.ask('GET', '/orchestrate/runs?limit=1')).json['runs'];
    const answer = await client.send('HEAD', '/orchestrate/stream?task=true');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    expect((await client.ask('GET', '/orchestrate/runs?limit=1')).json['runs']).toEqual(before);
  });

  it('an address without a task is answered 422', async () => {
    const { status: code, json } = await client.ask('GET', '/orchestrate/stream');
    expect(code).toBe(422);
    expect(json).toEqual({ detail: [{ type: 'missing', loc: ['query', 'task'], msg: 'Field required' }] });
  });

  it('a body that is too large, a label that is too long, a session that is not there, another method', async () => {
    expect((await client.ask('POST', '/orchestrate/stream', { task: 'x'.repeat(2_000_000) })).status).toBe(
      413,
    );
    const label = { headers: { 'x-user-id': 'x'.repeat(201) } };
    expect(await client.ask('POST', '/orchestrate/stream', { task: 'true' }, label)).toMatchObject({
      status: 400,
      json: { detail: expect.stringContaining('X-User-Id') },
    });
    const lost = await client.ask('POST', '/orchestrate/stream', {
      task: 'true',
      session_id: 'f'.repeat(32),
    });
    expect(lost).toMatchObject({ status: 404, json: { detail: expect.any(String) } });
    const put = await client.ask('PUT', '/orchestrate/stream');
    expect(put).toMatchObject({ status: 405, json: { detail: 'Here is only POST, GET.' } });
    expect((await client.ask('GET', '/orchestrate/nothing')).json).toEqual({
      detail: 'There is nothing at /orchestrate/nothing.',
    });
  });

  it('whatever is falsy or unknown is as good as nothing', async () => {
    const frames = await client.stream({
      ...{ task: 'true', worker: null, grounding: '', controller: 0, platform: null, tool_constraints: {} },
      ...{ toolset: null, budget: false, session_id: null, something: { else: 1 } },
    });
    expect(namesOf(frames)).not.toContain('runner.hints.ignored');
    expect(namesOf(frames)).not.toContain('runner.tools.configured');
    expect(dataOf(frames, 'response.completed')).toMatchObject({ status: 'success' });
  });
});

describe("the seed's tables", () => {
  it('401 and 403 come before the stream, with a detail', async () => {
    for (const path of ['/orchestrate/stream', '/orchestrate/runs', '/config']) {
      const method = path.endsWith('stream') ? 'POST' : 'GET';
      const body = method === 'POST' ? { task: 'true' } : undefined;
      const answer = await client.ask(method, path, body, { headers: { authorization: 'Bearer wrong' } });
      expect(answer).toMatchObject({ status: 401, json: { detail: expect.any(String) } });
      expect(Object.keys(answer.json)).toEqual(['detail']);
      const foreign = await client.ask(method, path, body, { headers: { origin: 'http://evil.example' } });
      expect(foreign).toMatchObject({ status: 403, json: { detail: expect.any(String) } });
    }
  });

  it('pages of both configured origins may ask, with credentials and the label', async () => {
    for (const origin of ['http://localhost:3000', 'https://localhost:3000']) {
      const preflight = await client.send('OPTIONS', '/orchestrate/stream', undefined, {
        headers: { origin, 'access-control-request-method': 'POST' },
      });
      expect(preflight.status).toBe(204);
      for (const header of ['X-User-Id', 'Content-Type', 'Authorization', 'Last-Event-ID']) {
        expect(preflight.headers.get('access-control-allow-headers')).toContain(header);
      }
      const answer = await client.send(
        'POST',
        '/orchestrate/stream',
        { task: 'true' },
        { headers: { origin } },
      );
      await answer.text();
      for (const { headers } of [preflight, answer]) {
        expect(headers.get('access-control-allow-origin')).toBe(origin);
        expect(headers.get('access-control-allow-credentials')).toBe('true');
      }
    }
  });

  it('tool constraints are cleaned, echoed with what is effective, and told where they mean nothing', async () => {
    const frames = await client.stream({
      task: 'true',
      tool_constraints: { mode: ' CUSTOM ', providers: [' Gmail', '', 'SLACK '], tools: [] },
      worker: { max_steps: 7, max_trajectory_length: 2 },
      grounding: { grounding_width: 1 },
      controller: { host: 'vm' },
      platform: 'windows',
      enable_code_execution: true,
    });
    expect(dataOf(frames, 'runner.tools.configured')).toEqual({
      ...{ mode: 'custom', providers: ['gmail', 'slack'], tools: null },
      ...{ effective: [], unavailable: [] },
    });
    expect(dataOf(frames, 'runner.hints.ignored')).toEqual({
      engine: 'shell',
      fields: [
        ...['worker.max_steps', 'enable_code_execution', 'worker.max_trajectory_length'],
        ...['grounding', 'controller', 'platform'],
      ],
    });
    const names = namesOf(frames);
    expect(names.indexOf('runner.tools.configured')).toBeLessThan(names.indexOf('runner.started'));
    const toolset = await client.stream({
      task: 'true',
      tool_constraints: {},
      toolset: { tools: [' Slack_x '] },
    });
    expect(dataOf(toolset, 'runner.tools.configured')).toMatchObject({ mode: 'auto', tools: ['Slack_x'] });
  });

  it('the defaults can be read', async () => {
    const { status: code, json } = await client.ask('GET', '/config');
    expect(code).toBe(200);
    expect(json).toMatchObject({
      worker: { engine_params: { engine_type: 'shell' }, max_steps: 50, enable_reflection: true },
      grounding: { grounding_width: 1920, code_agent_budget: 20 },
      controller: { base_url: null, timeout: 30 },
      enable_code_execution: false,
    });
  });

  it('the run carries the label and the id that its client gave', async () => {
    const body = { task: 'echo once', run_id: 'client-7' };
    const label = { headers: { 'x-user-id': 'tenant-1' } };
    const first = await client.send('POST', '/orchestrate/stream', body, label);
    const runId = first.headers.get('x-run-id') ?? '';
    await first.text();
    const again = await client.send('POST', '/orchestrate/stream', body, label);
    expect(again.headers.get('x-run-id')).toBe(runId);
    expect(await again.text()).toContain('event: response.completed');
    const { json } = await client.ask('GET', `/orchestrate/runs/${runId}`);
    expect(json).toMatchObject({ requested_by: 'tenant-1', client_run_id: 'client-7', status: 'succeeded' });
  });

  it('a run that is waited for answers with its result, or says why there is none', async () => {
    const ok = await client.ask('POST', '/orchestrate', { task: 'echo hi' });
    expect(ok).toMatchObject({
      status: 200,
      json: { status: 'success', completion_reason: 'DONE', task: 'echo hi' },
    });
    const failed = await client.ask('POST', '/orchestrate', { task: 'false' });
    expect(failed).toMatchObject({ status: 200, json: { status: 'failed', completion_reason: 'FAIL' } });
    const params = { engine_type: 'claude-code' };
    const broken = await client.ask('POST', '/orchestrate', {
      task: 'nothing',
      worker: { engine_params: params },
    });
    expect(broken).toMatchObject({ status: 500, json: { detail: expect.any(String) } });
  });

  it('what is printed comes as text, whatever its bytes', async () => {
    const frames = await client.stream({ task: "printf 'a\\303'; sleep 0.3; printf '\\274b\\377'" });
    expect(printedText(frames)).toBe('aüb\uFFFD');
  });
});
