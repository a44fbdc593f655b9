// The client of run streams, and `run --backend`: on our own daemon through a line that breaks, and on foreign servers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { abortRun, retryRun } from '../../src/clients/runStream/runCalls.ts';
import type { StreamFrame } from '../../src/clients/runStream/frameParser.ts';
import type { RunBackend } from '../../src/clients/runStream/runBackend.ts';
import {
  followRun,
  type RunStreamOptions,
  streamLostEvent,
  streamRun,
} from '../../src/clients/runStream/runStream.ts';
import { CuttingProxy } from '../harness/cuttingProxy.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { CliFixture } from './cliHarness.ts';
import {
  dataOf,
  namesOf,
  OrchestrateClient,
  printedText,
  runIdOf,
  withoutNotices,
} from './orchestrateHarness.ts';

let daemon: TestDaemon;
let client: OrchestrateClient;
let cli: CliFixture;

beforeAll(async () => {
  daemon = await startDaemon();
  client = new OrchestrateClient(daemon);
  cli = new CliFixture(daemon.dist);
}, 90_000);
afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const servers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

/** Somebody else's server. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<RunBackend> {
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, headers: {} };
}

/** As the source of contract 004 writes them: without blank lines. */
const bare = (...frames: readonly (readonly [string, object])[]): string =>
  frames.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n`).join('');
const begin = [
  ['response.created', { status: 'accepted' }],
  ['response.in_progress', { status: 'running' }],
  ['runner.step.started', { step: 1 }],
] as const;
const finish = [
  ['response', { task: 'x', status: 'success', completion_reason: 'DONE', steps: [], grounding_prompts: {} }],
  ['response.completed', { status: 'success', completion_reason: 'DONE' }],
  ['server.keepalive.stopped', { ts: 1.5 }],
] as const;

async function collect(frames: AsyncIterable<StreamFrame>): Promise<StreamFrame[]> {
  const seen: StreamFrame[] = [];
  for await (const frame of frames) seen.push(frame);
  return seen;
}

const ours = (): RunBackend => ({
  baseUrl: daemon.httpUrl,
  headers: { authorization: `Bearer ${daemon.token}` },
});
const quick: RunStreamOptions = { retryDelaysMs: [10, 50], giveUpMs: 2_000 };

describe("somebody else's server", () => {
  it('is read to its end without blank lines, each event as it comes', async () => {
    const told = Promise.withResolvers<void>();
    const backend = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(bare(...begin));
      void told.promise.then(() => response.end(bare(...finish)));
    });
    const seen: StreamFrame[] = [];
    for await (const frame of streamRun(backend, { task: 'x' })) {
      seen.push(frame);
      if (frame.event === 'runner.step.started') told.resolve();
    }
    expect(namesOf(seen)).toEqual([...begin, ...finish].map(([name]) => name).slice(0, -1));
    expect(dataOf(seen, 'response.completed')).toEqual({ status: 'success', completion_reason: 'DONE' });
  });

  it('that fails is read up to its error', async () => {
    const failed = { error: 'no key' };
    const text = bare(
      ...begin,
      ['response.failed', failed],
      ['error', failed],
      ['server.keepalive.stopped', { ts: 1 }],
    );
    const backend = await serve((_, response) => response.end(text));
    expect(namesOf(await collect(streamRun(backend, { task: 'x' }))).slice(-2)).toEqual([
      'response.failed',
      'error',
    ]);
  });

  it.each([
    ['ends', (response: ServerResponse) => void response.end()],
    ['breaks off', (response: ServerResponse) => void setTimeout(() => response.destroy(), 50)],
    ['falls silent', () => undefined],
  ])('that %s before the end of the run is told as lost', async (_, end) => {
    const backend = await serve((__, response) => {
      response.writeHead(200).write(bare(...begin));
      end(response);
    });
    const seen = await collect(streamRun(backend, { task: 'x' }, { ...quick, silenceMs: 400 }));
    expect(namesOf(seen)).toEqual([...begin.map(([name]) => name), streamLostEvent]);
    expect(dataOf(seen, streamLostEvent)['error']).toContain('broke off');
  });

  it('that gives ids and nothing to resume by is told as lost too', async () => {
    const backend = await serve(({ method }, response) => {
      if (method === 'GET') response.writeHead(404).end();
      else response.end('id: 1\nevent: response.created\ndata: {"run_id":"r"}\n\n');
    });
    const seen = await collect(streamRun(backend, { task: 'x' }, quick));
    expect(namesOf(seen)).toEqual(['response.created', streamLostEvent]);
    expect(dataOf(seen, streamLostEvent)['run_id']).toBe('r');
  });

  it.each([
    [400, '{"detail":"Missing required field \'task\'"}', 'invalid_request', "Missing required field 'task'"],
    [401, '{"detail":"who?"}', 'unauthenticated', 'who?'],
    [403, '', 'permission_denied', 'The server answered 403.'],
    [422, '{"detail":[{"msg":"a"},{"msg":"b"}]}', 'invalid_request', 'a b'],
    [502, '<html>', 'closed', '<html>'],
  ])('that answers %i is an error with its detail', async (status, body, reason, message) => {
    const backend = await serve((_, response) => response.writeHead(status).end(body));
    await expect(collect(streamRun(backend, {}))).rejects.toMatchObject({ reason, message });
  });

  it('that is not there, floods, or sends elsewhere is an error', async () => {
    await expect(
      collect(streamRun({ baseUrl: 'http://127.0.0.1:1', headers: {} }, {})),
    ).rejects.toMatchObject({
      reason: 'closed',
      message: 'http://127.0.0.1:1 does not answer.',
    });
    const limits = { maxLine: 1_000, maxFrame: 1_000 };
    const flood = await serve((_, response) => response.end(`data: ${'x'.repeat(5_000)}`));
    await expect(collect(streamRun(flood, {}, { limits }))).rejects.toMatchObject({
      reason: 'protocol_violation',
    });
    const elsewhere = await serve((_, response) =>
      response.writeHead(307, { location: flood.baseUrl }).end(),
    );
    await expect(collect(streamRun(elsewhere, {}))).rejects.toMatchObject({ reason: 'closed' });
  });
});

describe('our own server', () => {
  const task = 'for i in $(seq 1 40); do echo "line $i"; sleep 0.03; done';
  const printed = Array.from({ length: 40 }, (_, index) => `line ${index + 1}\r\n`).join('');

  it('is read without gap and without double over a line that is cut again and again', async () => {
    const { hostname: host, port } = new URL(daemon.httpUrl);
    await using proxy = await CuttingProxy.start({
      ...{ target: { host, port: Number(port) }, seed: 4, cuts: 12 },
      ...{ maxBytesDown: 3_000, maxBytesUp: 300 },
    });
    const backend = { ...ours(), baseUrl: `http://127.0.0.1:${proxy.port}` };
    let seen: StreamFrame[] = [];
    // The cut may come before the run is begun, which is an error and no lost stream.
    while (seen.length === 0) seen = await collect(streamRun(backend, { task }, quick)).catch(() => []);
    expect(proxy.cuts).toBeGreaterThan(3);
    expect(printedText(seen)).toBe(printed);
    expect(withoutNotices(seen)).toEqual(withoutNotices(await client.events(runIdOf(seen))));
  });

  it('is read on after it was started again', async () => {
    const states: string[] = [];
    const options = { ...quick, giveUpMs: 20_000, onConnection: (state: string) => states.push(state) };
    const seen: StreamFrame[] = [];
    let restart: Promise<void> | undefined;
    for await (const frame of streamRun(ours(), { task }, options)) {
      seen.push(frame);
      if (printedText(seen).includes('line 3\r\n')) restart ??= daemon.restart();
    }
    await restart;
    expect(states).toEqual(['reconnecting', 'connected']);
    expect(printedText(seen)).toBe(printed);
    expect(dataOf(seen, 'response.completed')).toMatchObject({ status: 'success' });
  });

  it('aborts and retries, and is followed by id', async () => {
    const seen: StreamFrame[] = [];
    for await (const frame of streamRun(ours(), { task: 'echo x; sleep 60' })) {
      seen.push(frame);
      if (frame.event === 'runner.step.started') await abortRun(ours(), runIdOf(seen));
    }
    expect(dataOf(seen, 'response.completed')).toMatchObject({ outcome: 'cancelled' });
    const again = await retryRun(ours(), runIdOf(seen));
    const stop = new AbortController();
    const following = collect(followRun(ours(), again, { signal: stop.signal }));
    await abortRun(ours(), again);
    expect(namesOf(await following).at(-1)).toBe('response.completed');
    stop.abort();
    await expect(collect(followRun(ours(), 'nothing'))).rejects.toMatchObject({ reason: 'run_not_found' });
  });
});

describe('run --backend', () => {
  const backendFlags = (): string[] => ['--backend', daemon.httpUrl, '--header-env', 'X-API-Key=TOKEN'];
  const runs = (...args: readonly string[]) =>
    cli.run(['run', ...backendFlags(), ...args], { env: { TOKEN: daemon.token } });

  it('prints what the run prints, and exits as it ends', async () => {
    const ok = await runs('--', 'echo', 'hello world');
    expect(ok).toMatchObject({ code: 0, stderr: '' });
    expect(ok.stdout.toString()).toBe('hello world\n');
    expect((await runs('--task', "printf '\\033[2Jx'; exit 7")).stdout.toString()).toBe('x');
    expect((await runs('--task', 'exit 7')).code).toBe(7);
    expect((await runs('--timeout', '1s', '--', 'sleep', '60')).code).toBe(124);
    const json = await runs('--json', '--', 'true');
    const events = json.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as StreamFrame).event);
    expect(events[0]).toBe('response.created');
    expect(events.at(-1)).toBe('response.completed');
  });

  it('aborts the run by Ctrl-C', async () => {
    const running = cli.start(['run', ...backendFlags(), '--task', 'echo begun; sleep 60'], {
      env: { TOKEN: daemon.token },
    });
    await running.shows('begun');
    running.child.kill('SIGINT');
    expect((await running.result).code).toBe(130);
  });

  it('says what is wrong, and no secret', async () => {
    const wrong = await cli.run([
      'run',
      '--backend',
      daemon.httpUrl,
      '--header',
      'X-API-Key: s3cret',
      '--',
      'true',
    ]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/^orchestrator: .+\n$/);
    expect(wrong.stderr).not.toContain('s3cret');
    expect((await cli.run(['run', '--backend', 'nonsense', '--', 'true'])).code).toBe(2);
    expect((await runs('--name', 'x', '--', 'true')).code).toBe(2);
    const unset = await cli.run([
      'run',
      '--backend',
      daemon.httpUrl,
      '--header-env',
      'A=NOT_SET',
      '--',
      'true',
    ]);
    expect(unset).toMatchObject({ code: 2, stderr: expect.stringContaining('NOT_SET') });
    const lost = await serve((_, response) => response.end(bare(...begin)));
    const broken = await cli.run(['run', '--backend', lost.baseUrl, '--task', 'x']);
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('broke off') });
  });
});
