import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessMetrics } from '../../src/adapters/system/processMetrics.ts';
import { createShellFolder } from '../../src/adapters/system/shellFolder.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { type Logger, nullLogger } from '../../src/base/logger.ts';
import { Orchestrator, type OrchestratorLimits } from '../../src/core/orchestrator.ts';
import type { ContainerParts } from '../../src/core/ports/containerParts.ts';
import type { Models } from '../../src/core/ports/models.ts';
import type { HostFixture } from './processHostHarness.ts';

export interface RealCoreOptions {
  readonly limits?: Partial<OrchestratorLimits>;
  /** Of the core; the process host has its own. */
  readonly clock?: Clock;
  /** Without it there is no engine `model`. */
  readonly models?: Models;
  readonly logger?: Logger;
  readonly containers?: ContainerParts;
}

/** A core with a real store and a real process host, and a home folder of its own; `await using` takes it down. */
export interface RealCore extends AsyncDisposable {
  readonly core: Orchestrator;
  readonly home: string;
}

export async function startRealCore(fixture: HostFixture, options: RealCoreOptions = {}): Promise<RealCore> {
  const home = mkdtempSync(join(tmpdir(), 'ow-home-'));
  const { store } = openSqliteStore(join(fixture.stateDir, 'orchestrator.db'));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    SECRET: 'x',
  };
  const core = new Orchestrator({
    store,
    processHost: fixture.client(),
    environment: createSystemEnvironment({ version: '1.0.0', env }),
    processMetrics: createProcessMetrics(),
    shellFiles: createShellFolder(join(fixture.stateDir, 'shell files')),
    clock: options.clock ?? systemClock,
    ids: systemIds,
    logger: options.logger ?? nullLogger,
    models: options.models,
    containers: options.containers,
    limits: options.limits,
  });
  await core.start();
  return {
    core,
    home,
    async [Symbol.asyncDispose]() {
      await core.close();
      store.dispose();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
