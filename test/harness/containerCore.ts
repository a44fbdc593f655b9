import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileRecords } from '../../src/adapters/containerRecords/fileRecords.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { Container, CreateContainerRequest } from '../../src/core/containers/container.ts';
import { Orchestrator, type OrchestratorLimits } from '../../src/core/orchestrator.ts';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import type { Session, SessionConfig } from '../../src/core/sessions/session.ts';
import { testImage } from './testImage.ts';
import { FakeMachine, FakeProcessHost } from './fakeProcessHost.ts';

export interface ContainerCoreOptions {
  readonly folder?: string;
  readonly installationId?: string;
  readonly limits?: Partial<OrchestratorLimits>;
}

/** A core with a real store, real records and a real engine; only its process host, which containers do not use, is not. */
export class ContainerCore implements AsyncDisposable {
  readonly folder: string;
  readonly core: Orchestrator;
  readonly engine: ContainerEngine;
  private readonly ownsFolder: boolean;
  private readonly end: () => Promise<void>;

  constructor(engine: ContainerEngine, options: ContainerCoreOptions = {}) {
    this.ownsFolder = options.folder === undefined;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'ow-core-'));
    this.engine = engine;
    const { store } = openSqliteStore(join(this.folder, 'orchestrator.db'));
    const records = createFileRecords(join(this.folder, 'containers'), 256 * 1024 * 1024);
    this.core = new Orchestrator({
      store,
      processHost: new FakeProcessHost(new FakeMachine()),
      environment: createSystemEnvironment({ version: 'test' }),
      containers: {
        engine,
        records,
        installationId: options.installationId ?? 'a'.repeat(32),
        stateDirectory: this.folder,
      },
      clock: systemClock,
      ids: systemIds,
      logger: nullLogger,
      limits: options.limits,
    });
    this.end = async () => {
      await this.core.close();
      engine.dispose();
      records.dispose();
      store.dispose();
    };
  }

  async start(): Promise<Orchestrator> {
    await this.core.start();
    return this.core;
  }

  session(config: Partial<SessionConfig> = {}, cwd = this.folder): Promise<Session> {
    return this.core.sessions.create({ cwd, config });
  }

  /** Makes a container of the test image that runs a script of `sh`. */
  create(sessionId: string, script: string, more: Partial<CreateContainerRequest> = {}): Promise<Container> {
    return this.core.containers.create({
      sessionId,
      image: testImage,
      command: ['sh', '-c', script],
      ...more,
    });
  }

  /** Everything that was recorded of it so far, of both streams. */
  async output(id: string, options: { follows?: boolean } = {}): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const { data } of this.core.containers.output.follow(id, options)) parts.push(data);
    return Buffer.concat(parts).toString();
  }

  /** As the end of the core, cleanly: what runs goes on. */
  async close(): Promise<void> {
    await this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    if (this.ownsFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}
