import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nullLogger } from '../../base/logger.ts';
import { requestYield, serveYield, yieldSocketPath } from './yieldSocket.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ow-yield-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

it('asks and answers, for its owner only', async () => {
  const asked: boolean[] = [];
  const onRequest = async (isForced: boolean): Promise<boolean> => {
    asked.push(isForced);
    return isForced;
  };
  const server = await serveYield(yieldSocketPath(directory), onRequest, nullLogger);
  try {
    expect((await stat(server.socket)).mode & 0o777).toBe(0o600);
    expect(await requestYield(server.socket, server.token, false, 1_000)).toBe('refused');
    expect(await requestYield(server.socket, server.token, true, 1_000)).toBe('yielded');
    expect(await requestYield(server.socket, 'wrong', true, 1_000)).toBe('unreachable');
    expect(asked).toEqual([false, true]);
  } finally {
    server.dispose();
  }
});

it('answers the request that ended it', async () => {
  const server = await serveYield(
    yieldSocketPath(directory),
    async () => {
      server.dispose();
      return true;
    },
    nullLogger,
  );
  expect(await requestYield(server.socket, server.token, true, 1_000)).toBe('yielded');
  expect(await requestYield(server.socket, server.token, true, 1_000)).toBe('unreachable');
});

it('keeps the path of its socket short', () => {
  expect(yieldSocketPath(directory)).toBe(join(directory, 'core.sock'));
  expect(Buffer.byteLength(yieldSocketPath(`/tmp/${'d'.repeat(120)}`))).toBeLessThanOrEqual(100);
});
