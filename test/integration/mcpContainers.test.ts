// Containers by the tools of MCP, on a real engine.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestEngine } from '../harness/dockerEngine.ts';
import { connectStdio } from '../harness/mcpClient.ts';
import { waitUntil } from '../harness/processes.ts';
import { testImage } from '../harness/testImage.ts';
import { buildProduct, CliFixture } from './cliHarness.ts';

let dist: string;
let engine: TestEngine;
beforeAll(async () => {
  dist = buildProduct();
  engine = await TestEngine.start();
}, 400_000);
afterAll(async () => {
  rmSync(dist, { recursive: true, force: true });
  await engine[Symbol.asyncDispose]();
});

it('a session of containers runs tasks, is looked into, and ends with them', async () => {
  await using cli = new CliFixture(dist);
  const env = { DOCKER_HOST: engine.address };
  await using mcp = await connectStdio(cli, dist, { env });
  await using other = await connectStdio(cli, dist, { env, name: 'other' });
  const { session_id } = await mcp.ask('create_session', { type: 'container', image: testImage });
  const task = 'echo up; while :; do sleep 0.1; done';
  const { run_id } = await mcp.ask('run_task', { session_id, task, wait_seconds: 0 });
  const container_id = await waitUntil('it runs and has printed', async () => {
    const { containers } = await mcp.ask('list_containers', { session_id });
    const [found] = containers as { container_id: string; state: string }[];
    if (found?.state !== 'running') return undefined;
    expect(found).toMatchObject({ image: testImage, is_yours: true });
    const { text } = await mcp.ask('container_logs', { container_id: found.container_id });
    return text === '' ? undefined : found.container_id;
  });
  const logs = await mcp.ask('container_logs', { container_id });
  expect(logs).toMatchObject({ text: 'up\n', from_offset: 0, next_offset: 3, state: 'running' });
  expect(await mcp.ask('container_logs', { container_id, from_offset: 3 })).toMatchObject({ text: '' });

  const command = ['sh', '-c', 'echo out; printf "\\033[31merr\\033[0m" >&2; exit 4'];
  expect(await mcp.ask('container_exec', { container_id: container_id.slice(0, 12), command })).toMatchObject(
    {
      status: 'completed',
      exit_code: 4,
      stdout: 'out\n',
      stderr: 'err',
      omitted_bytes: 0,
    },
  );
  const flood = await mcp.ask('container_exec', {
    container_id,
    command: ['sh', '-c', 'yes | head -c 5000000'],
  });
  expect(flood['stdout']).toMatch(/^y\n[^]*… \d+ bytes left out …\n[^]*y\n$/);
  const sleep = ['sleep', '300'];
  expect(
    await mcp.ask('container_exec', { container_id, command: sleep, timeout_seconds: 0.5 }),
  ).toMatchObject({
    status: 'timed_out',
    exit_code: null,
  });
  await waitUntil('what was given up is ended', async () => {
    const look = ['sh', '-c', 'ps | grep -c "[s]leep 300"'];
    const { stdout } = await mcp.ask('container_exec', { container_id, command: look });
    return stdout === '0\n' ? true : undefined;
  });
  // Through the core of the first one.
  const theirs = await other.ask('create_session', { type: 'container', image: testImage });
  const ran = await other.ask('run_task', { session_id: theirs['session_id'], task: 'echo there' });
  expect(ran).toMatchObject({ status: 'succeeded', output: 'there\n' });
  expect(await other.refusal('container_exec', { container_id, command: ['true'] })).toMatch(
    /permission_denied/,
  );

  expect(await mcp.ask('close_session', { session_id })).toMatchObject({ state: 'closed' });
  expect(await mcp.ask('get_run', { run_id })).toMatchObject({ status: 'cancelled' });
  expect((await mcp.ask('list_containers', { session_id }))['containers']).toEqual([]);
});
