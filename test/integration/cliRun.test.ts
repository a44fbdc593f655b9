// `orchestrator run` as scripts use it: exact bytes, exit codes, and nothing left behind.
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../src/core/runs/run.ts';
import { waitUntil } from '../harness/processes.ts';
import { makeFakeAgent } from './agentHarness.ts';
import { buildProduct, CliFixture, node } from './cliHarness.ts';

let dist: string;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

describe('orchestrator run', () => {
  it('prints what the program prints, exits as it exits, and leaves no process', async () => {
    await using cli = new CliFixture(dist);
    const { code, stdout, stderr } = await cli.run(['run', '--', 'sh', '-c', 'echo hi; exit 3']);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 3, stdout: 'hi\n', stderr: '' });
    expect(cli.leftovers()).toEqual([]);
    expect(cli.hostPid()).toBeUndefined();
  });

  it('prints what a coding agent says, and why it failed', async () => {
    await using cli = new CliFixture(dist);
    using agent = makeFakeAgent();
    const { env } = agent;
    const run = ['run', '--engine', 'claude-code'];
    const { code, stdout, stderr } = await cli.run([...run, '--', 'hello', 'there'], { env });
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: 'You said: hello there\n',
      stderr: '',
    });
    const failed = await cli.run([...run, '--task', 'nothing'], { env });
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain('Claude Code ended with exit code 3 without a result.');
    const missing = await cli.run([...run, '--task', 'x'], { env: { PATH: '/usr/bin:/bin' } });
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain('npm install -g @anthropic-ai/claude-code');
    const { runs } = await cli.json(['ps', '--all']);
    const said = (runs as Run[]).find(({ request }) => request.task === 'hello there');
    const logs = await cli.run(['logs', said?.id ?? '']);
    expect(logs).toMatchObject({ code: 0, stderr: '' });
    expect(logs.stdout.toString()).toContain('You said: hello there');
    expect(cli.leftovers()).toEqual([]);
  });

  it('keeps every byte of the output', async () => {
    await using cli = new CliFixture(dist);
    const program = join(cli.root, 'bytes.js');
    // Every byte but those that a terminal answers to or that its line discipline changes by itself.
    writeFileSync(
      program,
      `const bytes = Buffer.alloc(20 * 1024);
       for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
       require('fs').writeSync(1, bytes); process.stdout.write('\\r\\n\\r\\r\\n\\x1b]133;D;0\\x07end');`,
    );
    const expected = Buffer.alloc(20 * 1024);
    for (let i = 0; i < expected.length; i++) expected[i] = (i * 7 + (i >> 8)) & 0xff;
    const { code, stdout } = await cli.run(['run', '--', node, program]);
    expect(code).toBe(0);
    expect(stdout.equals(Buffer.concat([expected, Buffer.from('\r\n\r\r\n\x1b]133;D;0\x07end')]))).toBe(true);
  });

  it('loses nothing where its reader is slow, and slows the program down instead', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'seq 400000; echo end']);
    running.child.stdout?.pause();
    await new Promise((resolve) => setTimeout(resolve, 700));
    running.child.stdout?.resume();
    const { code, stdout } = await running.result;
    expect(code).toBe(0);
    const expected = `${Array.from({ length: 400_000 }, (_, i) => i + 1).join('\n')}\nend\n`;
    expect(stdout.toString() === expected).toBe(true);
  });

  it.each([
    ['success', ['run', '--', 'true'], 0],
    ['its code', ['run', '--', 'sh', '-c', 'exit 42'], 42],
    ['a command that is not there', ['run', '--', 'no-such-command-here'], 127],
    ['a signal', ['run', '--', 'sh', '-c', 'kill -9 $$'], 137],
    ['the failing step', ['run', '--step', 'true', '--step', 'exit 5', '--step', 'exit 6'], 5],
    ['the time-out', ['run', '--timeout', '300ms', '--', 'sleep', '60'], 124],
  ])('exits with %s', async (_what, args, expected) => {
    await using cli = new CliFixture(dist);
    expect((await cli.run(args)).code).toBe(expected);
    expect(cli.leftovers()).toEqual([]);
  });

  it('runs the words of a command exactly as they are', async () => {
    await using cli = new CliFixture(dist);
    const words = ['a b', '', "it's", '"', '$HOME', '*', '\\', '--json', '-x', 'é', '\n', '!', ';'];
    const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
    const { stdout } = await cli.run(['run', '--', node, '-e', script, '--', ...words]);
    expect(JSON.parse(stdout.toString())).toEqual(words);
  });

  it('takes a task as text, one command a line, with the state of one shell', async () => {
    await using cli = new CliFixture(dist);
    const { code, stdout, stderr } = await cli.run([
      'run',
      '--task',
      'cd /usr\nX=1\necho "$PWD $X"\nexit 4\necho never',
    ]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 4, stdout: '/usr 1\n' });
    expect(stderr).toBe('orchestrator: step 4 of 5 failed with exit code 4.\n');
  });

  it('runs where and in what it is told', async () => {
    await using cli = new CliFixture(dist);
    mkdirSync(join(cli.root, 'sub'));
    const { stdout } = await cli.run([
      'run',
      '--cwd',
      'sub',
      '--shell',
      'bash',
      '--task',
      'echo "$PWD ${BASH_VERSION%%.*}"',
    ]);
    expect(stdout.toString()).toMatch(new RegExp(`^${cli.root}/sub \\d+\n$`));
    const size = await cli.run(['run', '--', 'sh', '-c', 'stty size']);
    expect(size.stdout.toString()).toBe('30 120\n');
  });

  it('gives the bytes of the terminal with --raw', async () => {
    await using cli = new CliFixture(dist);
    expect((await cli.run(['run', '--raw', '--', 'echo', 'hi'])).stdout.toString()).toBe('hi\r\n');
  });

  it('passes piped input on with --stdin, and only then', async () => {
    await using cli = new CliFixture(dist);
    const { code, stdout } = await cli.run(
      ['run', '--stdin', '--', 'sh', '-c', 'stty -echo; echo ready; sort; echo done'],
      {
        input: '',
      },
    );
    expect(code).toBe(0);
    expect(stdout.toString()).toContain('done\n');
    const echoed = await cli.run(['run', '--stdin', '--', 'head', '-n', '1'], { input: 'first\nsecond\n' });
    expect(echoed.code).toBe(0);
    expect(echoed.stdout.toString()).toContain('first\n');
    const closed = await cli.run(['run', '--', 'echo', 'x'], { input: 'ignored\n' });
    expect(closed.stdout.toString()).toBe('x\n');
  });

  it('answers with one JSON object a line: every event, then the result', async () => {
    await using cli = new CliFixture(dist);
    const { code, stdout } = await cli.run(['run', '--json', '--step', 'echo one', '--step', 'exit 9']);
    expect(code).toBe(9);
    const lines = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const types = lines.map(({ type }) => type);
    expect(types[0]).toBe('response.created');
    expect(types.slice(-2)).toEqual(['response.completed', 'result']);
    expect(lines.at(-1)).toMatchObject({
      status: 'failed',
      exitCode: 9,
      result: { outcome: 'failed', steps: [{ execution_result: { output_tail: 'one\n' } }, {}] },
    });
    const sequences = lines.slice(0, -1).map(({ sequence }) => Number(sequence));
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  });

  it('runs in a session of that name, the same one again', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--name', 'nightly', '--', 'true']);
    await cli.run(['run', '--name', 'nightly', '--', 'true']);
    const { sessions, runs } = await cli.json(['ps', '--all']);
    expect(sessions).toMatchObject([{ name: 'nightly' }]);
    expect(runs).toHaveLength(2);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends the task within 2 s of %s, and exits with 130',
    async (name) => {
      await using cli = new CliFixture(dist);
      const running = cli.start([
        'run',
        '--',
        'sh',
        '-c',
        "trap '' INT TERM HUP; echo started; sleep 60; sleep 60",
      ]);
      await running.shows('started');
      const before = performance.now();
      running.child.kill(name);
      const { code, stderr } = await running.result;
      expect(performance.now() - before).toBeLessThan(2_500);
      expect({ code, stderr }).toEqual({ code: 130, stderr: 'orchestrator: cancelled.\n' });
      expect(cli.leftovers()).toEqual([]);
    },
  );

  it('ends the task when nobody reads its output any more', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'yes']);
    await running.shows('y\n');
    running.child.stdout?.destroy();
    expect((await running.result).code).toBe(141);
    expect(cli.leftovers()).toEqual([]);
  });

  it('goes on without a client that was killed, and the next one finds the run', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 1.5; echo ended']);
    await running.shows('begun');
    running.child.kill('SIGKILL');
    await running.result;
    expect(cli.hostPid()).toBeDefined();
    // Another core on the same directory takes up what goes on.
    await cli.run(['run', '--', 'sleep', '2']);
    const { runs } = await cli.json(['ps', '--all']);
    expect(runs).toMatchObject([{ status: 'succeeded' }, { status: 'succeeded' }]);
    const [first] = runs as { id: string }[];
    expect((await cli.run(['logs', first?.id ?? ''])).stdout.toString()).toBe('begun\nended\n');
  });
});

describe('what may die under a run', () => {
  it('is its worker: the run fails, says why, and leaves nothing', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 60']);
    await running.shows('begun');
    const worker = cli.leftovers().find((line) => line.includes('worker.js'));
    process.kill(Number.parseInt(worker ?? '', 10), 'SIGKILL');
    const { code, stdout, stderr } = await running.result;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 1, stdout: 'begun\n' });
    expect(stderr).toContain('was ended by SIGKILL before the run was over');
    await waitUntil('nothing is left', () => cli.leftovers().length === 0, { limitMs: 3_000 });
  });

  it('is the process host: the run fails, says why, and the next one works', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 60']);
    await running.shows('begun');
    process.kill(cli.hostPid() ?? 0, 'SIGKILL');
    const { code, stdout, stderr } = await running.result;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 1, stdout: 'begun\n' });
    expect(stderr).toContain('process host ended');
    const next = await cli.run(['run', '--', 'echo', 'works']);
    expect({ code: next.code, stdout: next.stdout.toString() }).toEqual({ code: 0, stdout: 'works\n' });
    const [run] = (await cli.json(['ps', '--all']))['runs'] as { id: string }[];
    expect((await cli.run(['logs', run?.id ?? ''])).stdout.toString()).toBe('begun\n');
    await waitUntil('nothing is left', () => cli.leftovers().length === 0, { limitMs: 3_000 });
  });
});

describe('bad input', () => {
  it.each([
    ['an empty task', ['run', '--task', ''], 2, 'Type a command first'],
    ['a task of blanks', ['run', '--task', ' \n '], 2, 'Type a command first'],
    ['nothing to run', ['run'], 2, 'There is nothing to run'],
    ['two ways at once', ['run', '--task', 'x', '--', 'y'], 2, 'either'],
    [
      'a folder that is not there',
      ['run', '--cwd', '/nowhere/at/all', '--', 'true'],
      2,
      'The directory /nowhere/at/all does not exist',
    ],
    ['a shell that is not there', ['run', '--shell', '/nowhere/bash', '--', 'true'], 2, '/nowhere/bash'],
    ['a time that is none', ['run', '--timeout', 'soon', '--', 'true'], 2, 'a time such as'],
    ['an option that is none', ['ps', '--everything'], 2, 'unknown option'],
    ['a command that is none', ['rnu'], 2, "unknown command 'rnu'"],
    ['no id', ['logs'], 2, 'missing required argument'],
  ])('is told: %s', async (_what, args, code, message) => {
    await using cli = new CliFixture(dist);
    const result = await cli.run(args);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect(result.stdout.toString()).toBe('');
    expect(cli.leftovers()).toEqual([]);
  });

  it('is told as JSON where JSON is asked for', async () => {
    await using cli = new CliFixture(dist);
    expect(await cli.json(['run', '--task', ''])).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', reason: 'task_empty' },
    });
  });

  it('does not lose anything to a broken database', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--', 'true']);
    writeFileSync(join(cli.stateDir, 'orchestrator.db'), 'this is no database '.repeat(500));
    expect((await cli.run(['ps'])).code).toBe(1);
    const { code, stdout, stderr } = await cli.run(['run', '--', 'echo', 'works']);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'works\n' });
    const kept = /it is kept as (\S+)\.$/m.exec(stderr)?.[1];
    expect(kept !== undefined && existsSync(kept)).toBe(true);
  });

  it('refuses a state directory that is not safe, or none', async () => {
    await using cli = new CliFixture(dist);
    const file = join(cli.root, 'file');
    writeFileSync(file, '');
    const link = join(cli.root, 'link');
    mkdirSync(join(cli.root, 'target'));
    symlinkSync(join(cli.root, 'target'), link);
    for (const bad of [file, join(file, 'below'), link, '/proc/nothing']) {
      const result = await cli.run(['run', '--state-dir', bad, '--', 'true']);
      expect({ bad, code: result.code }).toEqual({ bad, code: 1 });
      expect(result.stderr).toMatch(/^orchestrator: .*(?:--state-dir|state directory)/);
    }
  });

  it('says who serves the directory where that one takes no commands', async () => {
    await using cli = new CliFixture(dist);
    const serving = cli.start(['serve', '--no-grpc']);
    await serving.shows('Ready');
    const result = await cli.run(['run', '--', 'true']);
    expect(result.code).toBe(5);
    expect(result.stderr).toContain(`is served by orchestrator serve (pid ${serving.pid})`);
    expect(result.stderr).toContain('--state-dir');
  });

  it('says which Node it needs, or takes the one that came with it', async () => {
    await using cli = new CliFixture(dist);
    const old = join(cli.root, 'old-node');
    // A Node that says that it is an old one: the check must hold before anything else is loaded.
    writeFileSync(old, `#!/bin/sh\nexec ${node} --require ${join(cli.root, 'old.js')} "$@"\n`);
    chmodSync(old, 0o755);
    writeFileSync(
      join(cli.root, 'old.js'),
      `if (!process.env.ORCHESTRATOR_REEXECUTED) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });`,
    );
    const { code, stdout } = await cli.run(['run', '--', 'echo', 'hi'], { execPath: old });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'hi\n' });
  });
});

it('runs eight at a time, each on a directory of its own, without losing a byte', async () => {
  const expected = `${Array.from({ length: 3_600 }, (_, i) => i + 1).join('\n')}\n`;
  const one = async (): Promise<void> => {
    await using cli = new CliFixture(dist);
    const { code, stdout } = await cli.run(['run', '--', 'seq', '3600']);
    expect(code).toBe(0);
    expect(stdout.toString()).toBe(expected);
    await waitUntil('nothing is left', () => cli.leftovers().length === 0, { limitMs: 2_000 });
  };
  const lane = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) await one();
  };
  await Promise.all(Array.from({ length: 8 }, lane));
});
