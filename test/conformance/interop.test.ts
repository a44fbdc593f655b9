import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcServer } from '../../src/servers/grpc/grpcServer.ts';
import { generatePython, python } from '../harness/pythonPeer.ts';
import { testService } from './testService.ts';

const run = promisify(execFile);

let folder: string;
let server: GrpcServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ow-interop-'));
  server = new GrpcServer({
    services: [testService()],
    socketPath: join(folder, 's.sock'),
    logger: nullLogger,
  });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("gRPC's interoperability cases", () => {
  it('by Python', async () => {
    generatePython(join(import.meta.dirname, 'proto/grpc/testing'), ['test.proto'], folder);
    const client = run(python, [join(import.meta.dirname, 'interop.py'), server.socketPath, folder], {
      timeout: 50_000,
    });
    const { stdout } = await client.catch((error: unknown) => error as { stdout: string });
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines).toHaveLength(17);
  });
});
