// Bad input at the doors of the API and of the process host: a clear error, nothing changed, nobody else disturbed.
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessHost, SpawnTerminalOptions } from '../../src/core/ports/processHost.ts';
import type { SpawnOptions } from '../../src/core/terminals/spawnOptions.ts';
import type { TerminalSessions } from '../../src/core/terminals/terminalSessions.ts';
import { buildHost, collect, HostFixture, sh, until } from './processHostHarness.ts';
import { type RealCore, startRealCore } from './realCore.ts';

let distDir: string;
let fixture: HostFixture;
let real: RealCore;
let api: TerminalSessions;
/** Runs through every test, and must be there at its end. */
let bystander: string;
let hostPid: number | undefined;

beforeAll(async () => {
  distDir = await buildHost();
});
afterAll(() => rmSync(distDir, { recursive: true, force: true }));
beforeEach(async () => {
  fixture = new HostFixture(distDir);
  real = await startRealCore(fixture);
  api = real.core.terminalSessions;
  bystander = await spawn('cat');
  hostPid = fixture.hostPid();
});
afterEach(async () => {
  expect(fixture.hostPid()).toBe(hostPid);
  const answered = api.waitForPattern(bystander, 'still here');
  await api.writeToTerminal(bystander, 'still here\n');
  await answered;
  await real[Symbol.asyncDispose]();
  await fixture.dispose();
});

async function spawn(script: string): Promise<string> {
  const { id } = await real.core.terminals.spawn({ shell: 'sh', args: ['-c', script] });
  return id;
}

/** The door as code without our types meets it. */
type Untyped = Readonly<Record<keyof TerminalSessions, (...args: unknown[]) => unknown>>;
type Name = keyof TerminalSessions;
const split = ([name, ...rest]: readonly [Name, ...unknown[]]) => [name, rest] as const;
const untyped = (): Untyped => api as unknown as Untyped;

/** What was thrown or rejected. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('it was taken');
}

const invalid = { code: 'INVALID_ARGUMENT', reason: 'invalid_request' };

describe('an id that no terminal has', () => {
  const ids: readonly unknown[] = [
    randomUUID(),
    'unknown',
    '',
    '../../etc/passwd',
    'a/b',
    '..',
    'a\0b',
    'x'.repeat(100_000),
    '__proto__',
    'constructor',
    '\u001b[31m',
    undefined,
    null,
    7,
    {},
  ];
  const operations: readonly (readonly [Name, ...unknown[]])[] = [
    ['getTerminalSessionInfo'],
    ['executeTerminalCommand', 'ls'],
    ['writeToTerminal', 'x'],
    ['resizeTerminal', 80, 24],
    ['killTerminal'],
    ['listenToTerminalOutput', () => undefined],
    ['waitForCompletion'],
    ['readOutput'],
    ['readLastLines', 5],
    ['readScreen'],
    ['searchOutput', 'x'],
    ['waitForPattern', 'x'],
    ['getTerminalMetrics'],
  ];
  it.each(operations.map(split))('is told by %s in the words of the seed', async (name, rest) => {
    for (const id of ids) {
      const error = await failureOf(() => untyped()[name](id, ...rest));
      expect(error).toMatchObject({ code: 'NOT_FOUND', reason: 'terminal_not_found' });
      expect((error as Error).message).toMatch(/^Session not found: /);
    }
  });
});

describe('starting a terminal', () => {
  const sizes: readonly unknown[] = [0, -1, 1_001, 65_536, 1e9, 1.5, NaN, Infinity, '80', null, {}];
  it.each(sizes.map((size) => [size]))('refuses the size %s', async (size) => {
    expect(await failureOf(() => untyped().spawnTerminal(size, 24))).toMatchObject(invalid);
    expect(await failureOf(() => untyped().spawnTerminal(80, size))).toMatchObject(invalid);
    expect(await failureOf(() => untyped().resizeTerminal(bystander, size, 24))).toMatchObject(invalid);
  });

  const options: readonly [what: string, options: unknown, reason: string, text: RegExp][] = [
    ['no such shell', { shell: 'no-such-shell' }, 'shell_missing', /^Failed to spawn shell: .*no-such-shell/],
    ['an empty shell', { shell: '' }, 'shell_missing', /^Failed to spawn shell: /],
    ['a shell with NUL', { shell: 'sh\0x' }, 'shell_missing', /^Failed to spawn shell: /],
    ['a shell that is a folder', { shell: '/etc' }, 'shell_missing', /^Failed to spawn shell: /],
    ['a shell that is no program', { shell: '/etc/passwd' }, 'shell_missing', /^Failed to spawn shell: /],
    ['a shell that is a number', { shell: 7 }, 'invalid_request', /shell/i],
    ['no such folder', { cwd: '/nowhere' }, 'directory_missing', /\/nowhere/],
    ['an empty folder', { cwd: '' }, 'directory_missing', /./],
    ['a relative folder', { cwd: 'tmp' }, 'directory_missing', /tmp/],
    ['a folder with NUL', { cwd: '/tmp\0' }, 'directory_missing', /./],
    ['a folder that is a file', { cwd: '/etc/passwd' }, 'directory_missing', /passwd/],
    ['a folder that is a number', { cwd: 7 }, 'invalid_request', /directory/i],
    ['an argument with NUL', { shell: 'sh', args: ['a\0b'] }, 'invalid_request', /NUL/],
    ['arguments that are no list', { shell: 'sh', args: 'ls' }, 'invalid_request', /arg/],
    ['an argument that is a number', { shell: 'sh', args: [7] }, 'invalid_request', /arg/],
    ['a variable without name', { env: { '': 'x' } }, 'invalid_request', /env/i],
    ['a variable with =', { env: { 'A=B': 'x' } }, 'invalid_request', /env/i],
    ['a variable with NUL', { env: { 'A\0B': 'x' } }, 'invalid_request', /env/i],
    ['a value with NUL', { env: { A: 'x\0y' } }, 'invalid_request', /env/i],
    ['a value that is a number', { env: { A: 7 } }, 'invalid_request', /env/i],
    ['an environment that is a list', { env: ['A=B'] }, 'invalid_request', /env/i],
    ['a value that no program takes', { env: { A: 'x'.repeat(200_000) } }, 'invalid_request', /env|long/i],
    ['an argument that no program takes', { args: ['x'.repeat(200_000)] }, 'invalid_request', /arg|long/i],
    ['a name of nothing', { name: ' ' }, 'invalid_request', /name/],
    ['a name that is a number', { name: 7 }, 'invalid_request', /name/],
    ['too little memory', { ceilings: { memoryBytes: 1_000 } }, 'invalid_request', /memory/],
    ['no processes', { ceilings: { processes: 0 } }, 'invalid_request', /processes/],
    ['a share of NaN', { ceilings: { cpuPercent: NaN } }, 'invalid_request', /processor/],
    ['ceilings that are a text', { ceilings: 'low' }, 'invalid_request', /ceilings/],
    ['options that are a text', 'sh', 'invalid_request', /options/],
    ['null for options', null, 'invalid_request', /options/],
  ];
  it.each(options)('refuses %s, and leaves nothing', async (_, wanted, reason, text) => {
    const error = await failureOf(() => api.spawnTerminal(80, 24, wanted as SpawnOptions));
    expect(error).toMatchObject({ reason, message: expect.stringMatching(text) });
    expect(real.core.terminals.list().map(({ id }) => id)).toEqual([bystander]);
    expect(readdirSync(fixture.paths.terminals)).toEqual([bystander]);
  });

  it('takes a folder and a shell with odd names', async () => {
    const cwd = join(real.home, 'a b\n"$HOME" ü');
    mkdirSync(cwd);
    const shell = join(cwd, 'my shell');
    writeFileSync(shell, '#!/bin/sh\npwd; echo "$1"', { mode: 0o700 });
    const { id } = await api.spawnTerminal(80, 24, {
      cwd,
      shell,
      args: ['$(x) ü'],
      ceilings: { processes: 20 },
    });
    const { output } = await api.waitForCompletion(id);
    expect(output).toBe(`${cwd.replace('\n', '\r\n')}\r\n$(x) ü\r\n`);
  });

  it('gives nothing of ours in a clean environment', async () => {
    const spawned = await api.spawnTerminal(80, 24, {
      shell: 'env',
      env: { MINE: 'yes', HOME: null },
      isCleanEnvironment: true,
    });
    const { output } = await api.waitForCompletion(spawned.id);
    const names = output.split('\r\n').map((line) => line.split('=')[0]);
    expect(names).toEqual(expect.arrayContaining(['PATH', 'LANG', 'SHELL', 'TERM', 'MINE']));
    expect(names).not.toContain('HOME');
    expect(output).not.toContain('SECRET');
  });
});

describe('what is asked of output', () => {
  const calls: readonly (readonly [Name, ...unknown[]])[] = [
    ...[NaN, -1, 1.5, Infinity, '5', null].flatMap((offset) => [
      ['readOutput', offset] as const,
      ['readOutput', 0, offset] as const,
      ['listenToTerminalOutput', () => undefined, { from: offset ?? -1 }] as const,
      ['waitForPattern', 'x', { from: offset ?? -1 }] as const,
    ]),
    ...[0, -1, NaN, 1e9, '3', undefined].map((count) => ['readLastLines', count] as const),
    ...['', null, 7, {}].flatMap((pattern) => [
      ['searchOutput', pattern] as const,
      ['waitForPattern', pattern] as const,
    ]),
    ...[0, -1, NaN, 1_001].map((limit) => ['searchOutput', 'x', limit] as const),
    ...[0, -1, NaN, 1e12, '3'].flatMap((timeoutMs) => [
      ['waitForPattern', 'x', { timeoutMs }] as const,
      ['waitForCompletion', { timeoutMs }] as const,
    ]),
    ['listenToTerminalOutput', 'no function'],
    ['executeTerminalCommand', undefined],
    ['writeToTerminal', 7],
  ];
  it.each(calls.map(split))('is refused: %s(id, …%o)', async (name, rest) => {
    expect(await failureOf(() => untyped()[name](bystander, ...rest))).toMatchObject(invalid);
  });

  it('is nothing beyond the end, and nothing where the end comes first', async () => {
    const id = await spawn('echo text');
    await api.waitForCompletion(id);
    expect(await api.readOutput(id, Number.MAX_SAFE_INTEGER)).toMatchObject({ text: '' });
    expect(await api.readOutput(id, 4, 2)).toMatchObject({ text: '' });
  });
});

describe('a terminal that has ended', () => {
  it('is read, not written to, not resized, and killed once', async () => {
    const id = await spawn('echo last words');
    await api.waitForCompletion(id);
    const ended = { code: 'FAILED_PRECONDITION', reason: 'terminal_ended' };
    for (const call of [() => api.writeToTerminal(id, 'x'), () => api.executeTerminalCommand(id, 'x')]) {
      expect(await failureOf(call)).toMatchObject({
        ...ended,
        message: expect.stringMatching(/^Failed to write to PTY: /),
      });
    }
    expect(await failureOf(() => api.resizeTerminal(id, 10, 10))).toMatchObject(ended);
    await api.killTerminal(id);
    expect((await api.readOutput(id)).text).toBe('last words\r\n');
    expect(await api.readScreen(id)).toContain('last words');
    expect(await api.getTerminalMetrics(id)).toBeUndefined();
    expect(await failureOf(() => api.waitForPattern(id, 'more', { from: 0 }))).toMatchObject(ended);
  });
});

describe('bytes without measure', () => {
  it('a line of 100 MB is recorded, read, searched and drawn', async () => {
    const id = await spawn("printf begin; head -c 100000000 /dev/zero | tr '\\0' x; printf end");
    await real.core.terminals.waitForExit(id);
    const end = 100_000_008;
    const tail = await api.readOutput(id, end - 10);
    expect(tail).toEqual({ from: end - 10, to: end, text: 'xxxxxxxend' });
    const all = await api.readOutput(id);
    expect(all.from).toBeGreaterThan(0);
    expect(all.to).toBe(end);
    expect(Buffer.byteLength(all.text)).toBe(all.to - all.from);
    expect((await api.readLastLines(id, 1))[0]?.endsWith('xend')).toBe(true);
    expect(await api.searchOutput(id, 'xend')).toHaveLength(1);
    expect((await api.readScreen(id)).trimEnd().endsWith('xend')).toBe(true);
  });

  it('NUL and every other byte come as they are, in and out', async () => {
    const { id } = await real.core.terminals.spawn({
      shell: 'sh',
      args: ['-c', 'stty raw -echo; echo go; head -c 256'],
    });
    await api.waitForPattern(id, 'go', { from: 0 });
    const text = String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code));
    await api.writeToTerminal(id, text);
    await api.writeToTerminal(id, text);
    await real.core.terminals.waitForExit(id);
    expect((await api.readOutput(id, 3)).text).toBe(text + text);
  });

  it('100 MB of input are refused as a whole, 12 MB are taken as a whole', async () => {
    const id = await spawn('stty raw -echo; echo go; head -c 12000000 | sha256sum; cat');
    await api.waitForPattern(id, 'go', { from: 0 });
    expect(await failureOf(() => api.writeToTerminal(id, 'x'.repeat(100_000_000)))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringMatching(/^Failed to write to PTY: /),
    });
    await api.writeToTerminal(id, 'y'.repeat(12_000_000));
    // sha256 of 12,000,000 times y: nothing of the refused ones came before.
    const { match } = await api.waitForPattern(id, /[0-9a-f]{64}/, { from: 0 });
    expect(match).toBe(createHash('sha256').update('y'.repeat(12_000_000)).digest('hex'));
  });

  it('input that a program does not read is refused at a bound, and it can still be ended', async () => {
    const id = await spawn('stty raw -echo; echo go; sleep 60');
    await api.waitForPattern(id, 'go', { from: 0 });
    await api.writeToTerminal(id, 'x'.repeat(10_000_000));
    expect(await failureOf(() => api.writeToTerminal(id, 'x'.repeat(10_000_000)))).toMatchObject({
      message: expect.stringContaining('bytes of input unread'),
    });
    await api.killTerminal(id);
  });
});

describe("the process host's door", () => {
  const bad: readonly [
    what: string,
    call: (host: ProcessHost, good: SpawnTerminalOptions) => Promise<unknown>,
  ][] = [
    ...['', '..', '../../etc', 'a/b', 'A'.repeat(36), 'x\0'].flatMap((id): typeof bad => [
      [`spawn ${JSON.stringify(id)}`, (host, good) => host.spawnTerminal({ ...good, id })],
      [`remove ${JSON.stringify(id)}`, (host) => host.removeTerminal(id)],
      [`read ${JSON.stringify(id)}`, (host) => host.readTerminal(id, 0, 1)],
      [`kill ${JSON.stringify(id)}`, (host) => host.killTerminal(id)],
    ]),
    ...[NaN, -1, 0.5, 2 ** 60, Infinity].flatMap((value): typeof bad => [
      [`read from ${value}`, (host, { id }) => host.readTerminal(id, value, 10)],
      [
        `follow from ${value}`,
        (host, { id }) => host.followTerminal(id, { from: value }, { onData: () => undefined }),
      ],
      [
        `a window of ${value}`,
        (host, { id }) =>
          host.followTerminal(id, { from: 0, windowBytes: value }, { onData: () => undefined }),
      ],
      [`${value} lines`, (host, { id }) => host.snapshotTerminal(id, { scrollback: value })],
      [`a grace of ${value}`, (host, { id }) => host.killTerminal(id, { graceMs: value })],
      [`a record of ${value}`, (host, good) => host.spawnTerminal({ ...good, recordLimitBytes: value })],
      [`${value} columns`, (host, { id }) => host.resizeTerminal(id, value, 24)],
    ]),
    ...['', 'A=B', 'A\0B'].map((name): (typeof bad)[number] => [
      `the variable ${JSON.stringify(name)}`,
      (host, good) => host.spawnTerminal({ ...good, env: { [name]: 'x' } }),
    ]),
    ['a ceiling of nothing', (host, good) => host.spawnTerminal({ ...good, ceilings: { processes: 0 } })],
    ['a frame of 17 MB', (host, { id }) => host.writeTerminal(id, 'x'.repeat(17_000_000))],
  ];

  it('refuses all of it one by one, and everything works on', async () => {
    const host = fixture.client();
    for (const [what, call] of bad) {
      const error = await failureOf(() => call(host, { ...sh('true'), id: bystander }));
      expect(error, what).toMatchObject({ reason: 'invalid_request' });
    }
    const options = sh('echo works');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await output.ended;
    expect(output.text()).toBe('works\r\n');
    await until(async () => (await host.stats())?.liveTerminals === 1, 'only the bystander lives');
  });

  it('takes 12 MB of bytes at once', async () => {
    const host = fixture.client();
    const options = sh('stty raw -echo; echo go; head -c 12000000 | sha256sum');
    await host.spawnTerminal(options);
    const output = await collect(host, options.id);
    await until(() => output.text().includes('go'), 'it reads');
    await host.writeTerminal(options.id, Buffer.alloc(12_000_000 * 0.9, 0xff));
    await host.writeTerminal(options.id, Buffer.alloc(12_000_000 * 0.1, 0x00));
    expect(await output.ended).toMatchObject({ exitCode: 0 });
    expect(output.text()).toMatch(/[0-9a-f]{64}/);
  });
});
