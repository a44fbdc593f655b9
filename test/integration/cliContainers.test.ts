// `orchestrator containers` as a person uses it: alone, and through a core that serves the state directory.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestEngine } from '../harness/dockerEngine.ts';
import { testImage } from '../harness/testImage.ts';
import { buildProduct, CliFixture, type CliOptions, type CliResult } from './cliHarness.ts';

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

describe.each(['alone', 'through a core that serves'])('%s', (how) => {
  let cli: CliFixture;
  /** Whether the engine is to be found is the core's business. */
  const env = (): CliOptions => ({ env: { DOCKER_HOST: engine.address } });
  const run = async (...args: string[]): Promise<CliResult> =>
    cli.run(['containers', ...args], how === 'alone' ? env() : {});
  const text = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await run(...args);
    expect(stderr).toBe('');
    return stdout.toString();
  };
  const begin = async (): Promise<CliFixture> => {
    cli = new CliFixture(dist);
    if (how !== 'alone') await cli.start(['serve'], env()).shows('gRPC: unix:');
    return cli;
  };

  it('a container is run, prints, and its exit code is ours', async () => {
    await using _ = await begin();
    const { code, stdout, stderr } = await run(
      'run',
      testImage,
      'sh',
      '-c',
      'echo out; echo err >&2; exit 3',
    );
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await text('ls')).toMatch(/exited \(3\)/);
    const [id] = (await text('ls')).match(/^[0-9a-f]{12}/m) ?? [];
    expect(await text('rm', id ?? '')).toBe(`${id} removed\n`);
  });

  it('one goes on behind the command, and is looked at, driven and removed', async () => {
    await using _ = await begin();
    const script = 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done';
    const id = (await text('--detach', '--name', 'work', 'run', testImage, 'sh', '-c', script)).trim();
    expect(await text('ls')).toMatch(/running .* work/);
    const ran = await run('exec', 'work', 'sh', '-c', 'echo hi; exit 5');
    expect({ code: ran.code, stdout: ran.stdout.toString() }).toEqual({ code: 5, stdout: 'hi\n' });
    const piped = cli.start(['containers', '-i', 'exec', 'work', 'cat'], {
      ...(how === 'alone' ? env() : {}),
      input: 'through\n',
    });
    expect((await piped.result).stdout.toString()).toBe('through\n');
    expect(JSON.parse(await text('inspect', 'work'))).toMatchObject({ Id: id });
    expect(await text('stats')).toContain(id.slice(0, 12));
    expect(await text('pause', 'work')).toContain('paused');
    expect(await text('unpause', 'work')).toContain('running');
    expect((await run('rm', 'work')).code).toBe(5);
    expect(await text('stop', 'work')).toContain('stopped');
    expect(await text('logs', 'work')).toBe('up\nbye\n');
    expect(await text('start', 'work')).toContain('running');
    expect(await text('--force', 'rm', 'work')).toContain('removed');
    expect((await run('logs', 'work')).code).toBe(4);
  });

  it('images, networks and volumes are told', async () => {
    await using _ = await begin();
    expect(await text('images')).toContain(testImage);
    expect(await text('--internal', 'networks', 'create', 'inner')).toBe('inner created\n');
    expect(await text('networks')).toContain('inner');
    expect(await text('networks', 'rm', 'inner')).toBe('inner removed\n');
    expect(await text('volumes', 'create', 'data')).toBe('data created\n');
    expect(await text('volumes', 'rm', 'data')).toBe('data removed\n');
    const wrong = await run('networks', 'create', 'open');
    expect(wrong.stderr).toContain('allows no network');
  });
});

describe('without an engine', () => {
  let cli: CliFixture;
  beforeEach(() => {
    cli = new CliFixture(dist);
  });

  it('what is known is told, and what needs one says so', async () => {
    await using _ = cli;
    const none = { env: { DOCKER_HOST: `unix://${cli.root}/none.sock` } };
    const listed = await cli.run(['containers', 'ls'], none);
    expect(listed.code).toBe(0);
    expect(listed.stderr).toContain('No container engine answers');
    const refused = await cli.run(['containers', 'run', testImage, 'true'], none);
    expect(refused.stderr).toContain('No container engine answers');
    expect(refused.code).toBe(5);
  });
});
