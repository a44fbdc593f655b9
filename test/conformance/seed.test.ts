import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryContainers } from './memoryContainers.ts';
import { makePythonStubs, runPython } from '../harness/pythonPeer.ts';
import { connectAssistant, ServedCore } from '../harness/servedCore.ts';

let stubs: string;

beforeAll(() => {
  stubs = mkdtempSync(join(tmpdir(), 'ow-stubs-'));
  makePythonStubs(stubs);
});
afterAll(() => rmSync(stubs, { recursive: true, force: true }));

describe("the seed's examples", () => {
  it('work with a client that has nothing of ours', async () => {
    const containers = memoryContainers(() => served.core.sessions);
    const served: ServedCore = new ServedCore({ containers });
    await using _ = await served.start();
    connectAssistant(served.core);
    const lines = (await runPython('seed.py', [served.socketPath, stubs])).trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines).toHaveLength(17);
  });
});

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
