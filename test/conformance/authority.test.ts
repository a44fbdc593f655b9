import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';
import { buildGoProgram } from '../harness/goProgram.ts';
import { testService } from './testService.ts';

const run = promisify(execFile);

let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ow-authority-'));
  program = buildGoProgram(join(import.meta.dirname, 'authority.go'));
}, 300_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('every form of :authority, by grpc-go', () => {
  it.each([
    ['whose client calls at once', 0, 30_000],
    ['whose client calls after a while', 50, 30_000],
    ['that was handed over before its first call', 600, 300],
  ])('on a connection %s', async (_name, idleMs, connectionTimeoutMs) => {
    const server = new GrpcServer({
      services: [testService()],
      socketPath: join(folder, 's.sock'),
      limits: { connectionTimeoutMs },
      logger: nullLogger,
    });
    await server.start();
    const { stdout } = await run(program, [server.socketPath, String(idleMs)], { timeout: 55_000 });
    await server.stop();
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines).toHaveLength(14);
  });
});
