// The commands on a directory that a core serves already: they go to that core, and do what they do without one.
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type CliResult, type RunningCli } from './cliHarness.ts';

let dist: string;
beforeAll(() => {
  dist = buildProduct();
}, 60_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

interface Listed {
  readonly id: string;
  readonly status?: string;
  readonly state?: string;
  readonly isLive?: boolean;
  readonly foregroundProcess?: string;
  readonly terminalIds?: readonly string[];
  readonly sessionId?: string;
}

async function listed(cli: CliFixture, kind: 'runs' | 'terminals' | 'sessions'): Promise<Listed[]> {
  return (await cli.json(['ps', '--all']))[kind] as Listed[];
}

/** Where nothing has labels, the wire cannot tell none from an empty list. */
function eventsOf({ stdout }: CliResult): unknown[] {
  const lines = stdout.toString().split('\n').filter(Boolean);
  return lines.map((line) => ({ labels: {}, ...(JSON.parse(line) as object) }));
}

const linesFrom = (first: number, count: number): string =>
  Array.from({ length: count }, (_, index) => `${first + index}\n`).join('');

const hashOf = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

describe('run', () => {
  it('has the core that serves run it, and prints and exits as ever', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    const result = await cli.run(['run', '--verbose', '--', 'sh', '-c', 'echo hi; exit 3']);
    expect({ code: result.code, stdout: result.stdout.toString() }).toEqual({ code: 3, stdout: 'hi\n' });
    expect(result.stderr).toContain(`The core of pid ${serving.pid} answers`);
    const plain = await cli.run(['run', '--step', 'cd /usr', '--step', 'pwd; exit 7']);
    expect(plain.code).toBe(7);
    expect(plain.stdout.toString()).toBe('/usr\n');
    expect(plain.stderr).toBe('orchestrator: step 2 of 2 failed with exit code 7.\n');
    expect(await listed(cli, 'runs')).toMatchObject([{ status: 'failed' }, { status: 'failed' }]);
  });

  it('gives the task the directory, environment and shell of who asks', async () => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const script = 'printf "%s|%s|%s" "$PWD" "$OF_THE_CALLER" "$SHELL"';
    const env = { OF_THE_CALLER: 'a secret\nof two lines', SHELL: '/bin/sh' };
    const { stdout } = await cli.run(['run', '--cwd', '/usr', '--task', script], { env });
    expect(stdout.toString()).toBe('/usr|a secret\nof two lines|/bin/sh');
    // Nobody is told of it afterwards.
    expect(JSON.stringify(await cli.json(['ps', '--all']))).not.toContain('a secret');
  });

  it.each([
    ['a command that is not there', ['run', '--', 'no-such-command-here'], 127],
    ['a signal', ['run', '--', 'sh', '-c', 'kill -9 $$'], 137],
    ['the time-out', ['run', '--timeout', '300ms', '--', 'sleep', '60'], 124],
    ['a directory that is not there', ['run', '--cwd', '/nowhere/at/all', '--', 'true'], 2],
    ['an empty task', ['run', '--task', ' '], 2],
  ])('exits with %s', async (_what, args, expected) => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    expect((await cli.run(args)).code).toBe(expected);
  });

  it('passes piped input on byte by byte', async () => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const input = 'é€😀 first\nsecond\n';
    const { code, stdout } = await cli.run(
      ['run', '--stdin', '--', 'sh', '-c', 'stty -echo; echo ready; cat; echo done'],
      { input },
    );
    expect(code).toBe(0);
    expect(
      stdout
        .toString()
        .replace('ready\n', '')
        .replaceAll(/é€😀 first\nsecond\n/g, 'x'),
    ).toMatch(/^x+done\n$/);
  });

  it('answers with JSON: every event, then the result', async () => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const { code, stdout } = await cli.run(['run', '--json', '--step', 'echo one', '--step', 'exit 9']);
    expect(code).toBe(9);
    const lines = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ type: 'response.created' });
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      status: 'failed',
      exitCode: 9,
      result: { outcome: 'failed', steps: [{ execution_result: { output_tail: 'one\n' } }, {}] },
    });
    const runId = String(lines.at(-1)?.['runId']);
    const stored = (await cli.run(['events', '--json', '--run', runId])).stdout.toString();
    const printed = lines.slice(0, -1).map((line) => `${JSON.stringify(line)}\n`);
    expect(printed.join('')).toBe(stored);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends the task on %s, and exits with 130',
    async (name) => {
      await using cli = new CliFixture(dist);
      await cli.serve();
      const running = cli.start([
        'run',
        '--',
        'sh',
        '-c',
        "trap '' INT TERM HUP; echo started; sleep 60; sleep 60",
      ]);
      await running.shows('started');
      running.child.kill(name);
      const { code, stderr } = await running.result;
      expect({ code, stderr }).toEqual({ code: 130, stderr: 'orchestrator: cancelled.\n' });
      expect(await listed(cli, 'runs')).toMatchObject([{ status: 'cancelled' }]);
    },
  );

  it('ends the task when nobody reads its output any more', async () => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const running = cli.start(['run', '--', 'yes']);
    await running.shows('y\n');
    running.child.stdout?.destroy();
    expect((await running.result).code).toBe(141);
    expect(await listed(cli, 'runs')).toMatchObject([{ status: 'cancelled' }]);
  });

  it('says where the task goes on when the core is killed under it', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 2; echo ended']);
    await running.shows('begun');
    serving.child.kill('SIGKILL');
    const { code, stderr } = await running.result;
    expect(code).toBe(1);
    const id = /orchestrator logs -f (\S+)$/m.exec(stderr)?.[1] ?? '';
    // What the killed core has left of itself leads nobody astray.
    expect((await cli.run(['logs', '-f', id])).stdout.toString()).toBe('begun\nended\n');
    expect((await cli.run(['run', '--', 'echo', 'works'])).stdout.toString()).toBe('works\n');
  });

  it('waits for a core that is just being started', async () => {
    await using cli = new CliFixture(dist);
    cli.start(['serve']);
    await waitUntil('the directory is taken', () =>
      statSync(join(cli.stateDir, 'core.lock'), { throwIfNoEntry: false }),
    );
    const { code, stdout } = await cli.run(['run', '--', 'echo', 'hi']);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'hi\n' });
  });
});

it.each([
  ['20 KB', 2_560],
  ['5 MB', 655_360],
])(
  'runs eight at a time with %s of output each, and loses no byte',
  async (_size, count) => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const one = async (lane: number): Promise<void> => {
      const first = lane * 1_000_000;
      const { code, stdout, stderr } = await cli.run([
        'run',
        '--',
        'seq',
        `${first}`,
        `${first + count - 1}`,
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout.length).toBe(count * 8);
      expect(hashOf(stdout)).toBe(hashOf(linesFrom(first, count)));
    };
    await Promise.all(Array.from({ length: 8 }, (_, lane) => one(lane + 1)));
  },
  120_000,
);

describe('the other commands', () => {
  /** A run with a terminal that goes on until `end` is written to the file `go`. */
  async function startRun(cli: CliFixture): Promise<RunningCli> {
    const script = 'echo begun; while [ ! -e go ]; do sleep 0.05; done; seq 2000; exit 4';
    const running = cli.start(['run', '--name', 'work', '--', 'sh', '-c', script]);
    await running.shows('begun');
    return running;
  }

  it('list, print, follow and end what the core has', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    const running = await startRun(cli);
    const [run] = await listed(cli, 'runs');
    const [terminal] = await listed(cli, 'terminals');
    expect(run).toMatchObject({ status: 'running', isLive: true });
    expect(terminal).toMatchObject({ state: 'running', isLive: true });
    const ps = await cli.run(['ps', '--verbose']);
    expect(ps.stderr).toContain(`The core of pid ${serving.pid} answers`);
    expect(ps.stdout.toString()).toMatch(/^run +[\w-]+ +running 0\/1 .* work +sh -c/m);

    const ofRun = cli.start(['logs', '-f', run?.id ?? '']);
    const ofTerminal = cli.start(['logs', '-f', '--bytes', terminal?.id ?? '']);
    await ofRun.shows('begun');
    expect((await cli.run(['logs', '--screen', terminal?.id ?? ''])).stdout.toString()).toContain('begun');
    writeFileSync(join(cli.root, 'go'), '');
    expect((await running.result).code).toBe(4);
    const expected = `begun\n${linesFrom(1, 2_000)}`;
    expect((await ofRun.result).stdout.toString()).toBe(expected);
    expect((await ofTerminal.result).stdout.toString()).toContain(expected.replaceAll('\n', '\r\n'));
    expect((await cli.run(['logs', run?.id.slice(0, 20) ?? ''])).stdout.toString()).toBe(expected);
    expect((await cli.run(['logs', '--search', '/^199.$/', run?.id ?? ''])).stdout.toString()).toContain(
      '1991: 1990\n',
    );
    expect((await cli.run(['kill', run?.id ?? ''])).code).toBe(5);
  });

  it('end a run and a terminal, and try every id', async () => {
    await using cli = new CliFixture(dist);
    await cli.serve();
    const [first, second] = await Promise.all([startRun(cli), startRun(cli)]);
    const runs = await listed(cli, 'runs');
    const aborted = await cli.run(['kill', 'ffffffff', runs[0]?.id ?? '']);
    expect(aborted.code).toBe(4);
    expect(aborted.stdout.toString()).toBe(`run ${runs[0]?.id} aborted\n`);
    const killed = await cli.run(['kill', runs[1]?.terminalIds?.[0] ?? '']);
    expect(killed.code).toBe(0);
    expect(
      [(await first.result).code, (await second.result).code].filter((code) => code === 130),
    ).toHaveLength(1);
  });

  it('print the same events as without a core, and follow them over its restart', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    await cli.run(['run', '--', 'true']);
    const following = cli.start(['events', '-f', '--json']);
    await following.shows('"response.completed"');
    const served = eventsOf(await cli.run(['events', '--json']));
    serving.child.kill('SIGKILL');
    await serving.result;
    await cli.run(['run', '--', 'false']);
    await following.shows(/response\.completed"[^]*response\.completed"/);
    following.child.kill('SIGINT');
    const result = await following.result;
    expect(result.code).toBe(0);
    const followed = eventsOf(result);
    const stored = eventsOf(await cli.run(['events', '--json']));
    expect(served).toEqual(stored.slice(0, served.length));
    expect(followed).toEqual(stored.slice(0, followed.length));
    expect(followed.length).toBeGreaterThan(served.length);
  });

  it('list the same things as without a core', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    await cli.run(['run', '--name', 'nightly', '--timeout', '1m', '--', 'sh', '-c', 'exit 3']);
    await cli.run(['run', '--step', 'echo a', '--step', 'echo b', '--step', 'kill -9 $$']);
    const served = await cli.json(['ps', '--all']);
    serving.child.kill('SIGTERM');
    await serving.result;
    expect(await cli.json(['ps', '--all'])).toEqual(served);
  });
});

describe('the file that tells where the core is', () => {
  it('is the user’s own, names the process, and goes with it', async () => {
    await using cli = new CliFixture(dist);
    const serving = await cli.serve();
    const path = join(cli.stateDir, 'core.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      pid: serving.pid,
      kind: 'serve',
      processStart: expect.any(String),
      grpc: { state: 'open', socket: join(cli.stateDir, 'grpc.sock') },
    });
    serving.child.kill('SIGTERM');
    await serving.result;
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('is not believed when its process is another one now', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--', 'true']);
    const holder = {
      pid: process.pid,
      label: 'orchestrator serve',
      kind: 'serve',
      startedAt: Date.now(),
      processStart: 'another',
      grpc: { state: 'open', socket: join(cli.root, 'nobody.sock') },
    };
    writeFileSync(join(cli.stateDir, 'core.json'), JSON.stringify(holder));
    expect((await cli.run(['ps', '--all'])).code).toBe(0);
    expect((await cli.run(['run', '--', 'echo', 'hi'])).stdout.toString()).toBe('hi\n');
  });
});
