import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ToolConstraints } from '../../src/core/tools/tool.ts';
import type { ToolSet } from '../../src/core/tools/toolSet.ts';
import { endProcesses, processesMarked, waitUntil } from '../harness/processes.ts';
import { tempDir } from '../harness/tempDir.ts';
import {
  countingServer,
  everythingProgram,
  everythingServer,
  filesystemServer,
  hostileServer,
  httpToolServer,
  never,
  openTools,
} from './toolHarness.ts';

const only = (tools: readonly string[], providers: readonly string[] | null = null): ToolConstraints => ({
  mode: 'custom',
  providers,
  tools,
});

describe('a tool set over real servers', () => {
  test('lists and calls the tools of two servers of npm at a time', async () => {
    await using folder = await tempDir('tools');
    writeFileSync(join(folder.path, 'a.txt'), 'what stands in it');
    await using set = await openTools({ servers: [everythingServer(), filesystemServer(folder.path)] });
    const names = set.tools.map(({ name }) => name);
    expect(names).toContain('everything_echo');
    expect(names).toContain('filesystem_read_text_file');
    expect(set.unavailable).toEqual([]);
    const [echo, sum, file, outside] = await Promise.all([
      set.call({ name: 'everything_echo', arguments: { message: 'hello' } }, never),
      set.call({ name: 'everything_get-sum', arguments: { a: 2, b: 40 } }, never),
      set.call({ name: 'filesystem_read_text_file', arguments: { path: join(folder.path, 'a.txt') } }, never),
      set.call({ name: 'filesystem_read_text_file', arguments: { path: '/etc/passwd' } }, never),
    ]);
    expect(echo).toMatchObject({ kind: 'completed', provider: 'everything', text: 'Echo: hello' });
    expect(sum).toMatchObject({ kind: 'completed', text: expect.stringContaining('42') as string });
    expect(file).toMatchObject({ kind: 'completed', text: 'what stands in it' });
    expect(outside).toMatchObject({ kind: 'failed', provider: 'filesystem' });
  });

  test('does the same by streamable HTTP, and ends the session', async () => {
    const server = spawn(process.execPath, [everythingProgram(), 'streamableHttp'], {
      env: { ...process.env, PORT: String(await freePort()) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    server.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    server.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    try {
      const port = await waitUntil('it listens', () => /port (\d+)/.exec(said)?.[1]);
      const url = `http://127.0.0.1:${port}/mcp`;
      {
        await using set = await openTools({ servers: [httpToolServer('remote', url)] });
        const outcome = await set.call({ name: 'remote_echo', arguments: { message: 'far' } }, never);
        expect(outcome).toMatchObject({ kind: 'completed', text: 'Echo: far' });
      }
      await waitUntil('the session is ended', () => /DELETE|terminat/i.test(said));
    } finally {
      await endProcesses([server.pid ?? 0]);
    }
  });

  test('passes results that are no text as what they are', async () => {
    await using set = await openTools({ servers: [everythingServer()] });
    const image = await set.call({ name: 'everything_get-tiny-image', arguments: {} }, never);
    expect(image).toMatchObject({
      kind: 'completed',
      text: expect.stringMatching(/\[image: image\/png, \d+ bytes\]/) as string,
    });
    const wrong = await set.call({ name: 'everything_echo', arguments: { message: 1 } }, never);
    expect(wrong).toEqual({
      kind: 'failed',
      provider: 'everything',
      error: 'The arguments do not fit: "message" must be string.',
    });
  });

  test('ends with the signal, and the server goes on', async () => {
    await using set = await openTools({ servers: [everythingServer()] });
    const controller = new AbortController();
    const name = 'everything_trigger-long-running-operation';
    const began = Date.now();
    const call = set.call({ name, arguments: { duration: 60, steps: 2 } }, controller.signal);
    controller.abort();
    expect(await call).toEqual({ kind: 'failed', provider: 'everything', error: 'It was stopped.' });
    expect(Date.now() - began).toBeLessThan(1_000);
    const echo = await set.call({ name: 'everything_echo', arguments: { message: 'still' } }, never);
    expect(echo).toMatchObject({ kind: 'completed' });
  });
});

describe('the constraints', () => {
  const names = ['send', 'search', 'delete', 'constructor', '__proto__', 'toString'];

  async function withCounting(
    constraints: ToolConstraints,
    use: (set: ToolSet, reached: () => { name: string }[]) => Promise<void>,
  ): Promise<void> {
    await using folder = await tempDir('count');
    const journal = join(folder.path, 'calls');
    writeFileSync(journal, '');
    const server = countingServer('mail', journal, names, { aliases: { delete: 'wipe' } });
    await using set = await openTools({ servers: [server], constraints });
    await use(set, () =>
      readFileSync(journal, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { name: string }),
    );
  }

  test('hold against 300 tries by other names: counted at the server', async () => {
    await withCounting(only(['mail_send'], ['mail']), async (set, reached) => {
      expect(set.tools.map(({ name }) => name)).toEqual(['mail_send']);
      const tries = forgeries('mail_send', ['search', 'delete', 'wipe', 'constructor', 'toString']);
      expect(tries.length).toBeGreaterThanOrEqual(300);
      expect(tries).not.toContain('mail_send');
      for (const name of tries) {
        const outcome = await set.call({ name, arguments: {} }, never);
        expect(outcome.kind, JSON.stringify(name)).toBe('skipped');
      }
      expect(reached()).toEqual([]);
      await set.call({ name: 'mail_send', arguments: {} }, never);
      expect(reached()).toEqual([{ name: 'send', args: {} }]);
    });
  });

  test('say why something is left out', async () => {
    await withCounting(only(['mail_send', 'gmail_send_email', 'nothing']), async (set) => {
      expect(set.unavailable).toEqual([
        { provider: 'gmail', tool: 'gmail_send_email', reason: 'unconfigured' },
        { provider: '', tool: 'nothing', reason: 'unknown_tool' },
      ]);
      const reasons = await Promise.all(
        ['mail_search', 'gmail_search', 'mail_Send'].map((name) => set.call({ name, arguments: {} }, never)),
      );
      expect(reasons).toEqual([
        { kind: 'skipped', provider: 'mail', reason: 'tool_filter' },
        { kind: 'skipped', provider: 'gmail', reason: 'unconfigured' },
        { kind: 'skipped', provider: null, reason: 'unknown_tool' },
      ]);
    });
  });

  test('start no server that they cannot mean', async () => {
    const mark = `constraints-${process.pid}-${Date.now()}`;
    await using set = await openTools({
      servers: [{ ...everythingServer(), env: { TEST_MARK: mark } }],
      constraints: only(['files_read_file'], ['files']),
    });
    expect(set.tools).toEqual([]);
    expect(processesMarked('TEST_MARK', mark)).toEqual([]);
  });

  test('bind the names of the catalogue by alias and by name', async () => {
    await using folder = await tempDir('count');
    const journal = join(folder.path, 'calls');
    const servers = [
      countingServer('workspace', journal, ['mail-out', 'other'], {
        aliases: { 'mail-out': 'gmail_send_email' },
      }),
      countingServer('slack', journal, ['post_message', 'slack_search_messages', 'list']),
    ];
    await using set = await openTools({ servers });
    expect(set.tools.map(({ name, provider }) => `${provider}: ${name}`)).toEqual([
      'gmail: gmail_send_email',
      'slack: slack_list',
      'slack: slack_post_message',
      'slack: slack_search_messages',
      'workspace: workspace_other',
    ]);
    await using gmail = await openTools({
      servers,
      constraints: { mode: 'custom', providers: ['gmail'], tools: null },
    });
    expect(gmail.tools.map(({ name }) => name)).toEqual(['gmail_send_email']);
    await gmail.call({ name: 'gmail_send_email', arguments: { to: 'a@b' } }, never);
    expect(readFileSync(journal, 'utf8')).toBe('{"name":"mail-out","args":{"to":"a@b"}}\n');
  });
});

describe('servers that misbehave', () => {
  const limits = { connectTimeoutMs: 2_500, killAfterMs: 400, maxMessageBytes: 4 * 1024 * 1024 };

  async function open(way: string, callTimeoutMs = 1_000): Promise<{ set: ToolSet; mark: string }> {
    const mark = `${way}-${process.pid}-${Date.now()}`;
    const server = hostileServer(way, { callTimeoutMs, env: { TEST_MARK: mark } });
    return { set: await openTools({ servers: [server], limits }), mark };
  }

  test.each(['exit', 'silent', 'garbage', 'endlessLine', 'dieInList'])(
    'one that does not come up (%s) is unavailable, in time, and leaves nothing behind',
    async (way) => {
      const began = Date.now();
      const { set, mark } = await open(way);
      expect(set.unavailable).toEqual([{ provider: 'hostile', tool: null, reason: 'unreachable' }]);
      expect(Date.now() - began).toBeLessThan(limits.connectTimeoutMs + 2_000);
      const outcome = await set.call({ name: 'hostile_act', arguments: {} }, never);
      expect(outcome).toMatchObject({ kind: 'skipped', reason: 'unreachable' });
      expect(processesMarked('TEST_MARK', mark)).toEqual([]);
      await set[Symbol.asyncDispose]();
    },
  );

  test.each([
    ['silentCall', 'hostile did not answer within 1 s.'],
    ['dieInCall', 'It has ended with code 1.'],
    ['hugeAnswer', 'It has sent a message of more than 4194304 bytes.'],
    ['wrongShape', undefined],
  ])('a call of one that does not answer it (%s) fails in time', async (way, error) => {
    const { set, mark } = await open(way);
    expect(set.unavailable).toEqual([]);
    const began = Date.now();
    const outcome = await set.call({ name: 'hostile_act', arguments: {} }, never);
    expect(outcome).toMatchObject({ kind: 'failed', provider: 'hostile', ...(error && { error }) });
    expect(Date.now() - began).toBeLessThan(2_500);
    await set[Symbol.asyncDispose]();
    expect(processesMarked('TEST_MARK', mark)).toEqual([]);
  });

  test('floods of its standard error and endless texts hinder nothing', async () => {
    const { set } = await open('stderr');
    const answer = await set.call({ name: 'hostile_act', arguments: {} }, never);
    expect(answer).toMatchObject({ kind: 'completed', text: 'done' });
    await set[Symbol.asyncDispose]();
    const { set: big } = await open('bigText');
    const outcome = await big.call({ name: 'hostile_act', arguments: {} }, never);
    expect(outcome.kind).toBe('completed');
    const text = outcome.kind === 'completed' ? outcome.text : '';
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(256 * 1024);
    expect(text).toMatch(/ä\n\[cut: 2097152 bytes in all\]$/);
    await big[Symbol.asyncDispose]();
  });

  test('lists that are too long are cut', async () => {
    const { set } = await open('manyTools');
    expect(set.tools).toHaveLength(1_000);
    expect(set.tools.some(({ name }) => name === 'hostile_huge')).toBe(false);
    await set[Symbol.asyncDispose]();
    const { set: endless } = await open('endlessList');
    expect(endless.tools).toHaveLength(100);
    await endless[Symbol.asyncDispose]();
  });

  test('one that ignores being asked to end is killed with its group', async () => {
    const { set, mark } = await open('stubborn');
    expect(await set.call({ name: 'hostile_act', arguments: {} }, never)).toMatchObject({
      kind: 'completed',
    });
    await waitUntil('both run', () => processesMarked('TEST_MARK', mark).length === 2);
    await set[Symbol.asyncDispose]();
    expect(processesMarked('TEST_MARK', mark)).toEqual([]);
  });

  test('an HTTP server that accepts and says nothing is unavailable in time', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const began = Date.now();
    await using set = await openTools({
      servers: [httpToolServer('silent', `http://127.0.0.1:${port}/mcp`)],
      limits: { ...limits, closeTimeoutMs: 300 },
    });
    expect(set.unavailable).toEqual([{ provider: 'silent', tool: null, reason: 'unreachable' }]);
    expect(Date.now() - began).toBeLessThan(4_500);
    silent.close();
  });
});

/** Names that a model may try instead of the one it has: each differs from it. */
function forgeries(allowed: string, others: readonly string[]): string[] {
  const lookAlikes: Readonly<Record<string, string>> = {
    a: 'а',
    e: 'е',
    i: 'і',
    s: 'ѕ',
    n: 'ո',
    d: 'ԁ',
    l: 'ⅼ',
    m: 'ｍ',
    _: '＿',
  };
  const blanks = [
    ' ',
    '\t',
    '\n',
    '\0',
    '\u00a0',
    '\u200b',
    '\u200d',
    '\u2060',
    '\ufeff',
    '\u00ad',
    '\u202e',
  ];
  const names = new Set<string>();
  for (const name of [allowed, ...others.flatMap((other) => [other, `mail_${other}`])]) {
    names.add(name.toUpperCase());
    names.add(name.replace(/^./, (first) => first.toUpperCase()));
    for (const prefix of [
      'mail.',
      'mail/',
      'mail:',
      'mail__',
      'mcp__mail__',
      'mail mail_',
      'MAIL_',
      '../',
      'functions.',
    ])
      names.add(prefix + name);
    for (const blank of blanks) {
      names.add(blank + name);
      names.add(name + blank);
      names.add(name.slice(0, 3) + blank + name.slice(3));
    }
    for (const [plain, other] of Object.entries(lookAlikes)) {
      names.add(name.replace(plain, other));
      names.add(name.replaceAll(plain, other));
    }
    names.add(name.replaceAll(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)));
    names.add(name.normalize('NFD') + '\u0301');
    names.add(name);
  }
  for (const name of [
    '__proto__',
    'constructor',
    'prototype',
    'hasOwnProperty',
    'toString',
    'valueOf',
    '',
    '*',
    'mail_*',
  ])
    names.add(name);
  names.delete(allowed);
  return [...names];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
