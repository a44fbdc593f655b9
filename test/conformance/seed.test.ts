import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestEngine } from '../harness/dockerEngine.ts';
import { makePythonStubs, runPython } from '../harness/pythonPeer.ts';
import { connectAssistant, ServedCore } from '../harness/servedCore.ts';
import { testImage } from '../harness/testImage.ts';

let stubs: string;

beforeAll(() => {
  stubs = mkdtempSync(join(tmpdir(), 'ow-stubs-'));
  makePythonStubs(stubs);
});
afterAll(() => rmSync(stubs, { recursive: true, force: true }));

describe("the seed's examples", () => {
  it('work with a client that has nothing of ours', async () => {
    await using engine = await TestEngine.start();
    makePython(engine);
    await using served = await new ServedCore({ engine: engine.client() }).start();
    connectAssistant(served.core);
    const lines = (await runPython('seed.py', [served.socketPath, stubs])).trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines).toHaveLength(17);
  }, 400_000);
});

/** What the seed calls python:3.11, as far as its example needs it: a program of that name that goes on. */
function makePython(engine: TestEngine): void {
  const script = String.raw`printf '#!/bin/sh\ntrap exit TERM\nwhile :; do sleep 0.05; done\n' > /bin/python && chmod +x /bin/python`;
  engine.docker('run', '--name', 'made', testImage, 'sh', '-c', script);
  engine.docker('commit', 'made', 'python:3.11');
  engine.docker('rm', 'made');
}

describe('by reflection, as grpcurl does it', () => {
  it.each(['v1', 'v1alpha'])("the seed's lines work, by both names of a service (%s)", async (version) => {
    await using served = await new ServedCore().start();
    const grpcurl = (...args: string[]) =>
      runPython('grpcurl.py', [
        stubs,
        '-reflect',
        version,
        '-plaintext',
        '-unix',
        served.socketPath,
        ...args,
      ]);
    const services = (await grpcurl('list')).trim().split('\n');
    for (const prefix of ['', 'proto.']) {
      const service = `${prefix}orchestrator.v1.OrchestratorService`;
      expect(services).toContain(service);
      const name = `${prefix}test-session`;
      const created = JSON.parse(
        await grpcurl('-d', JSON.stringify({ metadata: { name } }), `${service}/CreateSession`),
      ) as object;
      expect(created).toMatchObject({ session: { state: 'SESSION_STATE_ACTIVE', metadata: { name } } });
    }
    const listed = JSON.parse(
      await grpcurl('proto.orchestrator.v1.OrchestratorService/ListSessions', '{}'),
    ) as object;
    expect(listed).toMatchObject({ totalCount: 2 });
    expect(JSON.parse(await grpcurl('grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
    expect(services).toContain('proto.gateway.v1.GatewayService');
  });
});
