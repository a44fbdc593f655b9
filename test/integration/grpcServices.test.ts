import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { Health, Status } from '../../src/protocol/gen/common/v1/common.ts';
import { OrchestratorServiceDefinition } from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import {
  RunRequest,
  RunServiceDefinition,
  RunStatus,
  type WatchRunsResponse,
} from '../../src/protocol/gen/run/v1/run.ts';
import {
  AttachOpen,
  type AttachTerminalRequest,
  SpawnTerminalRequest,
  TerminalServiceDefinition,
  TerminalState,
} from '../../src/protocol/gen/terminal/v1/terminal.ts';
import { buildProduct, CliFixture, type RunningCli } from './cliHarness.ts';

let dist: string;
let fixture: CliFixture;
let serving: RunningCli;
let client: GrpcClient;
let terminals: RpcClient<typeof TerminalServiceDefinition>;
let runs: RpcClient<typeof RunServiceDefinition>;

beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

beforeEach(async () => {
  fixture = new CliFixture(dist);
  serving = fixture.start(['serve']);
  await serving.shows('gRPC: unix:');
  client = new GrpcClient(socket(), { dialTimeoutMs: 5_000 });
  await client.dial();
  terminals = client.service(TerminalServiceDefinition);
  runs = client.service(RunServiceDefinition);
});
afterEach(async () => {
  client.close();
  serving.child.kill('SIGTERM');
  await serving.result;
  await fixture[Symbol.asyncDispose]();
});

const iterate = <T>(source: AsyncIterable<T>): AsyncIterator<T> => source[Symbol.asyncIterator]();

const socket = (): string => join(fixture.stateDir, 'grpc.sock');

const spawn = async (request: Partial<SpawnTerminalRequest> = {}) => {
  const { terminal } = await terminals.spawnTerminal(
    SpawnTerminalRequest.fromPartial({ shell: '/bin/bash', cwd: fixture.root, ...request }),
  );
  return terminal!;
};

describe('OrchestratorService', () => {
  it('tells how it is', async () => {
    const orchestrator = client.service(OrchestratorServiceDefinition);
    expect(await orchestrator.healthCheck({})).toMatchObject({ health: Health.HEALTH_HEALTHY });
    await spawn();
    const status = await orchestrator.getStatus({});
    expect(status).toMatchObject({ status: Status.STATUS_RUNNING, activeSessions: 1, activeContainers: 0 });
    expect(Date.now() - status.startedAt!.getTime()).toBeLessThan(60_000);
    expect(status.uptime!.getTime()).toBeLessThan(60_000);
  });
});

describe('TerminalService', () => {
  it('runs commands and reads what they print in every way', async () => {
    const { id, cols, rows, state } = await spawn({
      cols: 100,
      rows: 30,
      env: { COLOUR: 'blue' },
      name: 'work',
    });
    expect({ cols, rows, state }).toEqual({
      cols: 100,
      rows: 30,
      state: TerminalState.TERMINAL_STATE_RUNNING,
    });
    await terminals.executeCommand({ terminalId: id, command: 'echo "the sky is $COLOUR"; false' });
    const done = await terminals.waitForCompletion({ terminalId: id, timeoutMs: 20_000 });
    expect(done).toEqual({ exitCode: 1, output: 'the sky is blue\r\n' });
    const { matches } = await terminals.searchOutput({
      terminalId: id,
      pattern: { $case: 'expression', value: '^the sky is \\w+' },
      limit: 0,
    });
    expect(matches.map(({ text }) => text)).toEqual(['the sky is blue']);
    await expect(
      terminals.searchOutput({ terminalId: id, pattern: { $case: 'expression', value: '(' }, limit: 0 }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await terminals.readLastLines({ terminalId: id, count: 50 })).lines).toContain('the sky is blue');
    const output = await terminals.readOutput({ terminalId: id, from: 0 });
    expect(Buffer.from(output.data).toString()).toContain('the sky is blue');
    expect(output.end).toBe(output.data.length);
    expect((await terminals.readScreen({ terminalId: id })).text).toContain('the sky is blue');
    const waiting = terminals.waitForPattern({ terminalId: id, pattern: { $case: 'text', value: 'sum=42' } });
    await terminals.writeTerminal({ terminalId: id, data: Buffer.from('echo sum=$((40+2))\n') });
    expect(await waiting).toEqual({ match: 'sum=42', line: 'sum=42' });
    expect((await terminals.getMetrics({ terminalId: id })).processes).toBeGreaterThan(0);
    expect((await terminals.renameTerminal({ terminalId: id, name: 'play' })).terminal).toMatchObject({
      name: 'play',
    });
    expect((await terminals.resizeTerminal({ terminalId: id, cols: 90, rows: 20 })).terminal).toMatchObject({
      cols: 90,
    });
    await expect(terminals.removeTerminal({ terminalId: id })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const killed = await terminals.killTerminal({ terminalId: id });
    expect(killed.terminal).toMatchObject({
      state: TerminalState.TERMINAL_STATE_EXITED,
      exit: { reason: 2 },
    });
    await terminals.removeTerminal({ terminalId: id });
    await expect(terminals.getTerminal({ terminalId: id })).rejects.toMatchObject({
      reason: 'terminal_not_found',
    });
  });

  it('keeps an agent to what it owns', async () => {
    const own = await spawn();
    await spawn({ managedBy: 'orchestrator:a:worker' });
    const agentClient = new GrpcClient(socket(), { principal: 'orchestrator:a' });
    await agentClient.dial();
    const agent = agentClient.service(TerminalServiceDefinition);
    const spawned = await agent.spawnTerminal(SpawnTerminalRequest.fromPartial({ shell: '/bin/sh' }));
    expect(spawned.terminal).toMatchObject({ managedBy: 'orchestrator:a' });
    expect((await agent.listTerminals({ filter: undefined })).terminals).toHaveLength(2);
    await expect(agent.getTerminal({ terminalId: own.id })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    await expect(
      agent.spawnTerminal(SpawnTerminalRequest.fromPartial({ managedBy: 'orchestrator:b' })),
    ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    agentClient.close();
    expect((await terminals.listManagers({})).managers).toEqual([
      { id: 'orchestrator:a:worker', terminals: 1 },
      { id: 'orchestrator:a', terminals: 1 },
    ]);
    expect(await terminals.killByManager({ managedBy: 'orchestrator:a', isExact: false })).toEqual({
      killed: 2,
    });
  });

  it('attaches: a snapshot, every byte after it, input, sizes and the end', async () => {
    const { id } = await spawn({ shell: '/bin/sh' });
    const requests = new AsyncQueue<AttachTerminalRequest>();
    const open = AttachOpen.fromPartial({ terminalId: id, windowBytes: 4_096, size: { cols: 70, rows: 20 } });
    requests.push({ payload: { $case: 'open', value: open } });
    const say = (text: string): void =>
      requests.push({ payload: { $case: 'input', value: Buffer.from(text) } });
    const kinds: string[] = [];
    let next: number | undefined;
    let bytes = 0;
    for await (const { payload } of terminals.attachTerminal(requests)) {
      if (payload === undefined) continue;
      if (kinds.at(-1) !== payload.$case) kinds.push(payload.$case);
      if (payload.$case === 'snapshot') {
        expect(payload.value).toMatchObject({ cols: 70, rows: 20 });
        next = payload.value.offset;
        say('stty size; head -c 300000 /dev/zero | tr "\\\\0" x; exit 7\n');
      } else if (payload.$case === 'output') {
        expect(payload.value.offset).toBe(next);
        next = payload.value.offset + payload.value.data.length;
        bytes += payload.value.data.length;
        requests.push({ payload: { $case: 'ack', value: next } });
      } else if (payload.$case === 'exited') {
        expect(payload.value.exitCode).toBe(7);
      }
    }
    requests.end();
    expect(kinds).toEqual(['snapshot', 'resized', 'output', 'exited']);
    expect(bytes).toBeGreaterThan(300_000);
  });

  it('attaches for who only looks and acknowledges nothing', async () => {
    const { id } = await spawn({ shell: '/bin/sh', args: ['-c', 'head -c 1000000 /dev/zero | tr "\\0" y'] });
    const requests = new AsyncQueue<AttachTerminalRequest>();
    requests.push({ payload: { $case: 'open', value: AttachOpen.fromPartial({ terminalId: id, from: 0 }) } });
    requests.end();
    let bytes = 0;
    for await (const { payload } of terminals.attachTerminal(requests)) {
      if (payload?.$case === 'output') bytes += payload.value.data.length;
    }
    expect(bytes).toBe(1_000_000);
  });

  it('watches: snapshot, changes, and again from a sequence', async () => {
    const first = await spawn();
    const stop = new AbortController();
    const watch = iterate(terminals.watchTerminals({ filter: undefined }, { signal: stop.signal }));
    expect((await watch.next()).value!.payload).toMatchObject({
      $case: 'snapshot',
      value: { terminals: [{ id: first.id }] },
    });
    const second = await spawn();
    await terminals.killTerminal({ terminalId: second.id });
    await terminals.removeTerminal({ terminalId: second.id });
    const read = async (
      source: AsyncIterator<{ payload?: { $case: string; value: unknown } | undefined }>,
    ) => {
      const seen: [type: string, sequence: number][] = [];
      while (seen.at(-1)?.[0] !== 'terminal.removed') {
        const { type, sequence, terminalId } = (await source.next()).value.payload.value;
        if (terminalId === second.id && type !== 'terminal.audit') seen.push([type, sequence]);
      }
      return seen;
    };
    const seen = await read(watch);
    expect(seen.map(([type]) => type)).toEqual([
      'terminal.created',
      'terminal.updated',
      'terminal.exited',
      'terminal.removed',
    ]);
    stop.abort();
    const again = terminals.watchTerminals({ filter: undefined, afterSequence: seen[1]![1] });
    expect(await read(again[Symbol.asyncIterator]())).toEqual(seen.slice(2));
    const beyond = terminals.watchTerminals({ filter: undefined, afterSequence: 1_000_000 });
    await expect(beyond[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
  });
});

describe('RunService', () => {
  it('starts, watches and reads a run, and runs it again', async () => {
    const all = runs.watchRuns({ sessionId: '' })[Symbol.asyncIterator]();
    expect((await all.next()).value!.payload!.$case).toBe('snapshot');
    const { run } = await runs.startRun({
      request: RunRequest.fromPartial({
        task: 'echo one\necho two; exit 3',
        cwd: fixture.root,
        shell: '/bin/bash',
      }),
    });
    const events: [type: string, sequence: number][] = [];
    for await (const { payload } of runs.watchRun({ runId: run!.id, afterSequence: 0 })) {
      if (payload?.$case === 'event') events.push([payload.value.type, payload.value.sequence]);
    }
    expect(events[0]![0]).toBe('response.created');
    expect(events.at(-1)![0]).toBe('response.completed');
    const replay: number[] = [];
    for await (const { payload } of runs.watchRun({ runId: run!.id, afterSequence: events[2]![1] })) {
      if (payload?.$case === 'event') replay.push(payload.value.sequence);
    }
    expect(replay).toEqual(events.slice(3).map(([, sequence]) => sequence));
    const { run: ended, result } = await runs.getRunResult({ runId: run!.id, waits: true });
    expect(ended).toMatchObject({ status: RunStatus.RUN_STATUS_FAILED, hasResult: true });
    expect(result).toMatchObject({ run_id: run!.id, status: 'failed', outcome: 'failed' });
    const output = await runs.readStepOutput({ runId: run!.id, step: 1, skipBytes: 2 });
    expect(Buffer.from(output.data).toString()).toBe('e\r\n');
    expect(output).toMatchObject({ position: 2, totalBytes: 5 });
    const again = await runs.retryRun({ runId: run!.id, fromStep: 1 });
    await runs.getRunResult({ runId: again.run!.id, waits: true });
    const page = await runs.listRuns({
      pageSize: 1,
      pageToken: '',
      sessionId: '',
      search: '',
      isLive: false,
    });
    expect(page.runs.map(({ id }) => id)).toEqual([again.run!.id]);
    const rest = await runs.listRuns({
      pageSize: 1,
      pageToken: page.nextPageToken,
      sessionId: '',
      search: '',
      isLive: false,
    });
    expect(rest).toMatchObject({ runs: [{ id: run!.id }], nextPageToken: '' });
    await runs.removeRun({ runId: run!.id });
    await expect(runs.getRun({ runId: run!.id })).rejects.toMatchObject({ reason: 'run_not_found' });
    for (let change: WatchRunsResponse['payload']; change?.$case !== 'removed'; ) {
      change = (await all.next()).value!.payload;
    }
    await all.return?.();
  });

  it('aborts', async () => {
    const { run } = await runs.startRun({
      request: RunRequest.fromPartial({ task: 'sleep 100', shell: '/bin/sh' }),
    });
    await expect(runs.getRunResult({ runId: run!.id, waits: false })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await runs.abortRun({ runId: run!.id });
    const { run: ended } = await runs.getRunResult({ runId: run!.id, waits: true }, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ status: RunStatus.RUN_STATUS_CANCELLED });
    await expect(runs.startRun({ request: undefined })).rejects.toThrow('request is required');
  });
});

describe('orchestrator serve', () => {
  it('tells open streams that it goes, and leaves no socket', async () => {
    const watch = terminals.watchTerminals({ filter: undefined })[Symbol.asyncIterator]();
    await watch.next();
    serving.child.kill('SIGTERM');
    await expect(watch.next()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: /The server is closing/,
    });
    expect((await serving.result).code).toBe(0);
  });

  it('takes the socket from the variable or the flag, and never that of another server', async () => {
    const path = join(fixture.root, 'own.sock');
    await using other = new CliFixture(dist);
    const byVariable = other.start(['serve'], { env: { GRPC_SOCKET_PATH: path } });
    await byVariable.shows(`gRPC: unix:${path}`);
    await using third = new CliFixture(dist);
    const refused = await third.run(['serve', '--grpc-socket-path', path]);
    expect(refused.stderr).toContain('Another server listens');
    expect(refused.code).not.toBe(0);
    byVariable.child.kill('SIGTERM');
    expect((await byVariable.result).code).toBe(0);
    const byFlag = other.start(['serve', '--grpc-socket-path', path], {
      env: { GRPC_SOCKET_PATH: '/nowhere/x' },
    });
    await byFlag.shows(`gRPC: unix:${path}`);
    byFlag.child.kill('SIGTERM');
    await byFlag.result;
  });

  it('listens on TCP when asked to, and keeps its token to itself', async () => {
    await using other = new CliFixture(dist);
    const running = other.start(['serve', '--grpc-tcp-listen-addr', '127.0.0.1:0', '--json']);
    const { grpc } = JSON.parse(await running.shows('\n')) as { grpc: { tcp: string; tokenFile: string } };
    expect(statSync(grpc.tokenFile).mode & 0o777).toBe(0o600);
    const token = readFileSync(grpc.tokenFile, 'utf8').trim();
    const remote = new GrpcClient(grpc.tcp, { token });
    await remote.dial();
    expect(await remote.service(TerminalServiceDefinition).listTerminals({ filter: undefined })).toEqual({
      terminals: [],
    });
    remote.close();
    running.child.kill('SIGTERM');
    await running.result;
    const refused = await other.run(['serve', '--grpc-tcp-listen-addr', '0.0.0.0:0']);
    expect(refused.stderr).toContain('needs TLS');
  });
});
