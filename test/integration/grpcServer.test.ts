import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../src/base/asyncQueue.ts';
import { OrchestratorError } from '../../src/base/errors.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcClient, type GrpcClientConfig } from '../../src/clients/grpc/grpcClient.ts';
import {
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthDefinition,
} from '../../src/protocol/gen/grpc/health/v1/health.ts';
import { ServerReflectionDefinition } from '../../src/protocol/gen/grpc/reflection/v1/reflection.ts';
import { RunServiceDefinition, type WatchRunResponse } from '../../src/protocol/gen/run/v1/run.ts';
import { ErrorInfo } from '../../src/protocol/gen/google/rpc/error_details.ts';
import { Status } from '../../src/protocol/gen/google/rpc/status.ts';
import { encodeMessage, joinMessages } from '../../src/servers/grpc/encodedMessages.ts';
import { WatchRunResponse as WatchRunResponseType } from '../../src/protocol/gen/run/v1/run.ts';
import { GrpcServer, type GrpcServerOptions } from '../../src/servers/grpc/grpcServer.ts';
import { implement } from '../../src/servers/grpc/rpcHandlers.ts';
import { node } from './processHostHarness.ts';

let folder: string;
let path: string;
const clients: GrpcClient[] = [];
const servers: GrpcServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ow-grpc-'));
  path = join(folder, 'grpc.sock');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) await server.stop().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

function serverOf(options: Partial<GrpcServerOptions> = {}): GrpcServer {
  const server = new GrpcServer({ services: [], socketPath: path, logger: nullLogger, ...options });
  servers.push(server);
  return server;
}

async function connect(config: Partial<GrpcClientConfig> = {}, address = path): Promise<GrpcClient> {
  const client = new GrpcClient(address, { dialTimeoutMs: 5_000, ...config });
  clients.push(client);
  await client.dial();
  return client;
}

const iterate = <T>(source: AsyncIterable<T>): AsyncIterator<T> => source[Symbol.asyncIterator]();

const runMessages = async function* (): AsyncGenerator<WatchRunResponse> {
  for (let sequence = 1; sequence <= 3; sequence += 1) yield messageOf(sequence);
};

function messageOf(sequence: number, filler = ''): WatchRunResponse {
  const event = {
    sequence,
    id: filler,
    type: 'runner.step.started',
    time: new Date(0),
    runId: 'r',
    data: { step: 1 },
  };
  return { payload: { $case: 'event', value: event } };
}

describe('the socket', () => {
  it('is only for its user, and gone after the end', async () => {
    const server = serverOf();
    await server.start();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.stop();
    expect(existsSync(path)).toBe(false);
  });

  it('cannot be reached by another user, even in an open folder', async () => {
    chmodSync(folder, 0o755);
    await serverOf().start();
    const script = `
      process.setgid(65534); process.setuid(65534);
      require('node:net').createConnection(${JSON.stringify(path)})
        .on('connect', () => console.log('connected')).on('error', (error) => console.log(error.code));`;
    // Of another user the program itself must be readable: the pinned one may lie below a private home.
    expect(execFileSync(node, ['-e', script], { cwd: '/', encoding: 'utf8' }).trim()).toBe('EACCES');
  });

  it('replaces a dead one of ours and never a live one', async () => {
    const maker = spawn(node, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ]);
    await new Promise((resolve) => maker.stdout.once('data', resolve));
    await expect(serverOf().start()).rejects.toMatchObject({ reason: 'socket_in_use' });
    expect(existsSync(path)).toBe(true);
    const gone = new Promise((resolve) => maker.once('exit', resolve));
    maker.kill('SIGKILL');
    await gone;
    expect(existsSync(path)).toBe(true);
    await serverOf().start();
    await connect();
  });

  it('never removes what is no socket', async () => {
    writeFileSync(path, 'precious');
    await expect(serverOf().start()).rejects.toThrow('unsafe type file; refusing to remove');
    rmSync(path);
    mkdirSync(path);
    await expect(serverOf().start()).rejects.toThrow('unsafe type directory; refusing to remove');
    rmSync(path, { recursive: true });
    symlinkSync('/nowhere', path);
    await expect(serverOf().start()).rejects.toThrow('unsafe type symlink; refusing to remove');
  });

  it('never removes the socket of another user', async () => {
    const script = `
      process.setgid(65534); process.setuid(65534);
      require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    chmodSync(folder, 0o777);
    expect(() => execFileSync(node, ['-e', script], { cwd: '/' })).toThrow();
    await expect(serverOf().start()).rejects.toMatchObject({ reason: 'socket_unsafe' });
    expect(existsSync(path)).toBe(true);
  });

  it('refuses a path that no socket can have', async () => {
    const long = join(folder, 'x'.repeat(120));
    await expect(serverOf({ socketPath: long }).start()).rejects.toThrow(/too long: \d+ bytes/);
    await expect(serverOf({ socketPath: '' }).start()).rejects.toThrow('grpc socket path cannot be empty');
    await expect(serverOf({ socketPath: '/proc/nothing/x.sock' }).start()).rejects.toThrow(
      'failed to listen on socket',
    );
  });

  it('starts once and stops once, and tries again after a failure', async () => {
    const blocker = createServer().listen(path);
    const server = serverOf();
    await expect(server.start()).rejects.toMatchObject({ reason: 'socket_in_use' });
    await new Promise((resolve) => blocker.close(resolve));
    await server.start();
    await expect(server.start()).rejects.toThrow('server already started');
    await server.stop();
    await expect(server.stop()).rejects.toThrow('server already closed');
    await expect(server.start()).rejects.toThrow('server is closed');
  });
});

describe('bad peers', () => {
  const talk = (bytes: string | Buffer): Promise<string> =>
    new Promise((resolve) => {
      const socket: Socket = createConnection(path);
      let heard = '';
      socket.on('data', (data) => (heard += data.toString('latin1')));
      socket.on('close', () => resolve(heard));
      socket.on('error', () => undefined);
      socket.write(bytes);
    });

  it('tells who speaks HTTP/1 and drops who speaks nothing that it knows', async () => {
    await serverOf().start();
    expect(await talk('GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 505 /);
    expect(await talk(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]))).toBe('');
    const health = (await connect()).service(HealthDefinition);
    expect(await health.check({ service: '' })).toEqual({ status: ServingStatus.SERVING });
  });

  it('sends away who says nothing', async () => {
    await serverOf({ limits: { connectionTimeoutMs: 50 } }).start();
    expect(await talk('PRI * HT')).toBe('');
  });

  it('holds the limit of connections', async () => {
    await serverOf({ limits: { maxConnections: 1 } }).start();
    const first = await connect();
    expect(await talk('PRI * HTTP/2.0')).toBe('');
    first.close();
    // Closing takes the server a moment to see; until then it refuses.
    await expect.poll(() => connect({ reconnectIntervalMs: 20 }).then(() => 'connected')).toBe('connected');
  });

  it('refuses a message beyond the limit, and serves the others', async () => {
    const service = implement(RunServiceDefinition, { getRun: () => ({ run: undefined }) });
    await serverOf({ services: [service], limits: { maxReceiveBytes: 1_000 } }).start();
    const runs = (await connect({ maxSendBytes: -1 })).service(RunServiceDefinition);
    await expect(runs.getRun({ runId: 'x'.repeat(200_000) })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
    });
    expect(await runs.getRun({ runId: 'x' })).toEqual({ run: undefined });
    await expect(runs.abortRun({ runId: 'x' })).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  it('serves TCP with a token only, and without TLS on loopback only', async () => {
    const tcp = { host: '127.0.0.1', port: 0, token: 'secret' };
    const server = serverOf({ tcp });
    await server.start();
    const address = `127.0.0.1:${server.tcpAddress?.port ?? 0}`;
    const check = async (token?: string) =>
      (await connect({ token }, address)).service(HealthDefinition).check({ service: '' });
    await expect(check()).rejects.toThrow('no authorization token provided');
    await expect(check('wrong')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'invalid authentication token',
    });
    expect(await check('secret')).toEqual({ status: ServingStatus.SERVING });
    await server.stop();
    await expect(serverOf({ tcp: { ...tcp, host: '0.0.0.0' } }).start()).rejects.toThrow('needs TLS');
    expect(existsSync(path)).toBe(false);
  });
});

describe('calls', () => {
  it('tells an error by code, text, reason and details', async () => {
    const service = implement(RunServiceDefinition, {
      getRun: ({ runId }) => {
        throw new OrchestratorError(
          'NOT_FOUND',
          'run_not_found',
          `no run ${runId} \ud83d\ude08 100% \ud800`,
          { details: { runId } },
        );
      },
    });
    await serverOf({ services: [service] }).start();
    const runs = (await connect()).service(RunServiceDefinition);
    const error: OrchestratorError = await runs.getRun({ runId: '7' }).then(
      () => expect.unreachable(),
      (thrown: unknown) => thrown as OrchestratorError,
    );
    expect(error).toMatchObject({
      code: 'NOT_FOUND',
      reason: 'run_not_found',
      message: 'no run 7 😈 100% \ufffd',
    });
    const { metadata } = error.cause as { metadata: { get(key: string): Buffer[] } };
    const status = Status.decode(metadata.get('grpc-status-details-bin')[0]!);
    expect(ErrorInfo.decode(status.details[0]!.value)).toEqual({
      reason: 'RUN_NOT_FOUND',
      domain: 'orchestrator',
      metadata: { runId: '7' },
    });
  });

  it('answers under both names and by reflection', async () => {
    const service = implement(RunServiceDefinition, { getRun: () => ({ run: undefined }) });
    await serverOf({ services: [service] }).start();
    const client = await connect();
    const alias = { ...RunServiceDefinition, fullName: 'proto.run.v1.RunService' as const };
    expect(await client.service(alias as never as typeof RunServiceDefinition).getRun({ runId: '' })).toEqual(
      {
        run: undefined,
      },
    );
    const questions = new AsyncQueue<{
      host: string;
      messageRequest: { $case: 'listServices' | 'fileContainingSymbol'; value: string };
    }>();
    const answers: unknown[] = [];
    questions.push({ host: '', messageRequest: { $case: 'listServices', value: '' } });
    for (const name of ['proto.run.v1.RunService', 'run.v1.RunService.GetRun', 'no.such.Thing']) {
      questions.push({ host: '', messageRequest: { $case: 'fileContainingSymbol', value: name } });
    }
    questions.end();
    for await (const { messageResponse } of client
      .service(ServerReflectionDefinition)
      .serverReflectionInfo(questions)) {
      answers.push(messageResponse);
    }
    expect(answers[0]).toMatchObject({
      value: {
        service: expect.arrayContaining([
          { name: 'proto.run.v1.RunService' },
          { name: 'run.v1.RunService' },
          { name: 'grpc.health.v1.Health' },
        ]),
      },
    });
    expect(answers[1]).toMatchObject({ $case: 'fileDescriptorResponse' });
    expect(answers[2]).toMatchObject({ $case: 'fileDescriptorResponse' });
    expect(answers[3]).toMatchObject({ $case: 'errorResponse', value: { errorCode: 5 } });
  });

  it('sends messages that were encoded before, one by one or many in one piece', async () => {
    const encoded = joinMessages(
      [2, 3].map((sequence) => encodeMessage(WatchRunResponseType, messageOf(sequence))),
    );
    const service = implement(RunServiceDefinition, {
      async *watchRun() {
        yield messageOf(1);
        yield encoded;
        yield messageOf(4);
      },
    });
    await serverOf({ services: [service] }).start();
    const seen: number[] = [];
    for await (const { payload } of (await connect()).service(RunServiceDefinition).watchRun({ runId: '' })) {
      if (payload?.$case === 'event') seen.push(payload.value.sequence);
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('stops a handler whose client does not read, without holding what it would send', async () => {
    let sent = 0;
    const service = implement(RunServiceDefinition, {
      async *watchRun(_request, { signal }) {
        while (!signal.aborted && sent < 100_000) yield messageOf((sent += 1), 'x'.repeat(10_000));
      },
    });
    await serverOf({ services: [service] }).start();
    const iterator = iterate((await connect()).service(RunServiceDefinition).watchRun({ runId: '' }));
    await iterator.next();
    // As long as something is still taken by the buffers on the way.
    for (let before = -1; before !== sent; ) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(sent).toBeLessThan(2_000);
    await iterator.return?.();
  });

  it('tells a handler when its client gives up, and when the deadline passes', async () => {
    const ends = new AsyncQueue<string>();
    const service = implement(RunServiceDefinition, {
      getRun: (_request, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            ends.push((signal.reason as OrchestratorError).code);
            reject(signal.reason as Error);
          });
        }),
    });
    await serverOf({ services: [service] }).start();
    const runs = (await connect()).service(RunServiceDefinition);
    const reasons = ends[Symbol.asyncIterator]();
    await expect(runs.getRun({ runId: '' }, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    expect((await reasons.next()).value).toBe('DEADLINE_EXCEEDED');
    const stop = new AbortController();
    const call = runs.getRun({ runId: '' }, { signal: stop.signal });
    setImmediate(() => stop.abort());
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('health and the end', () => {
  it('is known by every name, and watchers hear of changes and of the end', async () => {
    const server = serverOf({ services: [implement(RunServiceDefinition, { watchRun: runMessages })] });
    await server.start();
    const health = (await connect()).service(HealthDefinition);
    for (const service of ['', 'run', 'run.v1.RunService', 'proto.run.v1.RunService']) {
      expect(await health.check({ service })).toEqual({ status: ServingStatus.SERVING });
    }
    await expect(health.check({ service: 'nobody' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'unknown service',
    });
    const unknown = health.watch({ service: 'nobody' })[Symbol.asyncIterator]();
    expect((await unknown.next()).value).toEqual({ status: ServingStatus.SERVICE_UNKNOWN });
    await unknown.return?.();
    const watch = health.watch({ service: 'run' })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toEqual({ status: ServingStatus.SERVING });
    server.setServing(false);
    expect((await watch.next()).value).toEqual({ status: ServingStatus.NOT_SERVING });
    server.setServing(true);
    expect((await watch.next()).value).toEqual({ status: ServingStatus.SERVING });
    const stopping = server.stop();
    expect((await watch.next()).value).toEqual({ status: ServingStatus.NOT_SERVING });
    await expect(watch.next()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: /The server is closing/,
    });
    await stopping;
  });

  it('lets calls finish, and cuts those that do not end within the limit', async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const service = implement(RunServiceDefinition, {
      getRun: async () => {
        started.resolve();
        await gate.promise;
        return { run: undefined };
      },
      abortRun: () => new Promise(() => undefined),
    });
    const server = serverOf({ services: [service], limits: { shutdownTimeoutMs: 300 } });
    await server.start();
    const runs = (await connect()).service(RunServiceDefinition);
    const finished = runs.getRun({ runId: '' });
    const cut = runs.abortRun({ runId: '' });
    cut.catch(() => undefined);
    await started.promise;
    const stopping = server.stop();
    gate.resolve();
    expect(await finished).toEqual({ run: undefined });
    await expect(cut).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await stopping;
  });
});

describe('the client', () => {
  it('says what is wrong before it is connected and after it is closed', async () => {
    const client = new GrpcClient(path, { dialTimeoutMs: 100 });
    const health = client.service(HealthDefinition);
    await expect(health.check({ service: '' })).rejects.toThrow('client not connected');
    await expect(client.dial()).rejects.toThrow('Nobody answers');
    await serverOf().start();
    await client.dial();
    await expect(client.dial()).rejects.toThrow('already connected');
    client.close();
    await expect(health.check({ service: '' })).rejects.toThrow('client is closed');
    await expect(client.dial()).rejects.toThrow('client is closed');
  });

  it('connects again by itself, or gives up after so many attempts', async () => {
    const first = serverOf();
    await first.start();
    const patient = await connect({ reconnectIntervalMs: 50 });
    const impatient = await connect({ reconnectIntervalMs: 20, reconnectMaxAttempts: 3 });
    await first.stop();
    await expect
      .poll(
        () =>
          impatient
            .service(HealthDefinition)
            .check({ service: '' })
            .catch((error: unknown) => (error as Error).message),
        { timeout: 5_000 },
      )
      .toBe('client is closed');
    await serverOf().start();
    await expect.poll(() => patient.isConnected, { timeout: 5_000 }).toBe(true);
  });
});
