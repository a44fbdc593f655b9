// The run stream on a real daemon: resumed anywhere, dropped, slow, large, and the same as through the other doors.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamFrame } from '../../src/clients/runStream/frameParser.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import { RunServiceDefinition, StartRunRequest, WatchRunRequest } from '../../src/protocol/gen/run/v1/run.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { waitUntil } from '../harness/processes.ts';
import { connectSocket } from './daemonHarness.ts';
import {
  dataOf,
  framesOf,
  framesUntil,
  namesOf,
  OrchestrateClient,
  printedText,
  runIdOf,
  withoutNotices,
} from './orchestrateHarness.ts';

let daemon: TestDaemon;
let client: OrchestrateClient;

beforeAll(async () => {
  daemon = await startDaemon();
  client = new OrchestrateClient(daemon);
}, 90_000);
afterAll(() => daemon[Symbol.asyncDispose]());

const statusOf = async (runId: string): Promise<unknown> =>
  (await client.ask('GET', `/orchestrate/runs/${runId}`)).json['status'];
const hasEnded = (runId: string, status: string): Promise<unknown> =>
  waitUntil(`the run is ${status}`, async () => (await statusOf(runId)) === status || undefined, {
    limitMs: 20_000,
  });

/** Starts a run whose connection the test ends when it wants. */
async function open(body: object, headers: Record<string, string> = {}) {
  const connection = new AbortController();
  const init = { signal: connection.signal, headers };
  const response = await client.send('POST', '/orchestrate/stream', body, init);
  const frames = framesOf(response);
  const begun = await framesUntil(frames, ({ event }) => event === 'runner.step.started');
  return { runId: runIdOf(begun), begun, frames, drop: () => connection.abort() };
}

/** The events of the log: what the server adds to them left out, pieces of one put together. */
function logOf(frames: readonly StreamFrame[]): { type: string; data: unknown }[] {
  return frames
    .filter(({ event, id = '' }) => !event.startsWith('server.') && /^\d+$/.test(id))
    .map(({ event, data }) => {
      const { offset: _, text, ...rest } = data as Record<string, unknown>;
      return { type: event, data: event.endsWith('.output') || text === undefined ? rest : data };
    });
}

describe('a stream that broke off', () => {
  it('is taken up again behind every event, without gap and without double', async () => {
    const task = 'echo one; sleep 0.3; echo two\nseq 1 40000\necho "grüße 👋"';
    const live = await client.stream({ task });
    const runId = runIdOf(live);
    const whole = withoutNotices(live);
    expect(withoutNotices(await client.events(runId))).toEqual(whole);
    const ids = whole.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.some((id) => id?.includes('.'))).toBe(true);
    for (const [index, { id }] of whole.entries()) {
      const rest = withoutNotices(await client.events(runId, id));
      expect(rest, `behind ${id}`).toEqual(whole.slice(index + 1));
    }
    expect(printedText(whole)).toMatch(/^one\r\ntwo\r\n1\r\n2\r\n[^]*\r\n40000\r\ngrüße 👋\r\n$/);
  });

  it('has nothing more behind its last event, and refuses what is no place of it', async () => {
    const frames = await client.stream({ task: 'true' });
    const runId = runIdOf(frames);
    const last = withoutNotices(frames).at(-1)?.id ?? '';
    const ask = (id: string) =>
      client.send('GET', `/orchestrate/runs/${runId}/events`, undefined, {
        headers: { 'last-event-id': id },
      });
    expect((await ask(last)).status).toBe(204);
    expect((await ask('nonsense')).status).toBe(400);
    expect((await ask('999999999')).status).toBe(400);
    expect((await client.ask('GET', '/orchestrate/runs/nothing/events')).json).toEqual({
      detail: expect.stringContaining('nothing'),
    });
  });

  it('goes on after the daemon was started again', async () => {
    const { runId, begun, frames } = await open({ task: 'echo before; sleep 2; echo after' });
    const printed = await framesUntil(frames, ({ data }) =>
      printedText([{ event: 'runner.step.output', data }]).includes('before'),
    );
    await daemon.restart();
    const rest = await client.events(runId, printed.at(-1)?.id);
    const all = [...begun, ...printed, ...rest];
    expect(printedText(all)).toBe('before\r\nafter\r\n');
    expect(dataOf(rest, 'response.completed')).toMatchObject({ status: 'success' });
    expect(withoutNotices(await client.events(runId))).toEqual(withoutNotices(all));
  });

  it('does not cancel the run', async () => {
    const { runId, drop } = await open({ task: 'sleep 1; echo done' });
    drop();
    await hasEnded(runId, 'succeeded');
    expect(printedText(await client.events(runId))).toBe('done\r\n');
  });

  it.each([
    ['the body', { cancel_on_disconnect: true }, {}],
    ['a header', {}, { 'x-cancel-on-disconnect': 'true' }],
  ])('cancels it where %s asks for that', async (_, more, headers) => {
    const { runId, drop } = await open({ task: 'sleep 60', ...more }, headers);
    drop();
    await hasEnded(runId, 'cancelled');
    const { json } = await client.ask('GET', `/orchestrate/runs/${runId}/result`);
    expect(json).toMatchObject({ status: 'failed', completion_reason: 'FAIL', outcome: 'cancelled' });
  });
});

describe('runs', () => {
  it('are aborted, listed, retried and removed', async () => {
    const { runId, frames } = await open({ task: 'sleep 61; echo "needle 004"' });
    expect((await client.ask('GET', `/orchestrate/runs/${runId}/result`)).status).toBe(409);
    expect((await client.ask('POST', `/orchestrate/runs/${runId}/retry`)).status).toBe(409);
    expect(await client.ask('POST', `/orchestrate/runs/${runId}/abort`)).toMatchObject({ status: 202 });
    const rest = await framesUntil(frames, ({ event }) => event === 'response.completed');
    expect(dataOf(rest, 'response.completed')).toMatchObject({ status: 'failed', outcome: 'cancelled' });
    expect((await client.ask('POST', `/orchestrate/runs/${runId}/abort`)).status).toBe(409);

    const listed = async (query: string): Promise<unknown[]> =>
      ((await client.ask('GET', `/orchestrate/runs?${query}`)).json['runs'] as { run_id: string }[]).map(
        (run) => run.run_id,
      );
    expect(await listed('search=NEEDLE')).toEqual([runId]);
    expect(await listed('search=needle&status=cancelled')).toEqual([runId]);
    expect(await listed('search=needle&status=succeeded')).toEqual([]);
    const { json: first } = await client.ask('GET', '/orchestrate/runs?limit=2');
    const { json: second } = await client.ask(
      'GET',
      `/orchestrate/runs?limit=2&before=${String(first['next'])}`,
    );
    const idsOf = (page: Record<string, unknown>) =>
      (page['runs'] as { run_id: string }[]).map((run) => run.run_id);
    expect(new Set([...idsOf(first), ...idsOf(second)]).size).toBe(4);
    for (const wrong of ['limit=0', 'limit=x', 'status=odd']) {
      expect(await client.ask('GET', `/orchestrate/runs?${wrong}`)).toMatchObject({
        status: 400,
        json: { detail: expect.stringContaining(wrong.split('=')[0] ?? '') },
      });
    }

    const retried = await client.ask('POST', `/orchestrate/runs/${runId}/retry`);
    expect(retried).toMatchObject({
      status: 201,
      json: { retry_of: runId, task: 'sleep 61; echo "needle 004"' },
    });
    const again = String(retried.json['run_id']);
    expect((await client.ask('DELETE', `/orchestrate/runs/${again}`)).status).toBe(202);
    await hasEnded(again, 'cancelled');
    expect((await client.send('DELETE', `/orchestrate/runs/${again}`)).status).toBe(204);
    expect((await client.ask('GET', `/orchestrate/runs/${again}`)).status).toBe(404);
  });

  it('that other doors have started are served too', async () => {
    const socket = await connectSocket(daemon.url, daemon.token);
    const payload = { task: 'echo from a socket', sessionType: 'shell' };
    socket.send({ type: 'spawn_session', payload });
    const done = await socket.next('task_completed').finally(() => socket.close());
    expect(printedText(await client.events(String(done['taskId'])))).toBe('from a socket\r\n');
  });
});

describe('through every door', () => {
  it('the same run tells the same events in the same order, live and later', async () => {
    const socket = await connectSocket(daemon.url, daemon.token);
    socket.send({ type: 'subscribe', payload: { sessionIds: ['*'], topics: ['events'] } });
    await socket.next('subscribed');
    const task = 'echo one; sleep 0.2; echo two\nseq 1 20000\nexit 4';
    const { runId, begun, frames } = await open({
      task,
      platform: 'linux',
      tool_constraints: { mode: 'custom' },
    });
    const grpc = new GrpcClient(daemon.httpUrl, { token: daemon.token });
    try {
      await grpc.dial();
      const watch = async (): Promise<{ type: string; data: unknown }[]> => {
        const request = WatchRunRequest.fromPartial({ runId, afterSequence: 0 });
        const seen: { type: string; data: unknown }[] = [];
        for await (const { payload } of grpc.service(RunServiceDefinition).watchRun(request)) {
          if (payload?.$case === 'event') seen.push({ type: payload.value.type, data: payload.value.data });
        }
        return seen;
      };
      const [live, overGrpc] = await Promise.all([
        framesUntil(frames, ({ event }) => event === 'response.completed'),
        watch(),
      ]);
      const sse = logOf([...begun, ...live]);
      expect(sse.length).toBeGreaterThan(20);
      expect(overGrpc).toEqual(sse);
      expect(await watch()).toEqual(sse);
      expect(logOf(await client.events(runId))).toEqual(sse);
      const last = await socket.next(
        (frame) =>
          frame.type === 'event' &&
          eventOf(frame).type === 'response.completed' &&
          eventOf(frame).runId === runId,
      );
      const overSocket = socket.frames
        .filter((frame) => frame.type === 'event' && eventOf(frame).runId === runId)
        .map((frame) => ({ type: eventOf(frame).type, data: eventOf(frame).data }));
      expect(overSocket).toEqual(sse);
      expect(eventOf(last).runId).toBe(runId);
    } finally {
      grpc.close();
      socket.close();
    }
  });
});

it('a request over gRPC carries a model, tools and hints as well', async () => {
  const grpc = new GrpcClient(daemon.httpUrl, { token: daemon.token });
  try {
    await grpc.dial();
    const service = grpc.service(RunServiceDefinition);
    const asked = {
      model: { maxSteps: 3, reasoningEffort: 'high', codeExecution: true, maxCostUsd: 0.5 },
      tools: { mode: 'CUSTOM', providers: [' Gmail '], tools: [] },
      hints: { platform: 'linux', grounding: { deep: [1, { x: null }] } },
    };
    const request = StartRunRequest.fromPartial({ request: { task: 'true', ...asked } });
    const { run } = await service.startRun(request);
    expect(run?.request).toMatchObject({
      ...asked,
      tools: { mode: 'custom', providers: ['gmail'], tools: [] },
    });
    const frames = await client.events(run?.id ?? '');
    expect(dataOf(frames, 'runner.tools.configured')).toMatchObject({
      mode: 'custom',
      providers: ['gmail'],
      tools: null,
    });
    expect(dataOf(frames, 'runner.hints.ignored')['fields']).toEqual([
      'worker.engine_params.reasoning_effort',
      'worker.max_steps',
      'budget.max_cost_usd',
      'enable_code_execution',
      'grounding',
      'platform',
    ]);
    const odd = StartRunRequest.fromPartial({ request: { task: 'true', tools: { mode: 'odd' } } });
    await expect(service.startRun(odd)).rejects.toMatchObject({ reason: 'invalid_request' });
  } finally {
    grpc.close();
  }
});

const eventOf = (frame: Readonly<Record<string, unknown>>): { type: string; runId: string; data: unknown } =>
  frame['event'] as { type: string; runId: string; data: unknown };

describe('much at a time', () => {
  it('a line of 10 MB arrives whole, in pieces', async () => {
    const task = "head -c 10000000 /dev/zero | tr '\\0' x";
    const frames = await client.stream({ task });
    const text = printedText(frames);
    expect(text.length).toBe(10_000_000);
    expect(/^x*$/.test(text)).toBe(true);
    const sizes = frames.map(({ data }) => (data as { text?: string }).text?.length ?? 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024);
  });

  it('a client that does not read holds nobody up, and still gets everything', async () => {
    const { hostname: host, port } = new URL(daemon.httpUrl);
    const body = JSON.stringify({ task: 'seq 1 1000000' });
    const socket = connect({ host, port: Number(port) });
    socket.pause();
    socket.write(
      `POST /orchestrate/stream HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${daemon.token}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    const runId = await waitUntil('it is there', async () => {
      const { json } = await client.ask('GET', '/orchestrate/runs?limit=1&search=seq%201%201000000');
      return (json['runs'] as { run_id: string }[])[0]?.run_id;
    });
    await hasEnded(runId, 'succeeded');
    const other = await client.events(runId);
    let raw = '';
    socket.setEncoding('utf8');
    await new Promise<void>((resolve, reject) => {
      socket.on('data', (text) => (raw += String(text)));
      socket.on('end', resolve);
      socket.on('error', reject);
      socket.resume();
    });
    expect(raw).toContain('event: server.keepalive.stopped');
    expect(printedText(other)).toMatch(/^1\r\n2\r\n[^]*\r\n1000000\r\n$/);
    const names = [...raw.matchAll(/^event: (\S+)$/gm)].map(([, name]) => name);
    expect(names).toEqual(namesOf(other));
  });
});
