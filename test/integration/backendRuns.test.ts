// Runs on other run-stream servers, as runs of our own log: on a real daemon, and on foreign servers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { OrchestratorError } from '../../src/base/errors.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { RunBackend } from '../../src/clients/runStream/runBackend.ts';
import { createRunBackends } from '../../src/clients/runStream/runBackends.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import type { Run, RunRequest } from '../../src/core/runs/run.ts';
import { readStepText } from '../../src/core/runs/stepText.ts';
import { CoreHarness } from '../harness/core.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { createFakeEnvironment } from '../harness/fakeEnvironment.ts';
import { FakeProcessHost } from '../harness/fakeProcessHost.ts';
import { dataOf, OrchestrateClient } from './orchestrateHarness.ts';

let daemon: TestDaemon;
let client: OrchestrateClient;
beforeAll(async () => {
  daemon = await startDaemon();
  client = new OrchestrateClient(daemon);
}, 90_000);
afterAll(() => daemon[Symbol.asyncDispose]());

let harness: CoreHarness;
const known = new Map<string, RunBackend>();
const cores = new Set<Orchestrator>();
const servers: AsyncDisposable[] = [];
beforeEach(() => {
  harness = new CoreHarness();
  known.set('Lab', { baseUrl: daemon.httpUrl, headers: { authorization: `Bearer ${daemon.token}` } });
});
afterEach(async () => {
  for (const core of cores) await core.close();
  cores.clear();
  harness.dispose();
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

/** A core of a window, on the store of the one before it. */
async function openCore(): Promise<Orchestrator> {
  const find = (name: string): RunBackend => {
    const backend = known.get(name);
    if (backend !== undefined) return backend;
    throw new OrchestratorError('NOT_FOUND', 'invalid_request', `There is no run backend "${name}".`);
  };
  const directory = {
    check: (name: string) => void find(name),
    open: (name: string) => Promise.resolve(find(name)),
  };
  const core = new Orchestrator({
    store: harness.store,
    processHost: new FakeProcessHost(harness.machine),
    environment: createFakeEnvironment(),
    backends: createRunBackends(directory, { retryDelaysMs: [10, 50], giveUpMs: 20_000, silenceMs: 2_000 }),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
  });
  cores.add(core);
  await core.start();
  return core;
}

async function closeCore(core: Orchestrator): Promise<void> {
  cores.delete(core);
  await core.close();
}

const request = (task: string, more: Partial<RunRequest> = {}): RunRequest => ({
  task,
  engine: 'backend:Lab',
  ...more,
});

const eventsOf = (core: Orchestrator, id: string) => core.events.read({ after: 0, limit: 10_000, runId: id });
const typesOf = (core: Orchestrator, id: string): string[] => eventsOf(core, id).map(({ type }) => type);
const noticesOf = (core: Orchestrator, id: string): string[] =>
  eventsOf(core, id).flatMap(({ type, data }) =>
    type === 'runner.backend.notice' ? [String(data['message'])] : [],
  );
const printed = (core: Orchestrator, runId: string, step = 1): string =>
  new TextDecoder().decode(readStepText(core.events, runId, step, { from: 0, maxBytes: 1_000_000 }));
const until = (core: Orchestrator, id: string, ready: (run: Run) => boolean): Promise<void> =>
  expect.poll(() => ready(core.runs.get(id)), { timeout: 10_000 }).toBe(true);

/** Somebody else's server. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<void> {
  const server = createServer((incoming, response) => {
    incoming.resume();
    answer(incoming, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  });
  known.set('Lab', { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, headers: {} });
}

/** As the source of contract 004 writes them: no ids, no blank lines. */
const bare = (...frames: readonly (readonly [string, object])[]): string =>
  frames.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n`).join('');
const begin = [
  ['response.created', { status: 'accepted' }],
  ['response.in_progress', { status: 'running' }],
  ['runner.started', { task: 'x', max_steps: 50, platform: null }],
  ['runner.step.started', { step: 1 }],
] as const;
const finish = [
  ['worker.generator.output.delta', { source: 'worker.generator', text: 'done' }],
  ['grounding.generate_coords.started', { ref_expr: 'the button' }],
  ['runner.step.completed', { step: 1, status: 'success', action: 'DONE', completion_reason: 'DONE' }],
  ['response', { task: 'x', status: 'success', completion_reason: 'DONE', steps: [], grounding_prompts: {} }],
  ['response.completed', { status: 'success', completion_reason: 'DONE' }],
  ['server.keepalive.stopped', { ts: 1.5 }],
] as const;

describe('on our own server', () => {
  it('is told in the log like any run: events, steps, output, result', async () => {
    const core = await openCore();
    const { id } = await core.runs.start(request("echo one\nprintf '\\033[31mtwo\\033[m\\n'; exit 3"));
    const ended = await core.runs.waitForEnd(id);
    expect(ended).toMatchObject({
      status: 'failed',
      terminalIds: [],
      steps: [
        { command: 'echo one', status: 'succeeded', exitCode: 0 },
        { status: 'failed', exitCode: 3 },
      ],
      result: { run_id: id, outcome: 'failed', steps: [{ step_index: 1 }, { step_index: 2 }] },
    });
    expect(printed(core, id)).toBe('one\n');
    expect(printed(core, id, 2)).toBe('two\n');
    const types = typesOf(core, id);
    for (const once of ['response.created', 'response.in_progress', 'response', 'response.completed'])
      expect(types.filter((type) => type === once)).toHaveLength(1);
    expect(core.terminals.list()).toEqual([]);
    // The same run, as the server has it.
    expect(await client.events(ended.backend?.runId ?? '')).not.toHaveLength(0);
  });

  it('goes on in the next core without gap and without double', async () => {
    const first = await openCore();
    const { id } = await first.runs.start(
      request('for i in $(seq 1 40); do echo "line $i"; sleep 0.05; done'),
    );
    await until(first, id, (run) => (run.steps[0]?.textBytes ?? 0) > 20);
    const place = first.runs.get(id).backend;
    await closeCore(first);
    const next = await openCore();
    expect(next.runs.get(id)).toMatchObject({ status: 'running', backend: { runId: place?.runId } });
    const ended = await next.runs.waitForEnd(id);
    expect(ended.status).toBe('succeeded');
    expect(printed(next, id)).toBe(Array.from({ length: 40 }, (_, index) => `line ${index + 1}\n`).join(''));
    expect(typesOf(next, id).filter((type) => type === 'runner.step.started')).toHaveLength(1);
  });

  it('has ended meanwhile: the next core takes over its end', async () => {
    const first = await openCore();
    const { id } = await first.runs.start(request('echo begun; sleep 0.5; echo over'));
    await until(first, id, (run) => (run.steps[0]?.textBytes ?? 0) > 0);
    const remoteId = first.runs.get(id).backend?.runId ?? '';
    await closeCore(first);
    await expect
      .poll(async () => (await client.events(remoteId)).at(-1)?.event, { timeout: 10_000 })
      .toMatch(/^(?:response\.completed|server\.keepalive\.stopped)$/);
    const next = await openCore();
    expect((await next.runs.waitForEnd(id)).status).toBe('succeeded');
    expect(printed(next, id)).toBe('begun\nover\n');
  });

  it('aborts there, keeps the time limit, and is retried', async () => {
    const core = await openCore();
    const { id } = await core.runs.start(request('echo begun; sleep 60'));
    await until(core, id, (run) => (run.steps[0]?.textBytes ?? 0) > 0);
    await core.runs.abort(id);
    const ended = await core.runs.waitForEnd(id);
    expect(ended).toMatchObject({ status: 'cancelled', result: { outcome: 'cancelled' } });
    expect(noticesOf(core, id)).toEqual(['The run backend "Lab" was asked to abort the run, and does.']);
    expect(dataOf(await client.events(ended.backend?.runId ?? ''), 'response.completed')).toMatchObject({
      outcome: 'cancelled',
    });
    const again = await core.runs.retry(id);
    expect(again.request.engine).toBe('backend:Lab');
    await core.runs.abort(again.id);
    expect((await core.runs.waitForEnd(again.id)).status).toBe('cancelled');
    const limited = await core.runs.start(request('sleep 60', { timeoutMs: 300 }));
    expect((await core.runs.waitForEnd(limited.id)).status).toBe('timed_out');
  });

  it('refuses who shows another token, and says what to do', async () => {
    known.set('Lab', { baseUrl: daemon.httpUrl, headers: { authorization: 'Bearer s3cret' } });
    const core = await openCore();
    const { id } = await core.runs.start(request('x'));
    const { error } = await core.runs.waitForEnd(id);
    expect(error).toMatchObject({ reason: 'unauthenticated' });
    expect(error?.message).toMatch(/^The run backend "Lab" does not know who asks: .+"Add Run Backend…"/);
    expect(JSON.stringify(eventsOf(core, id))).not.toContain('s3cret');
  });
});

describe("on somebody else's server", () => {
  it('is read without ids and blank lines; what has no name here is kept as it came', async () => {
    await serve((_, response) => response.end(bare(...begin, ...finish)));
    const core = await openCore();
    const { id } = await core.runs.start(request('x'));
    expect(await core.runs.waitForEnd(id)).toMatchObject({
      status: 'succeeded',
      steps: [{ status: 'succeeded', textBytes: 4 }],
    });
    const foreign = eventsOf(core, id).find(({ type }) => type === 'runner.foreign');
    expect(foreign?.data).toEqual({
      event: 'grounding.generate_coords.started',
      data: { ref_expr: 'the button' },
    });
    expect(await core.runs.waitForEnd(id)).toMatchObject({ backend: { runId: null, last: null } });
  });

  it.each([
    ['breaks off', (response: ServerResponse) => void setTimeout(() => response.destroy(), 50)],
    ['falls silent', () => undefined],
  ])('that %s is lost, and offers Retry', async (_, end) => {
    await serve((__, response) => {
      response.writeHead(200).write(bare(...begin));
      end(response);
    });
    const core = await openCore();
    const { id } = await core.runs.start(request('x'));
    const { status, error } = await core.runs.waitForEnd(id);
    expect({ status, reason: error?.reason }).toEqual({ status: 'failed', reason: 'backend_lost' });
    expect(error?.message).toMatch(/broke off.+may still be going on.+Use Retry/);
  });

  it('that has no way to abort is left alone, and the run says so', async () => {
    let closed = false;
    await serve((incoming, response) => {
      incoming.on('close', () => (closed = true));
      response.on('close', () => (closed = true));
      response.writeHead(200).write(bare(...begin));
    });
    const core = await openCore();
    const { id } = await core.runs.start(request('x'));
    await until(core, id, ({ steps }) => steps[0]?.status === 'running');
    await core.runs.abort(id);
    expect((await core.runs.waitForEnd(id)).status).toBe('cancelled');
    expect(noticesOf(core, id)[0]).toMatch(
      /no ids.+The stream was closed; the run may still be going on there/,
    );
    await expect.poll(() => closed).toBe(true);
  });

  it('that gives ids and no way to abort is left alone too', async () => {
    await serve(({ url }, response) => {
      if (url?.endsWith('/abort') === true) response.writeHead(404).end('{"detail":"no such route"}');
      else response.write('id: 1\nevent: response.created\ndata: {"run_id":"theirs"}\n\n');
    });
    const core = await openCore();
    const { id } = await core.runs.start(request('x'));
    await until(core, id, ({ backend }) => backend?.runId === 'theirs');
    await core.runs.abort(id);
    expect((await core.runs.waitForEnd(id)).status).toBe('cancelled');
    expect(noticesOf(core, id)[0]).toContain('did not abort the run: no such route');
  });

  it('that gives no ids is lost with the window: the next core says so', async () => {
    await serve((_, response) => void response.writeHead(200).write(bare(...begin)));
    const first = await openCore();
    const { id } = await first.runs.start(request('x'));
    await until(first, id, ({ steps }) => steps[0]?.status === 'running');
    await closeCore(first);
    const next = await openCore();
    const { status, error } = await next.runs.waitForEnd(id);
    expect({ status, reason: error?.reason }).toEqual({ status: 'failed', reason: 'backend_lost' });
    expect(error?.message).toMatch(/closed or reloaded.+Use Retry/);
  });

  it('that is not there, or answers with an error, is told with what to do next', async () => {
    known.set('Lab', { baseUrl: 'http://127.0.0.1:1', headers: {} });
    const core = await openCore();
    const gone = await core.runs.waitForEnd((await core.runs.start(request('x'))).id);
    expect(gone.error?.message).toMatch(
      /cannot be reached: http:\/\/127\.0\.0\.1:1 .+orchestrator\.backends/,
    );
    await serve((_, response) => response.writeHead(400).end('{"detail":"Missing required field \'task\'"}'));
    const refused = await core.runs.waitForEnd((await core.runs.start(request('x'))).id);
    expect(refused.error).toMatchObject({ reason: 'invalid_request' });
    expect(refused.error?.message).toContain("Missing required field 'task'. Use Retry");
  });
});

it('there is no such engine where no backend is known, nor of a name that nobody gave', async () => {
  const core = await openCore();
  await expect(core.runs.start({ task: 'x', engine: 'backend:Other' })).rejects.toMatchObject({
    reason: 'invalid_request',
    message: 'There is no run backend "Other".',
  });
  await closeCore(core);
  const without = await harness.start();
  await expect(without.runs.start(request('x'))).rejects.toMatchObject({
    message: expect.stringContaining('There is no engine "backend:Lab"'),
  });
  await without.close();
});
