// Coding agents as runs: the real core, process host and worker, and a program that stands in for the agent.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OrchestratorEvent } from '../../src/core/events/event.ts';
import type { Orchestrator } from '../../src/core/orchestrator.ts';
import type { Run, RunRequest } from '../../src/core/runs/run.ts';
import { runText } from '../../src/core/runs/runText.ts';
import { readStepOutput } from '../../src/core/runs/stepOutput.ts';
import { descendants, isAlive, processesMarked, signal, waitUntil } from '../harness/processes.ts';
import { type FakeAgent, makeFakeAgent } from './agentHarness.ts';
import { buildProduct } from './cliHarness.ts';
import { HostFixture } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let dist: string;
let fixture: HostFixture;
let agent: FakeAgent;
let real: RealCore;
let core: Orchestrator;
let sessionId: string;

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  fixture = new HostFixture(dist);
  agent = makeFakeAgent();
  real = await startRealCore(fixture);
  core = real.core;
  sessionId = (await core.sessions.create({ type: 'claude-code', cwd: real.home })).id;
});
afterEach(async () => {
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
  agent[Symbol.dispose]();
  // Whatever the test was about: nothing of an agent is left.
  const pids = agent.calls().flatMap(({ pid, child }) => [pid, ...(child === undefined ? [] : [child])]);
  expect(pids.filter((pid) => pid !== undefined && isAlive(pid))).toEqual([]);
});

function start(task: string, more: Partial<RunRequest> = {}): Promise<Run> {
  return core.runs.start({ task, sessionId, env: agent.env, ...more });
}

async function run(task: string, more: Partial<RunRequest> = {}): Promise<Run> {
  return core.runs.waitForEnd((await start(task, more)).id);
}

const eventsOf = (id: string): OrchestratorEvent[] =>
  core.events.read({ after: 0, limit: 10_000, runId: id });

const saidBy = (id: string): string =>
  eventsOf(id)
    .filter(({ type }) => type === 'worker.generator.output.delta')
    .map(({ data }) => data['text'])
    .join('');

async function hasSaid(id: string, text: string): Promise<void> {
  await waitUntil(`the agent says ${text}`, () => saidBy(id).includes(text), {
    limitMs: 20_000,
    everyMs: 10,
  });
}

describe('a run of claude-code', () => {
  it('tells what the agent says, does and uses, in order, and keeps its answer', async () => {
    const recording = join(import.meta.dirname, 'fixtures/agents/claude-tool.jsonl');
    const ended = await run(`replay ${recording}`);
    expect(ended).toMatchObject({
      status: 'succeeded',
      request: { engine: 'claude-code' },
      usage: { inputTokens: 300, outputTokens: 60, costUsd: 0.003 },
      conversation: '43b4773a-83e4-45be-9985-b44077359e36',
      steps: [{ status: 'succeeded', exitCode: 0 }],
    });
    expect(eventsOf(ended.id).map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'runner.started',
      'runner.steps.planned',
      'runner.step.started',
      'runner.step.execution.started',
      'runner.conversation',
      'worker.generator.reasoning.delta',
      'worker.generator.output.delta',
      'mcp.call.started',
      'runner.usage',
      'mcp.call.completed',
      'mcp.call.started',
      'mcp.call.failed',
      'runner.usage',
      'worker.generator.output.delta',
      'runner.usage',
      'runner.usage',
      'runner.step.execution.completed',
      'runner.step.completed',
      'runner.completed',
      'response',
      'response.completed',
    ]);
    expect(saidBy(ended.id)).toBe('I look.\n\nAll done.');
    expect(ended.result?.steps[0]).toMatchObject({
      execution_result: { exit_code: 0, output_tail: 'All done.' },
      info: { engine: 'claude-code', text: 'All done.', turns: 3, denied: ['Bash'] },
    });
    const [call] = agent.calls();
    expect(call).toMatchObject({ cwd: real.home, task: `replay ${recording}` });
    expect(call?.args.join(' ')).toBe(
      '-p --output-format stream-json --verbose --include-partial-messages --permission-mode default',
    );
    expect(core.statistics()).toMatchObject({ totalRunsSucceeded: 1, totalTokens: 360 });

    // What it said is the step's output, for logs and for gateways.
    const texts: string[] = [];
    for await (const text of runText(core, ended.id, 0)) texts.push(text);
    expect(texts.join('')).toBe('I look.\n\nAll done.');
    const piece = await readStepOutput(core, ended, { step: 1, skip: 2, maxBytes: 9 });
    expect({ ...piece, data: Buffer.from(piece.data).toString() }).toEqual({
      position: 2,
      data: 'look.\n\nAl',
      total: 18,
    });
  });

  it('goes on with the conversation of its session, one task after the other', async () => {
    const [first, second] = [await start('slow'), await start('hello')];
    await hasSaid(first.id, '3 ');
    expect(core.runs.get(second.id).status).toBe('queued');
    expect(core.runs.queuePosition(second.id)).toBe(1);
    const other = await core.sessions.create({ type: 'claude-code', cwd: real.home });
    // Another session has a conversation of its own, and does not wait.
    expect((await run('hello', { sessionId: other.id })).status).toBe('succeeded');
    expect(core.runs.get(first.id).status).toBe('running');
    await core.runs.waitForEnd(second.id);
    const resumed = agent.calls().map(({ task, args }) => [task, args[args.indexOf('--resume') + 1]]);
    expect(resumed).toContainEqual(['hello', 'conversation-1']);
    expect(resumed.filter(([, id]) => id === 'conversation-1')).toHaveLength(1);
    expect(saidBy(first.id).trim().split(' ')).toHaveLength(40);
    // The agent has forgotten it: a new one, once.
    expect(await run('forgets')).toMatchObject({ status: 'succeeded', conversation: 'conversation-2' });
    expect((await run('and on')).conversation).toBe('conversation-2');
  });

  it('asks for no more than it was given', async () => {
    const bypass = { metadata: { permissionMode: 'bypassPermissions' } };
    await expect(start('a', bypass)).rejects.toMatchObject({ reason: 'permission_denied' });
    await expect(start('a', { metadata: { permissionMode: 'all' } })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    await expect(start('a', { metadata: { model: '--allow-everything' } })).rejects.toMatchObject({
      reason: 'invalid_request',
    });
    await run('a', { metadata: { permissionMode: 'acceptEdits', model: 'opus' } });
    expect(agent.calls()[0]?.args.join(' ')).toMatch(/--permission-mode acceptEdits --model opus$/);
    core.setLimits({ allowsAgentBypass: true });
    await run('a', bypass);
    expect(agent.calls()[1]?.args).toContain('bypassPermissions');
  });

  it('is refused where the agent is not installed, before anything is written down', async () => {
    await expect(start('a', { env: { PATH: '/nowhere' } })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'program_missing',
      message: expect.stringContaining('npm install -g @anthropic-ai/claude-code'),
      details: { program: 'claude' },
    });
    expect(core.runs.list()).toEqual([]);
  });

  it.each([
    ['replay FOLDER/claude-nologin.jsonl', 'not_logged_in', /Not logged in/],
    ['replay FOLDER/claude-rate.jsonl', 'rate_limited', /429/],
    ['nothing', 'no_result', /Claude Code ended with exit code 3 without a result\.\nno such model$/],
  ])('fails with a reason: %s', async (task, reason, message) => {
    const folder = join(import.meta.dirname, 'fixtures/agents');
    const ended = await run(task.replace('FOLDER', folder));
    expect(ended).toMatchObject({
      status: 'failed',
      error: { reason, message: expect.stringMatching(message) },
    });
    expect(ended.result).toMatchObject({ status: 'failed', outcome: 'failed' });
  });

  it('takes whatever it prints, and holds little of it', async () => {
    const started = await start('flood 200');
    const worker = await waitUntil('the worker', () => processesMarked('ORCHESTRATOR_ID', started.id)[0]);
    let peakBytes = 0;
    const ended = core.runs.waitForEnd(started.id);
    const watch = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(worker.pid))), 20);
    expect((await ended).status).toBe('succeeded');
    clearInterval(watch);
    expect((await ended).steps[0]?.textBytes).toBe(10_000_000);
    expect(saidBy(started.id)).toBe('x'.repeat(10_000_000));
    expect(peakBytes).toBeGreaterThan(0);
    expect(peakBytes).toBeLessThan(400 * 1024 * 1024);
  });
});

describe('an agent that does not end', () => {
  it('is interrupted by an abort', async () => {
    const { id } = await start('hang');
    await hasSaid(id, 'I begin.');
    const from = Date.now();
    await core.runs.abort(id);
    const ended = await core.runs.waitForEnd(id);
    expect(ended).toMatchObject({ status: 'cancelled', conversation: 'conversation-1' });
    expect(Date.now() - from).toBeLessThan(5_000);
  });

  it('is killed with all that it has started, by an abort and by its time limit', async () => {
    const { id } = await start('stubborn');
    await hasSaid(id, 'I begin.');
    await core.runs.abort(id);
    expect((await core.runs.waitForEnd(id)).status).toBe('cancelled');
    const left = agent.calls().flatMap(({ pid, child }) => [pid, child]);
    expect(left.filter((pid) => pid !== undefined && isAlive(pid))).toEqual([]);
    expect(await run('stubborn', { timeoutMs: 1_500 })).toMatchObject({
      status: 'timed_out',
      result: { status: 'timeout' },
    });
  });

  it('but has told its result has succeeded', async () => {
    expect(await run('lingers')).toMatchObject({ status: 'succeeded' });
  });

  it('goes with its worker, even if that is killed', async () => {
    const { id } = await start('stubborn');
    await hasSaid(id, 'I begin.');
    const [worker] = processesMarked('ORCHESTRATOR_ID', id).filter(({ command }) =>
      command.includes('--worker'),
    );
    const tree = [worker!, ...descendants(worker!.pid)];
    expect(tree.length).toBeGreaterThanOrEqual(3);
    signal(worker!.pid, 'SIGKILL');
    expect(await core.runs.waitForEnd(id)).toMatchObject({
      status: 'failed',
      error: { reason: 'worker_crashed' },
    });
    await waitUntil('all of it is gone', () => tree.every(({ pid }) => !isAlive(pid)), { limitMs: 20_000 });
  });
});

it('goes on while no core is there, and each of its events is told once', async () => {
  const { id } = await start('slow');
  await hasSaid(id, '5 ');
  await core.close();
  await real[Symbol.asyncDispose]();
  real = await startRealCore(fixture);
  core = real.core;
  expect((await core.runs.waitForEnd(id)).status).toBe('succeeded');
  expect(saidBy(id)).toBe(Array.from({ length: 40 }, (_value, index) => `${index} `).join(''));
  expect(core.statistics()).toMatchObject({ totalRunsEnded: 1, totalTokens: 15 });
});

function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    // It has ended.
    return 0;
  }
}
