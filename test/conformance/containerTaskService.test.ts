// containertask.v1 at a real `orchestrator serve`, with tasks that really run.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { RemoteAccess } from '../../src/clients/orchestrator/remoteAccess.ts';
import {
  ContainerTaskServiceDefinition,
  type WatchTasksResponse,
} from '../../src/protocol/gen/containertask/v1/containertask.ts';
import {
  CreateSessionRequest,
  OrchestratorServiceDefinition,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import { buildProduct, CliFixture } from '../integration/cliHarness.ts';
import { iterate, nextOf } from '../harness/servedCore.ts';

let dist: string;
let cli: CliFixture;
let access: RemoteAccess;
let service: RpcClient<typeof ContainerTaskServiceDefinition>;
let sessionId: string;
const clients: GrpcClient[] = [];

beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});
beforeEach(async () => {
  cli = new CliFixture(dist);
  await cli.serve();
  const client = await connect();
  access = new RemoteAccess(client);
  service = client.service(ContainerTaskServiceDefinition);
  sessionId = (await access.createSession({ cwd: cli.root })).id;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await cli[Symbol.asyncDispose]();
});

async function connect(principal?: string): Promise<GrpcClient> {
  const socket = join(cli.stateDir, 'grpc.sock');
  const client = new GrpcClient(socket, { dialTimeoutMs: 20_000, principal });
  clients.push(client);
  await client.dial();
  return client;
}

const half = `fetch(process.env.PARENT_NODE_CALLBACK_URL, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    taskId: process.env.ORCA_TASK_ID,
    eventType: 'status_update',
    data: { message: 'Half', progress: 50 },
  }),
})`;

/** The manifest of a task whose program lies beside it, as a relative path says. */
function manifest(script: string): { readonly id: string } & Record<string, unknown> {
  writeFileSync(join(cli.root, 'task.js'), script);
  return {
    id: 'task-001',
    name: 'Index',
    executable: 'task.js',
    environment: { TOKEN: 'sesame' },
    restart: 'never',
  };
}

describe('container tasks over gRPC', () => {
  it('are started, watched to their end, retried and removed', async () => {
    const stop = new AbortController();
    const watch = iterate(service.watchTasks({ sessionId }, { signal: stop.signal }));
    expect(await nextOf(watch)).toMatchObject({ payload: { $case: 'snapshot', value: { tasks: [] } } });
    const tasks = access.containerTasks;
    const value = manifest(`module.exports = () => ${half};`);
    const started = await tasks.start({ sessionId, manifest: value, folder: cli.root });
    expect(started).toMatchObject({
      id: 'task-001',
      state: 'running',
      sessionId,
      title: `node ${cli.root}/task.js`,
    });
    expect(JSON.stringify(await service.getTask({ taskId: 'task-001' }))).not.toContain('sesame');
    const ended = await tasks.waitForEnd('task-001');
    expect(ended).toMatchObject({
      state: 'succeeded',
      report: { progress: 50, message: 'Half', callbacks: 1 },
    });
    const seen: NonNullable<WatchTasksResponse['payload']>[] = [];
    for (;;) {
      const { payload } = await nextOf(watch);
      if (payload === undefined) continue;
      seen.push(payload);
      // 4: succeeded.
      if (payload.$case === 'changed' && payload.value.state === 4) break;
    }
    expect(seen.filter(({ $case }) => $case === 'notification')).toMatchObject([
      { value: { taskId: 'task-001', runId: started.runId, message: expect.stringContaining('Half') } },
    ]);
    stop.abort();
    const again = await tasks.retry('task-001');
    expect(again.runId).not.toBe(started.runId);
    await tasks.waitForEnd('task-001');
    expect(await access.listContainerTasks()).toMatchObject([{ id: 'task-001', state: 'succeeded' }]);
    await tasks.remove('task-001');
    expect(await access.listContainerTasks()).toEqual([]);
    await expect(tasks.stop('task-001')).rejects.toMatchObject({ reason: 'task_not_found' });
  });

  it('are stopped, and what is wrong is said', async () => {
    const tasks = access.containerTasks;
    const value = manifest('setInterval(() => undefined, 1_000)');
    await tasks.start({ sessionId, manifest: value, folder: cli.root });
    await expect(tasks.start({ sessionId, manifest: value, folder: cli.root })).rejects.toMatchObject({
      reason: 'task_running',
    });
    await expect(tasks.remove('task-001')).rejects.toMatchObject({ reason: 'task_running' });
    expect(await tasks.stop('task-001')).toMatchObject({ state: 'stopped' });
    await expect(tasks.stop('task-001')).rejects.toMatchObject({ reason: 'task_ended' });
    const refused = { code: 'INVALID_ARGUMENT' };
    const start = { sessionId, manifest: value, folder: cli.root, isAgreed: true };
    await expect(service.startTask({ ...start, manifest: { memroy: 1 } })).rejects.toMatchObject(refused);
    await expect(service.startTask({ ...start, manifest: undefined })).rejects.toMatchObject(refused);
    await expect(service.startTask({ ...start, folder: 'here' })).rejects.toMatchObject(refused);
    await expect(service.startTask({ ...start, sessionId: 'none' })).rejects.toMatchObject({
      reason: 'session_not_found',
    });
  });

  it('of an agent are held to its session, and nobody agrees for a person', async () => {
    const client = await connect('orchestrator:a');
    const agent = client.service(ContainerTaskServiceDefinition);
    const request = CreateSessionRequest.fromPartial({ metadata: { name: 'own' } });
    const own = await client.service(OrchestratorServiceDefinition).createSession(request);
    const value = manifest('setInterval(() => undefined, 1_000)');
    const start = { manifest: value, folder: cli.root };
    const denied = { code: 'PERMISSION_DENIED' };
    await expect(
      agent.startTask({ ...start, sessionId: own.sessionId, isAgreed: true }),
    ).rejects.toMatchObject(denied);
    // A program on this machine is more than any session allows.
    await expect(
      agent.startTask({ ...start, sessionId: own.sessionId, isAgreed: false }),
    ).rejects.toMatchObject(denied);
    await expect(agent.startTask({ ...start, sessionId, isAgreed: false })).rejects.toMatchObject(denied);
    await access.containerTasks.start({ sessionId, ...start });
    await expect(agent.stopTask({ taskId: 'task-001' })).rejects.toMatchObject(denied);
    // Everyone may look.
    expect((await agent.listTasks({ sessionId: '' })).tasks).toMatchObject([{ id: 'task-001' }]);
    await access.containerTasks.stop('task-001');
  });
});
