import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import type { RpcClient } from '../../src/clients/grpc/rpcClient.ts';
import { ToolDefinition, ToolExecutionStatus, ToolState } from '../../src/protocol/gen/common/v1/common.ts';
import {
  CreateSessionRequest,
  OrchestratorServiceDefinition,
} from '../../src/protocol/gen/orchestrator/v1/orchestrator.ts';
import {
  ExecuteToolRequest,
  ListExecutionsRequest,
  ListToolsRequest,
  StreamToolRequest,
  ToolServiceDefinition,
} from '../../src/protocol/gen/tool/v1/tool.ts';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type RunningCli } from './cliHarness.ts';
import { everythingServer } from './toolHarness.ts';

let dist: string;
let fixture: CliFixture;
let serving: RunningCli;
let client: GrpcClient;
let tools: RpcClient<typeof ToolServiceDefinition>;

beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

beforeEach(async () => {
  fixture = new CliFixture(dist);
  mkdirSync(fixture.stateDir, { mode: 0o700, recursive: true });
  const { command, args } = everythingServer();
  writeFileSync(
    join(fixture.stateDir, 'tools.json'),
    JSON.stringify({ servers: { everything: { command, args } } }),
  );
  serving = fixture.start(['serve']);
  await serving.shows('gRPC: unix:');
  client = new GrpcClient(join(fixture.stateDir, 'grpc.sock'), { dialTimeoutMs: 5_000 });
  await client.dial();
  tools = client.service(ToolServiceDefinition);
});
afterEach(async () => {
  client.close();
  serving.child.kill('SIGTERM');
  await serving.result;
  await fixture[Symbol.asyncDispose]();
});

async function newSession(): Promise<string> {
  const { sessionId } = await client
    .service(OrchestratorServiceDefinition)
    .createSession(CreateSessionRequest.fromPartial({ metadata: { name: 'tools' } }));
  return sessionId;
}

async function execute(toolName: string, parameters: Record<string, string>, sessionId = '') {
  const { executionId } = await tools.executeTool(
    ExecuteToolRequest.fromPartial({ toolName, parameters, sessionId, correlationId: 'c1' }),
  );
  return waitUntil(
    `${toolName} has ended`,
    async () => {
      const { execution } = await tools.getExecutionStatus({ executionId });
      return execution?.completedAt === undefined ? undefined : execution;
    },
    { limitMs: 20_000 },
  );
}

test('tools of servers and built-in ones are listed and called', async () => {
  const { tools: listed, totalCount } = await tools.listTools(ListToolsRequest.fromPartial({}));
  const names = listed.map(({ name }) => name);
  expect(totalCount).toBe(names.length);
  expect(names).toContain('everything_echo');
  expect(names).toContain('files_read_file');
  const sum = await execute('everything_get-sum', { a: '2', b: '40' });
  expect(sum).toMatchObject({
    status: ToolExecutionStatus.TOOL_EXECUTION_STATUS_COMPLETED,
    correlationId: 'c1',
    result: { outputText: expect.stringContaining('42') as string, exitCode: 0 },
  });
  await expect(execute('everything_echo', {})).rejects.toThrow('"message" is missing');
  await expect(execute('Everything_echo', { message: 'x' })).rejects.toThrow('tool not found');
  const { serviceStats, toolStats } = await tools.getStats({ toolName: 'everything_get-sum' });
  expect(serviceStats).toMatchObject({ totalExecutions: 1n, successfulExecutions: 1n });
  expect(toolStats).toHaveLength(1);
});

test('a command that is registered is a run of the session, with its parameters in the environment', async () => {
  const sessionId = await newSession();
  const definition = ToolDefinition.fromPartial({
    name: 'greet',
    displayName: 'Greet',
    description: 'Says hello.',
    command: ['sh', '-c', 'echo "hello, $TOOL_WHO"; exit "${TOOL_CODE:-0}"'],
    parameters: [{ name: 'who', required: true }, { name: 'code' }],
  });
  const { tool } = await tools.registerTool({ definition, force: false });
  expect(tool).toMatchObject({ name: 'greet', enabled: true, state: ToolState.TOOL_STATE_AVAILABLE });
  await expect(tools.registerTool({ definition, force: false })).rejects.toThrow('tool already registered');
  const hostile = `you'; $(touch ${join(fixture.root, 'hacked')}) "`;
  const greeted = await execute('greet', { who: hostile }, sessionId);
  expect(greeted.result?.outputText).toContain(`hello, ${hostile}`);
  expect(() => readFileSync(join(fixture.root, 'hacked'))).toThrow();
  const failed = await execute('greet', { who: 'a', code: '3' }, sessionId);
  expect(failed).toMatchObject({
    status: ToolExecutionStatus.TOOL_EXECUTION_STATUS_FAILED,
    result: { exitCode: 3 },
  });
  const { executions } = await tools.listExecutions(
    ListExecutionsRequest.fromPartial({ filter: { toolName: 'greet' } }),
  );
  expect(executions).toHaveLength(2);

  await tools.disableTool({ name: 'greet', cancelActiveExecutions: false });
  await expect(execute('greet', { who: 'a' }, sessionId)).rejects.toThrow('tool is disabled');
  await tools.enableTool({ name: 'greet' });
  await tools.unregisterTool({ name: 'greet', force: false });
  await expect(tools.getTool({ name: 'greet' })).rejects.toThrow('tool not found');
  await expect(
    tools.registerTool({
      definition: ToolDefinition.fromPartial({ ...definition, securityPolicy: { allowNetwork: true } }),
      force: false,
    }),
  ).rejects.toThrow('no policy and no limits of its own');
});

test('an execution is streamed, and cancelled', async () => {
  const sessionId = await newSession();
  const definition = ToolDefinition.fromPartial({ name: 'wait', command: ['sleep', '60'] });
  await tools.registerTool({ definition, force: false });
  const { executionId } = await tools.executeTool(
    ExecuteToolRequest.fromPartial({ toolName: 'wait', sessionId }),
  );
  const requests = [
    StreamToolRequest.fromPartial({ executionId, payload: { $case: 'heartbeat', value: {} } }),
    StreamToolRequest.fromPartial({ payload: { $case: 'cancel', value: { reason: 'enough' } } }),
  ];
  const cases: string[] = [];
  for await (const { payload } of tools.streamTool(
    (async function* () {
      yield* requests;
      await new Promise((resolve) => setTimeout(resolve, 30_000).unref());
    })(),
  )) {
    cases.push(payload?.$case ?? '');
    if (payload?.$case === 'complete') break;
  }
  expect(cases).toEqual(['status', 'heartbeat', 'status', 'error', 'complete']);
  const { execution } = await tools.getExecutionStatus({ executionId });
  expect(execution?.status).toBe(ToolExecutionStatus.TOOL_EXECUTION_STATUS_CANCELLED);
});

test('the command line lists and calls them', async () => {
  writeFileSync(join(fixture.root, 'note.txt'), 'one\ntwo\n');
  symlinkSync('/etc/passwd', join(fixture.root, 'link'));
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await fixture.start(['tools', ...args]).result;
    return { code, stdout: stdout.toString(), stderr };
  };
  expect(await run('list')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('everything_echo') as string,
  });
  expect(await run('servers')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/everything +ready +\d+/) as string,
  });
  expect(await run('call', 'everything_echo', '{"message":"hi"}')).toEqual({
    code: 0,
    stdout: 'Echo: hi\n',
    stderr: '',
  });
  expect(await run('call', 'files_read_file', '{"path":"note.txt"}')).toMatchObject({
    code: 0,
    stdout: 'one\ntwo\n\n',
  });
  const outside = await run('call', 'files_read_file', '{"path":"link"}');
  expect(outside).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('outside of the session') as string,
  });
  expect(await run('call', 'nothing')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('unknown_tool') as string,
  });
});
