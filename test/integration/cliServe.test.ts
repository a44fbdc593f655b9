// `orchestrator serve` and the commands that look on beside it: ps, logs, events, kill, doctor.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, waitUntil } from '../harness/processes.ts';
import { buildProduct, CliFixture, type RunningCli } from './cliHarness.ts';

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
  readonly pid?: number;
  readonly terminalIds?: readonly string[];
}
async function listed(
  cli: CliFixture,
  kind: 'runs' | 'terminals' | 'sessions',
  all = true,
): Promise<Listed[]> {
  const found = await cli.json(['ps', ...(all ? ['--all'] : [])]);
  return found[kind] as Listed[];
}

/** A run that goes on after the `orchestrator run` that started it was killed. */
async function startRun(cli: CliFixture, script: string): Promise<RunningCli> {
  const running = cli.start(['run', '--', 'sh', '-c', script]);
  await running.shows('begun');
  running.child.kill('SIGKILL');
  await running.result;
  return running;
}

describe('serve', () => {
  it('says in one line of JSON that it is ready, and ends cleanly when asked', async () => {
    await using cli = new CliFixture(dist);
    const serving = cli.start(['serve', '--json']);
    await serving.shows('\n');
    expect(JSON.parse(serving.stdout.toString())).toEqual({
      ready: true,
      pid: serving.pid,
      stateDir: cli.stateDir,
      grpc: { socket: join(cli.stateDir, 'grpc.sock') },
      http: {
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
        tokenFile: join(cli.stateDir, 'http-token'),
      },
    });
    serving.child.kill('SIGTERM');
    expect(await serving.result).toMatchObject({ code: 0, stderr: 'orchestrator: stopped.\n' });
    expect(cli.leftovers()).toEqual([]);
  });

  it('answers no HTTP where it is told so', async () => {
    await using cli = new CliFixture(dist);
    const serving = cli.start(['serve', '--json', '--no-http']);
    await serving.shows('\n');
    expect(JSON.parse(serving.stdout.toString())).not.toHaveProperty('http');
  });

  it('takes tokens that are made, and no longer when they are revoked or replaced', async () => {
    await using cli = new CliFixture(dist);
    const { stdout } = await cli.run(['token', 'create', '--name', 'ci', '--expires', '30d']);
    const ci = stdout.toString().trim();
    expect(ci).toMatch(/^[\w-]{43}$/);
    const serving = cli.start(['serve', '--json', '--http', '0']);
    await serving.shows('\n');
    const { http } = JSON.parse(serving.stdout.toString()) as { http: { url: string; tokenFile: string } };
    const main = readFileSync(http.tokenFile, 'utf8').trim();
    const ask = async (token: string, method = 'GET'): Promise<number> => {
      const headers = { 'x-api-key': token };
      return (await fetch(`${http.url}/task/none/x`, { method, headers })).status;
    };
    expect([await ask(ci), await ask(ci, 'POST'), await ask(main, 'POST')]).toEqual([422, 403, 422]);
    const listed = await cli.run(['token', 'list']);
    expect(listed.stdout.toString()).toMatch(/ci +read +\d{4}-/);
    expect(listed.stdout.toString()).not.toContain(ci);
    expect((await cli.run(['token', 'create', '--name', 'ci'])).code).toBe(2);
    await cli.run(['token', 'revoke', 'ci']);
    expect([await ask(ci), await ask(main)]).toEqual([401, 422]);
    await cli.run(['token', 'rotate']);
    expect(await ask(main)).toBe(401);
    expect(await ask(readFileSync(http.tokenFile, 'utf8').trim())).toBe(422);
    const events = await waitUntil('it is written down who was refused', async () => {
      const { stdout: log } = await cli.run(['events', '--json']);
      return log.toString().includes('access.denied') ? log.toString() : undefined;
    });
    expect(events).toContain('api_key_invalid');
    expect(events).not.toContain(ci);
  });

  it('answers HTTP where it is asked to, with the token of the file that it names', async () => {
    await using cli = new CliFixture(dist);
    const serving = cli.start(['serve', '--json', '--http', '0']);
    await serving.shows('\n');
    const { http } = JSON.parse(serving.stdout.toString()) as { http: { url: string; tokenFile: string } };
    const token = readFileSync(http.tokenFile, 'utf8').trim();
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${http.url}/health`)).status).toBe(200);
    expect((await fetch(`${http.url}/task/none/x`)).status).toBe(401);
    expect((await fetch(`${http.url}/task/none/x`, { headers })).status).toBe(422);
    serving.child.kill('SIGTERM');
    expect(await serving.result).toMatchObject({ code: 0 });
    await expect(fetch(`${http.url}/health`)).rejects.toThrow();
  });

  it('says what is wrong with an address for HTTP', async () => {
    await using cli = new CliFixture(dist);
    for (const [args, words] of [
      [['--http', 'nowhere'], '--http is HOST:PORT, not "nowhere".'],
      [['--http', '0.0.0.0:0'], 'needs TLS'],
      [['--no-http', '--http-tls-cert', 'x'], 'mean nothing with --no-http'],
      [['--http', '0', '--http-jwt-secret', '/dev/null'], 'it needs 32 or more'],
      [['--http', '0', '--http-jwt-issuer', 'x'], 'need --http-jwt-secret'],
    ] as const) {
      const { code, stderr } = await cli.run(['serve', ...args]);
      expect(code).toBe(2);
      expect(stderr).toContain(words);
    }
  });

  it('loses nothing of a run when it is killed and started again, and again', async () => {
    await using cli = new CliFixture(dist);
    const lines = Array.from({ length: 4_000 }, (_, i) => `line ${i}`);
    await startRun(
      cli,
      'echo begun; i=0; while [ $i -lt 4000 ]; do echo "line $i"; i=$((i+1)); [ $((i % 40)) = 0 ] && sleep 0.02; done',
    );
    for (let round = 0; round < 3; round++) {
      const serving = cli.start(['serve']);
      await serving.shows('Ready');
      expect(serving.stdout.toString()).toContain('1 run and 1 terminal taken up');
      serving.child.kill('SIGKILL');
      await serving.result;
    }
    const serving = cli.start(['serve']);
    await serving.shows('Ready');
    const [run] = await waitUntil('the run ends', async () => {
      const runs = await listed(cli, 'runs');
      return runs[0]?.status === 'succeeded' ? runs : undefined;
    });
    const { stdout } = await cli.run(['logs', run?.id ?? '']);
    expect(stdout.toString()).toBe(`${['begun', ...lines].join('\n')}\n`);
    const { stdout: events } = await cli.run(['events', '--json', '--run', run?.id ?? '']);
    const sequences = events
      .toString()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(new Set(sequences).size).toBe(sequences.length);
    serving.child.kill('SIGTERM');
    expect((await serving.result).code).toBe(0);
  });

  it('leaves what runs to the next one, and says so', async () => {
    await using cli = new CliFixture(dist);
    await startRun(cli, 'echo begun; sleep 60');
    const serving = cli.start(['serve']);
    await serving.shows('Ready');
    serving.child.kill('SIGINT');
    const { code, stderr } = await serving.result;
    expect(code).toBe(0);
    expect(stderr).toContain('1 run and 1 terminal still going on. The next serve takes them up again.');
    expect(await listed(cli, 'runs')).toMatchObject([{ status: 'running', isLive: true }]);
  });

  it('ends what runs where it is told to', async () => {
    await using cli = new CliFixture(dist);
    await startRun(cli, 'echo begun; sleep 60');
    const serving = cli.start(['serve', '--stop-children']);
    await serving.shows('Ready');
    serving.child.kill('SIGTERM');
    expect(await serving.result).toMatchObject({ code: 0, stderr: 'orchestrator: stopped.\n' });
    expect(cli.leftovers()).toEqual([]);
    expect(await listed(cli, 'runs')).toMatchObject([{ status: 'cancelled' }]);
  });

  it('tells where it has put a broken database', async () => {
    await using cli = new CliFixture(dist);
    mkdirSync(cli.stateDir, { mode: 0o700 });
    writeFileSync(join(cli.stateDir, 'orchestrator.db'), 'no database '.repeat(1_000));
    const serving = cli.start(['serve', '--json']);
    await serving.shows('\n');
    expect(JSON.parse(serving.stdout.toString())).toMatchObject({
      recoveredFrom: expect.stringContaining('.corrupt-'),
    });
    expect(serving.stderr).toContain('the database was broken');
  });
});

describe('looking on', () => {
  it('lists what there is, and says what to do where there is nothing', async () => {
    await using cli = new CliFixture(dist);
    const empty = await cli.run(['ps']);
    expect(empty).toMatchObject({ code: 0 });
    expect(empty.stdout.toString()).toContain('orchestrator run -- COMMAND');
    await cli.run(['run', '--name', 'tests', '--', 'sh', '-c', 'exit 3']);
    expect((await cli.run(['ps'])).stdout.toString()).toMatch(
      /^KIND +ID +STATE.*\nsession +\w+ +active .* tests +/,
    );
    const all = (await cli.run(['ps', '--all'])).stdout.toString();
    expect(all).toMatch(/^run +[\w-]+ +failed \(3\) .* tests +sh -c 'exit 3'$/m);
    expect(all).toMatch(/^terminal +[\w-]+ +exited /m);
  });

  it('shows what runs beside the core that serves it', async () => {
    await using cli = new CliFixture(dist);
    await startRun(cli, 'echo begun; sleep 60');
    const serving = cli.start(['serve']);
    await serving.shows('Ready');
    const [terminal] = await listed(cli, 'terminals', false);
    expect(terminal).toMatchObject({ state: 'running', isLive: true });
    expect(isAlive(terminal?.pid ?? 0)).toBe(true);
    expect((await cli.run(['ps'])).stdout.toString()).toMatch(/^run +[\w-]+ +running 0\/1 /m);
  });

  it('prints outputs by id or its beginning: all, a step, the last lines, the bytes', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--step', 'printf "\\033[31mred\\033[0m\\n"', '--step', 'seq 5']);
    const [run] = await listed(cli, 'runs');
    const id = run?.id ?? '';
    const terminal = run?.terminalIds?.[0] ?? '';
    const logs = async (...args: string[]): Promise<string> =>
      (await cli.run(['logs', ...args])).stdout.toString();
    expect(await logs(id)).toBe('red\n1\n2\n3\n4\n5\n');
    expect(await logs(id.slice(0, 12))).toBe('red\n1\n2\n3\n4\n5\n');
    expect(await logs(id, '--step', '1')).toBe('red\n');
    expect(await logs(id, '--step', '1', '--bytes')).toBe('\x1b[31mred\x1b[0m\r\n');
    expect(await logs(id, '-n', '2')).toBe('4\n5\n');
    expect(await logs(id, '--search', 'ed')).toBe('1: red\n');
    expect(await logs(id, '--search', '/^[34]$/')).toBe('4: 3\n5: 4\n');
    expect((await cli.run(['logs', id, '--search', '/(/'])).code).toBe(2);
    expect((await cli.run(['logs', id, '--screen'])).code).toBe(2);
    expect(await logs(terminal)).toBe(`$ printf "\\033[31mred\\033[0m\\n"\nred\n\n$ seq 5\n1\n2\n3\n4\n5\n`);
    expect((await cli.run(['logs', id, '--step', '3'])).code).toBe(2);
    expect((await cli.run(['logs', terminal, '--step', '1'])).code).toBe(2);
    expect((await cli.run(['logs', '--bytes', '-n', '1', id])).code).toBe(2);
  });

  it('follows a run and a terminal to their end', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 1; seq 3000; echo end']);
    await running.shows('begun');
    const [run] = await listed(cli, 'runs');
    const ofRun = cli.start(['logs', '-f', run?.id ?? '']);
    const ofTerminal = cli.start(['logs', '-f', '--bytes', run?.terminalIds?.[0] ?? '']);
    const expected = `begun\n${Array.from({ length: 3_000 }, (_, i) => `${i + 1}\n`).join('')}end\n`;
    expect((await running.result).stdout.toString()).toBe(expected);
    expect((await ofRun.result).stdout.toString()).toBe(expected);
    const bytes = (await ofTerminal.result).stdout.toString();
    expect(bytes).toContain(expected.replaceAll('\n', '\r\n'));
  });

  it('follows a run that no core serves', async () => {
    await using cli = new CliFixture(dist);
    const script = 'echo begun; while [ ! -e go ]; do sleep 0.05; done; seq 2000';
    await startRun(cli, script);
    const [run] = await listed(cli, 'runs');
    const following = cli.start(['logs', '-f', run?.id ?? '']);
    await following.shows('begun');
    writeFileSync(join(cli.root, 'go'), '');
    const { code, stdout } = await following.result;
    expect(code).toBe(0);
    expect(stdout.toString()).toBe(
      `begun\n${Array.from({ length: 2_000 }, (_, i) => `${i + 1}\n`).join('')}`,
    );
    expect(await listed(cli, 'runs')).toMatchObject([{ status: 'running', isLive: false }]);
  });

  it('prints the events, after a number, of one run, and those to come', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--', 'true']);
    await cli.run(['run', '--', 'false']);
    const events = async (
      ...args: string[]
    ): Promise<{ sequence: number; type: string; runId?: string }[]> => {
      const text = (await cli.run(['events', '--json', ...args])).stdout.toString();
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { sequence: number; type: string });
    };
    const all = await events();
    expect(all.map(({ sequence }) => sequence)).toEqual(all.map((_, index) => index + 1));
    expect(await events('--after', '3')).toEqual(all.slice(3));
    const runId = all.findLast((event) => event.runId !== undefined)?.runId;
    expect(await events('--run', runId ?? '')).toEqual(all.filter((event) => event.runId === runId));
    expect((await cli.run(['events'])).stdout.toString()).toMatch(
      /^ +1 {2}\S+Z {2}session\.created {2}\w+ {2}\{/,
    );
    const following = cli.start(['events', '-f', '--json', '--after', String(all.length)]);
    await cli.run(['run', '--', 'true']);
    await following.shows('"response.completed"');
    following.child.kill('SIGINT');
    expect((await following.result).code).toBe(0);
  });

  it('says that there is no such id', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--', 'true']);
    for (const args of [
      ['logs', 'ffff'],
      ['kill', 'ffff'],
      ['events', '--run', 'ffff'],
      ['events', '--session', 'none'],
    ]) {
      const result = await cli.run(args);
      expect(result.code).toBe(4);
      expect(result.stderr).toContain('orchestrator ps --all');
    }
    // Both ids of this directory begin with one of sixteen characters, so some single one is ambiguous or unknown.
    const ids = [...(await listed(cli, 'runs')), ...(await listed(cli, 'terminals'))].map(({ id }) => id);
    expect(ids).toHaveLength(2);
  });

  it('is not disturbed by a reader that goes away', async () => {
    await using cli = new CliFixture(dist);
    await cli.run(['run', '--', 'seq', '100000']);
    const [run] = await listed(cli, 'runs');
    const reading = cli.start(['logs', run?.id ?? '']);
    await reading.shows('1\n');
    reading.child.stdout?.destroy();
    expect(await reading.result).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('kill', () => {
  it('aborts a run without any core, and the next core knows', async () => {
    await using cli = new CliFixture(dist);
    await startRun(cli, "trap '' INT TERM HUP; echo begun; sleep 60; sleep 60");
    const [run] = await listed(cli, 'runs');
    const before = performance.now();
    const { code, stdout } = await cli.run(['kill', run?.id ?? '']);
    expect(performance.now() - before).toBeLessThan(3_000);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: `run ${run?.id} aborted\n` });
    const again = await cli.run(['kill', run?.id ?? '']);
    expect(again).toMatchObject({ code: 5, stderr: expect.stringContaining('is not going on any more') });
    expect((await cli.run(['ps'])).stdout.toString()).toMatch(/^run +[\w-]+ +lost /m);
    await cli.run(['run', '--', 'true']);
    expect((await listed(cli, 'runs'))[0]).toMatchObject({ status: 'cancelled' });
    expect(cli.leftovers()).toEqual([]);
  });

  it('ends a terminal beside the core that serves it, and tries every id', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 60']);
    await running.shows('begun');
    const [terminal] = await listed(cli, 'terminals');
    const { code, stdout, stderr } = await cli.run(['kill', 'ffffffff', terminal?.id ?? '']);
    expect({ code, stdout: stdout.toString() }).toEqual({
      code: 4,
      stdout: `terminal ${terminal?.id} ended\n`,
    });
    expect(stderr).toContain('There is no terminal and no run ffffffff');
    expect((await running.result).code).toBeGreaterThan(128);
  });
});

describe('doctor', () => {
  interface Report {
    readonly ok: boolean;
    readonly checks: readonly { readonly name: string; readonly status: string; readonly message: string }[];
  }
  const examine = async (
    cli: CliFixture,
  ): Promise<{ report: Report; of: (name: string) => Report['checks'][number] }> => {
    const report = (await cli.json(['doctor'])) as unknown as Report;
    return { report, of: (name) => report.checks.find((check) => check.name === name)! };
  };

  it('finds nothing wrong where nothing is, and makes nothing', async () => {
    await using cli = new CliFixture(dist);
    const { report } = await examine(cli);
    // A machine without a container engine is none the worse for it.
    const amiss = report.checks.filter(({ status }) => status !== 'ok');
    expect(amiss.filter(({ name }) => name !== 'containers')).toEqual([]);
    expect(report.ok).toBe(true);
    const { code, stdout } = await cli.run(['doctor']);
    expect(code).toBe(0);
    expect(stdout.toString()).toContain('node-pty loads, and a program runs in a terminal');
    expect(() => mkdirSync(cli.stateDir)).not.toThrow();
  });

  it('tells who serves the directory and what runs', async () => {
    await using cli = new CliFixture(dist);
    const running = cli.start(['run', '--', 'sh', '-c', 'echo begun; sleep 60']);
    await running.shows('begun');
    const { of, report } = await examine(cli);
    expect(report.ok).toBe(true);
    expect(of('core').message).toBe(`served by orchestrator run (pid ${running.pid})`);
    expect(of('process host').message).toContain('1 of 1 terminals and 1 of 1 workers live');
    expect(of('store').message).toContain('sound');
  });

  it('finds a broken database, a readable directory and what a dead process host has left', async () => {
    await using cli = new CliFixture(dist);
    await startRun(cli, 'echo begun; setsid sleep 60 & sleep 60');
    process.kill(cli.hostPid() ?? 0, 'SIGKILL');
    await waitUntil('the host is gone', () => cli.hostPid() === undefined);
    const { of, report } = await examine(cli);
    expect(of('leftovers')).toMatchObject({ status: expect.stringMatching(/problem|warning/) });
    expect(report.checks.find(({ name }) => name === 'process host')?.message).toContain('not running');
    writeFileSync(join(cli.stateDir, 'orchestrator.db'), 'no database '.repeat(1_000));
    // A good database stands in its log, where the last core did not come to close it.
    for (const end of ['-wal', '-shm']) rmSync(join(cli.stateDir, `orchestrator.db${end}`), { force: true });
    const broken = await cli.run(['doctor']);
    expect(broken.code).toBe(1);
    expect(broken.stdout.toString()).toMatch(/^PROBLEM {2}store: /m);
    // What was left is ended by the next start.
    await cli.run(['run', '--', 'true']);
    await waitUntil('nothing is left', () => cli.leftovers().length === 0, { limitMs: 5_000 });
  });
});
