import { afterEach, beforeEach, expect, it } from 'vitest';
import { ScriptedDaemon } from '../../../test/harness/scriptedDaemon.ts';
import { waitUntil } from '../../../test/harness/processes.ts';
import { DaemonClient } from './daemonClient.ts';
import type { TerminalExit } from './terminalAttachment.ts';

let daemon: ScriptedDaemon;
let client: DaemonClient;
let id: string;

beforeEach(async () => {
  daemon = await ScriptedDaemon.start();
  client = new DaemonClient({
    url: daemon.url,
    token: daemon.token,
    reconnectDelayMs: 2,
    maxReconnectDelayMs: 20,
  });
  await client.connect();
  ({ id } = await client.terminals.spawn({ name: 'build', cols: 100 }));
});
afterEach(async () => {
  client.disconnect();
  await daemon[Symbol.asyncDispose]();
});

const decoder = new TextDecoder();

it('shows the screen, then what is printed, and takes input', async () => {
  let text = '';
  const terminal = await client.terminals.attach(id, {
    onData: (data) => void (text += decoder.decode(data)),
  });
  expect(terminal).toMatchObject({ terminalId: id, cols: 100, rows: 24, screen: '$ ' });
  await terminal.input('grüße\r');
  await waitUntil('it came back', () => text === 'grüße\r');
  await terminal.resize(120, 40);
  expect(daemon.requests.at(-1)).toMatchObject({ payload: { terminalId: id, cols: 120, rows: 40 } });
  expect(await client.terminals.list()).toMatchObject([{ id, name: 'build' }]);
});

it('hears each byte once, over drops and a restart', async () => {
  const printed: string[] = [];
  let expectedOffset = 2;
  await client.terminals.attach(id, {
    onData: (data, offset) => {
      expect(offset).toBe(expectedOffset);
      expectedOffset += data.byteLength;
      printed.push(decoder.decode(data));
    },
    onGap: () => expect.fail('nothing is missing'),
  });
  let expected = '';
  for (let round = 0; round < 6; round++) {
    const text = `round ${round} `.repeat(3_000);
    daemon.terminals.print(id, text);
    expected += text;
    if (round % 2 === 0) daemon.dropAll();
    else await daemon.restart();
    await waitUntil('all of it came', () => printed.join('').length === expected.length);
  }
  expect(printed.join('')).toBe(expected);
});

it('lets the daemon send no more than 256 KiB ahead of a listener that is not done', async () => {
  let use: () => void = () => undefined;
  const using = new Promise<void>((resolve) => (use = resolve));
  let received = 0;
  await client.terminals.attach(id, {
    onData: async (data) => {
      received += data.byteLength;
      await using;
    },
  });
  const total = 600 * 1024;
  daemon.terminals.print(id, Buffer.alloc(total, 'x'));
  await waitUntil('the window is full', () => received === 256 * 1024);
  await client.ping();
  expect(received).toBe(256 * 1024);
  use();
  await waitUntil('the rest came', () => received === total);
});

it('ends with the terminal, with dispose(), and when it is not taken back', async () => {
  const exits: TerminalExit[] = [];
  const listeners = { onData: () => undefined, onExit: (exit: TerminalExit) => void exits.push(exit) };
  const first = await client.terminals.attach(id, listeners);
  await expect(client.terminals.attach(id, listeners)).rejects.toMatchObject({ reason: 'terminal_exists' });
  first.dispose();
  await client.terminals.attach(id, listeners);
  await client.terminals.kill(id);
  await waitUntil('it was told', () => exits.length === 1);
  expect(exits).toEqual([{ exitCode: null, signal: 9, reason: 'killed' }]);

  await expect(client.terminals.attach('none', listeners)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    reason: 'terminal_not_found',
  });

  const lost: unknown[] = [];
  const other = await client.terminals.spawn();
  await client.terminals.attach(other.id, {
    onData: () => undefined,
    onLost: (error) => void lost.push(error),
  });
  daemon.terminals.remove(other.id);
  daemon.dropAll();
  await waitUntil('it is told', () => lost.length > 0);
  expect(lost).toMatchObject([{ reason: 'terminal_not_found' }]);
});
