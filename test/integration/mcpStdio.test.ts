// `orchestrator mcp` as a client starts it, with a client that is not ours.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, waitUntil } from '../harness/processes.ts';
import { connectStdio, type McpTestClient, type Progress, type StdioOptions } from '../harness/mcpClient.ts';
import { buildProduct, CliFixture } from './cliHarness.ts';

let dist: string;
beforeAll(() => {
  dist = buildProduct();
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

const connect = (cli: CliFixture, options?: StdioOptions): ReturnType<typeof connectStdio> =>
  connectStdio(cli, dist, options);

async function startTerminal(mcp: McpTestClient): Promise<string> {
  return String((await mcp.ask('start_terminal'))['terminal_id']);
}

describe('the catalogue', () => {
  it('describes every tool, its arguments and its results, and says which of them change something', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const { tools } = await mcp.client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual([
      'abort_run',
      'close_session',
      'container_exec',
      'container_logs',
      'create_session',
      'get_run',
      'kill_terminal',
      'list_containers',
      'list_runs',
      'list_sessions',
      'list_terminals',
      'read_terminal',
      'run_command',
      'run_task',
      'start_terminal',
      'wait_for_run',
      'write_terminal',
    ]);
    for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
      expect(title, name).toMatch(/^[A-Z]/);
      expect(description?.length, name).toBeGreaterThan(60);
      expect(inputSchema['additionalProperties'], name).toBe(false);
      expect(Object.keys(outputSchema?.properties ?? {}).length, name).toBeGreaterThan(1);
      const looks = /^(list_|get_|read_|wait_|container_logs)/.test(name);
      expect(annotations?.readOnlyHint, name).toBe(looks);
    }
    expect(mcp.client.getInstructions()).toContain('run_task');
    // Nothing was asked of it, so nothing was started.
    expect(cli.hostPid()).toBeUndefined();
  });
});

describe('a task', () => {
  it('is run, reported on while it runs, and told with result, steps and clean output', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const heard: Progress[] = [];
    const task = String.raw`printf '\033[31mred\033[0m\007\u202etest\n'` + '\nexit 3\necho never';
    const run = await mcp.ask('run_task', { task }, { onProgress: (progress) => heard.push(progress) });
    expect(run).toMatchObject({
      status: 'failed',
      engine: 'shell',
      requested_by: 'mcp:claude-code',
      has_ended: true,
      result: { status: 'failed', completion_reason: 'FAIL' },
      step_count: 3,
      output: 'redtest\n',
      output_step: 1,
    });
    expect(run['steps']).toMatchObject([
      { index: 1, status: 'succeeded', exit_code: 0 },
      { index: 2, status: 'failed', exit_code: 3 },
      { index: 3, status: 'skipped', exit_code: null },
    ]);
    expect(heard.length).toBeGreaterThan(0);
    // It runs where the client does.
    const { sessions } = await mcp.ask('list_sessions');
    expect(sessions).toMatchObject([{ directory: cli.root, owner: 'user', is_yours: false }]);
  });

  it('goes on past the wait, and is waited for, listed and aborted', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const begun = await mcp.ask('run_task', { task: 'echo begun; sleep 300', wait_seconds: 0.3 });
    expect(begun).toMatchObject({ has_ended: false, result: null });
    const { run_id } = begun;
    const waited = await mcp.ask('wait_for_run', { run_id, wait_seconds: 0.1 });
    expect(waited).toMatchObject({ run_id, has_ended: false });
    expect((await mcp.ask('list_runs', { only_live: true }))['runs']).toMatchObject([{ run_id }]);
    expect(await mcp.ask('abort_run', { run_id })).toMatchObject({ status: 'cancelled', has_ended: true });
    expect((await mcp.ask('list_runs', { only_live: true }))['runs']).toEqual([]);
    // Again changes nothing.
    expect(await mcp.ask('abort_run', { run_id })).toMatchObject({ status: 'cancelled' });
  });

  it('goes on when the call that waits for it is cancelled', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const stop = new AbortController();
    const call = mcp.call(
      'run_task',
      { task: 'sleep 1; echo through', wait_seconds: 100 },
      {
        signal: stop.signal,
        onProgress: () => stop.abort(),
      },
    );
    await expect(call).rejects.toThrow();
    const { runs } = await mcp.ask('list_runs', { only_live: true });
    const [{ run_id }] = runs as [{ run_id: string }];
    expect(await mcp.ask('wait_for_run', { run_id })).toMatchObject({
      status: 'succeeded',
      output: 'through\n',
    });
  });

  it('that prints much is read page by page, every byte once', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const { run_id, output, output_to } = await mcp.ask('run_task', { task: 'seq 40000' });
    expect(String(output).endsWith('39999\n40000\n')).toBe(true);
    let text = '';
    for (let offset = 0; offset < Number(output_to); ) {
      const page = await mcp.ask('get_run', { run_id, step: 1, offset });
      expect(JSON.stringify(page).length).toBeLessThan(64 * 1024);
      expect(page['output_from']).toBe(offset);
      text += String(page['output']);
      offset = Number(page['output_to']);
    }
    expect(text).toBe(Array.from({ length: 40_000 }, (_, index) => `${index + 1}\n`).join(''));
  });
});

describe('a terminal', () => {
  it('keeps its shell between commands, and tells exit codes and exactly what was printed', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const terminal_id = await startTerminal(mcp);
    await mcp.ask('run_command', { terminal_id, command: 'cd /; name=Anna' });
    const ran = await mcp.ask('run_command', { terminal_id, command: 'echo "$PWD $name"; (exit 4)' });
    expect(ran).toMatchObject({ status: 'completed', exit_code: 4, output: '/ Anna\n', omitted_bytes: 0 });
    expect(await mcp.ask('kill_terminal', { terminal_id })).toMatchObject({ is_running: false });
    expect((await mcp.ask('list_terminals'))['terminals']).toEqual([]);
    expect((await mcp.ask('list_terminals', { include_ended: true }))['terminals']).toMatchObject([
      { terminal_id, owner: 'mcp:claude-code' },
    ]);
    expect((await mcp.ask('read_terminal', { terminal_id }))['text']).toContain('/ Anna');
    expect(await mcp.refusal('run_command', { terminal_id, command: 'true' })).toMatch(/start_terminal/);
  });

  it('goes on with a command past its time; ctrl-c ends it', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const terminal_id = await startTerminal(mcp);
    const command = 'echo begun; sleep 300';
    const ran = await mcp.ask('run_command', { terminal_id, command, timeout_seconds: 1 });
    expect(ran).toMatchObject({ status: 'still_running', exit_code: null });
    expect(ran['output']).toContain('begun');
    await mcp.ask('write_terminal', { terminal_id, keys: ['ctrl-c'] });
    const after = await mcp.ask('run_command', { terminal_id, command: 'echo "code $?"' });
    expect(after['output']).toBe('code 130\n');
  });

  it('is typed into and read from where one left off', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const { terminal_id } = await mcp.ask('start_terminal', { program: 'cat' });
    const { end_offset } = await mcp.ask('write_terminal', { terminal_id, text: 'hello', keys: ['enter'] });
    const text = await waitUntil('cat answers', async () => {
      const read = await mcp.ask('read_terminal', { terminal_id, from_offset: end_offset });
      const shown = String(read['text']);
      return shown.split('hello').length === 3 ? shown : undefined;
    });
    expect(text).toBe('hello\nhello\n');
    expect((await mcp.ask('read_terminal', { terminal_id, lines: 1 }))['text']).toBe('hello\n');
  });

  it('that prints several times what is kept costs neither memory nor a large answer', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const terminal_id = await startTerminal(mcp);
    await mcp.ask('run_command', { terminal_id, command: 'true' });
    const before = peakMiB(mcp.pid);
    const command = 'yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde | head -c 150000000';
    const ran = await mcp.call('run_command', { terminal_id, command, timeout_seconds: 100 });
    expect(ran.text.length).toBeLessThan(64 * 1024);
    expect(ran.data).toMatchObject({ status: 'completed', exit_code: 0 });
    expect(String(ran.data['output'])).toMatch(/^[0-9a-f\n]+… \d+ bytes left out …\n[0-9a-f\n]+$/);
    const last = await mcp.ask('read_terminal', { terminal_id, lines: 5 });
    expect(Number(last['end_offset'])).toBeGreaterThan(150_000_000);
    // What is kept of it is 32 MiB: twice that as text, and some copies on the way.
    expect(peakMiB(mcp.pid) - before).toBeLessThan(600);
  }, 240_000);
});

describe('a session', () => {
  it('is made, named as its owner’s, and closed with all that runs in it', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli, { flags: ['--owner', 'night shift'] });
    const session = await mcp.ask('create_session', { name: 'mine' });
    const { session_id } = session;
    expect(session).toMatchObject({
      name: 'mine',
      owner: 'mcp:night-shift',
      is_yours: true,
      state: 'active',
    });
    const { terminal_id } = await mcp.ask('start_terminal', { session_id });
    const { run_id } = await mcp.ask('run_task', { session_id, task: 'sleep 300', wait_seconds: 0 });
    expect(await mcp.ask('close_session', { session_id })).toMatchObject({ state: 'closed' });
    expect(await mcp.ask('get_run', { run_id })).toMatchObject({ status: 'cancelled' });
    expect(await mcp.ask('read_terminal', { terminal_id })).toMatchObject({ is_running: false });
    expect((await mcp.ask('list_sessions'))['sessions']).toEqual([]);
    expect(await mcp.refusal('run_task', { session_id, task: 'true' })).toMatch(/create_session/);
  });
});

describe('what is wrong', () => {
  const id = '0190a8f0-0000-7000-8000-000000000000';
  it.each<[tool: string, args: Record<string, unknown>, told: RegExp]>([
    ['run_task', {}, /task/],
    ['run_task', { task: '' }, /task/],
    ['run_task', { task: 'true', sessionId: 'x' }, /sessionId/],
    ['run_task', { task: 'true', wait_seconds: -1 }, /wait_seconds/],
    ['run_task', { task: 'true', wait_seconds: 601 }, /wait_seconds/],
    ['run_task', { task: 'true', engine: 'abacus' }, /no engine "abacus"/],
    ['run_task', { task: 'true', directory: '/no/such/place' }, /directory_missing/],
    ['run_task', { task: 'true', session_id: 'f'.repeat(32) }, /list_sessions/],
    ['run_task', { task: 'true', session_id: '../../etc' }, /session_id/],
    ['get_run', { run_id: id }, /list_runs/],
    ['get_run', { run_id: 7 }, /run_id/],
    ['wait_for_run', { run_id: id }, /list_runs/],
    ['abort_run', { run_id: id }, /list_runs/],
    ['read_terminal', { terminal_id: id }, /list_terminals/],
    ['read_terminal', { terminal_id: id, lines: 0 }, /lines/],
    ['run_command', { terminal_id: id, command: 'true' }, /list_terminals/],
    ['run_command', { terminal_id: id, command: ' \n ' }, /no command/],
    ['write_terminal', { terminal_id: id, text: 'x' }, /list_terminals/],
    ['write_terminal', { terminal_id: id, keys: ['hyper'] }, /keys/],
    ['kill_terminal', { terminal_id: id }, /list_terminals/],
    ['close_session', { session_id: 'f'.repeat(32) }, /list_sessions/],
    ['create_session', { directory: '/no/such/place' }, /directory_missing/],
    ['create_session', { type: 'yacht' }, /type/],
    ['list_runs', { limit: 0 }, /limit/],
    ['container_logs', { container_id: 'a'.repeat(64) }, /container/],
    ['container_exec', { container_id: 'a'.repeat(64), command: [] }, /command/],
    ['container_exec', { container_id: 'zz', command: ['true'] }, /container_id/],
  ])('%s %j is told as %s, and changes nothing', async (tool, args, told) => {
    const { mcp } = await shared();
    expect(await mcp.refusal(tool, args)).toMatch(told);
    expect((await mcp.ask('list_runs', { only_live: true }))['runs']).toEqual([]);
    expect((await mcp.ask('list_terminals'))['terminals']).toEqual([]);
  });

  let common: Promise<{ cli: CliFixture; mcp: McpTestClient }> | undefined;
  const shared = (): NonNullable<typeof common> =>
    (common ??= (async () => {
      const cli = new CliFixture(dist);
      return { cli, mcp: await connect(cli) };
    })());
  afterAll(async () => {
    const { cli, mcp } = await shared();
    await mcp[Symbol.asyncDispose]();
    await cli[Symbol.asyncDispose]();
  });
});

describe('rights', () => {
  it('read-only clients look, and change nothing', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli, { flags: ['--read-only'] });
    expect((await mcp.ask('list_sessions'))['sessions']).toEqual([]);
    for (const [tool, args] of [
      ['run_task', { task: 'true' }],
      ['create_session', {}],
      ['start_terminal', {}],
    ] as const) {
      expect(await mcp.refusal(tool, args)).toMatch(/needs the scope "drive".*permission_denied/);
    }
    expect((await mcp.ask('list_sessions'))['sessions']).toEqual([]);
  });

  it('clients share a core, see what others do, and end only what is theirs; admins end everything', async () => {
    await using cli = new CliFixture(dist);
    await using anna = await connect(cli, { name: 'anna' });
    const terminal_id = await startTerminal(anna);
    const { session_id } = await anna.ask('create_session');
    const { run_id } = await anna.ask('run_task', { session_id, task: 'sleep 300', wait_seconds: 0 });
    // The second one finds the core of the first.
    await using bert = await connect(cli, { name: 'bert' });
    expect((await bert.ask('list_terminals'))['terminals']).toContainEqual(
      expect.objectContaining({ terminal_id, owner: 'mcp:anna', is_yours: false }),
    );
    expect(await bert.ask('read_terminal', { terminal_id })).toMatchObject({ is_running: true });
    const refusals = await Promise.all([
      bert.refusal('write_terminal', { terminal_id, text: 'x' }),
      bert.refusal('run_command', { terminal_id, command: 'x' }),
      bert.refusal('kill_terminal', { terminal_id }),
      bert.refusal('abort_run', { run_id }),
      bert.refusal('close_session', { session_id }),
    ]);
    for (const refusal of refusals) expect(refusal).toMatch(/mcp:bert may not touch .*permission_denied/);
    await using root = await connect(cli, { name: 'root', flags: ['--admin'] });
    expect(await root.ask('abort_run', { run_id })).toMatchObject({ status: 'cancelled' });
    expect(await root.ask('kill_terminal', { terminal_id })).toMatchObject({ is_running: false });
    expect(await root.ask('close_session', { session_id })).toMatchObject({ state: 'closed' });
  });
});

describe('its end', () => {
  it('comes with that of standard input; where nothing runs, nothing is left', async () => {
    await using cli = new CliFixture(dist);
    const mcp = await connect(cli);
    await mcp.ask('run_task', { task: 'true' });
    await mcp[Symbol.asyncDispose]();
    await waitUntil('it has gone', () => (isAlive(mcp.pid) ? undefined : true));
    await waitUntil('nothing is left', () => (cli.leftovers().length === 0 ? true : undefined));
  });

  it('prints nothing but MCP, and says goodbye with 0', async () => {
    await using cli = new CliFixture(dist);
    const initialize = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    };
    const input = ['not json', JSON.stringify(initialize), ''].join('\n');
    const { code, stdout } = await cli.run(['mcp'], { input });
    const lines = stdout
      .toString()
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
    expect(code).toBe(0);
  });

  it('by kill -9 leaves what it started, and the next one finds and ends it', async () => {
    await using cli = new CliFixture(dist);
    const first = await connect(cli);
    const terminal_id = await startTerminal(first);
    const begun = await first.ask('run_task', { task: 'sleep 2; echo through', wait_seconds: 0 });
    const { run_id } = begun;
    await waitUntil('it runs', async () =>
      (await first.ask('get_run', { run_id }))['status'] === 'running' ? true : undefined,
    );
    process.kill(first.pid, 'SIGKILL');
    await waitUntil('it is dead', () => (isAlive(first.pid) ? undefined : true));
    await using second = await connect(cli);
    expect(await second.ask('wait_for_run', { run_id })).toMatchObject({
      status: 'succeeded',
      output: 'through\n',
    });
    const ran = await second.ask('run_command', { terminal_id, command: 'echo still here' });
    expect(ran['output']).toBe('still here\n');
    expect(await second.ask('kill_terminal', { terminal_id })).toMatchObject({ is_running: false });
  });

  it('of the core that another one uses is got over: the next call opens its own', async () => {
    await using cli = new CliFixture(dist);
    const first = await connect(cli, { name: 'first' });
    const { run_id } = await first.ask('run_task', { task: 'echo hi' });
    await using second = await connect(cli, { name: 'second' });
    expect(await second.ask('get_run', { run_id })).toMatchObject({ status: 'succeeded' });
    process.kill(first.pid, 'SIGKILL');
    await waitUntil('it is dead', () => (isAlive(first.pid) ? undefined : true));
    const found = await waitUntil('the second one goes on', async () => {
      const { isError, data } = await second.call('get_run', { run_id });
      return isError ? undefined : data;
    });
    expect(found).toMatchObject({ status: 'succeeded', output: 'hi\n' });
  });
});

describe('resources', () => {
  it('are the runs and terminals, as text', async () => {
    await using cli = new CliFixture(dist);
    await using mcp = await connect(cli);
    const { run_id } = await mcp.ask('run_task', { task: 'echo hello' });
    const terminal_id = await startTerminal(mcp);
    const { resources } = await mcp.client.listResources();
    const uris = resources.map(({ uri }) => uri);
    expect(uris).toContain(`orchestrator://run/${String(run_id)}`);
    expect(uris).toContain(`orchestrator://terminal/${terminal_id}`);
    const { contents } = await mcp.client.readResource({ uri: `orchestrator://run/${String(run_id)}` });
    expect(contents).toMatchObject([{ text: 'Task: echo hello\nStatus: succeeded\n\nhello\n' }]);
    await expect(mcp.client.readResource({ uri: 'orchestrator://run/x' })).rejects.toThrow(/no id/);
  });
});

/** The most memory that the process has had. */
function peakMiB(pid: number): number {
  const status = readFileSync(join('/proc', String(pid), 'status'), 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
