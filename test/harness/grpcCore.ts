import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import { GrpcClient } from '../../src/clients/grpc/grpcClient.ts';
import { Orchestrator, type OrchestratorLimits } from '../../src/core/orchestrator.ts';
import { openGrpcDoor } from '../../src/servers/grpc/door.ts';
import { createFakeEnvironment } from './fakeEnvironment.ts';
import { FakeMachine, FakeProcessHost } from './fakeProcessHost.ts';

/** A core with a real store and its gRPC door, on real time; only its process host is none. */
export class GrpcCore implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'ow-grpc-core-'));
  readonly socketPath = join(this.folder, 'grpc.sock');
  readonly core: Orchestrator;
  private readonly store = openSqliteStore(join(this.folder, 'orchestrator.db')).store;
  private readonly clients: GrpcClient[] = [];
  private server: Awaited<ReturnType<typeof openGrpcDoor>> | undefined;

  private constructor(limits: Partial<OrchestratorLimits>) {
    this.core = new Orchestrator({
      store: this.store,
      processHost: new FakeProcessHost(new FakeMachine()),
      environment: createFakeEnvironment(),
      clock: systemClock,
      ids: systemIds,
      logger: nullLogger,
      limits,
    });
  }

  static async start(limits: Partial<OrchestratorLimits> = {}): Promise<GrpcCore> {
    const started = new GrpcCore(limits);
    await started.core.start();
    await started.openDoor();
    return started;
  }

  async openDoor(): Promise<void> {
    const { core, socketPath } = this;
    const options = { orchestrator: core, socketPath, version: '1.2.3', logger: nullLogger };
    this.server = await openGrpcDoor(options);
  }

  async closeDoor(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    await server?.stop();
  }

  async connect(principal?: string): Promise<GrpcClient> {
    const client = new GrpcClient(this.socketPath, { dialTimeoutMs: 5_000, principal });
    this.clients.push(client);
    await client.dial();
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.close();
    await this.closeDoor();
    await this.core.close();
    this.store.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
