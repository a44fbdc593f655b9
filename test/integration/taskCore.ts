// A core with container tasks as the product composes it: real store, real process host, and an engine where one is given.
import { join } from 'node:path';
import { createFileRecords } from '../../src/adapters/containerRecords/fileRecords.ts';
import { createTaskPlaces } from '../../src/adapters/containerTasks/taskPlaces.ts';
import { openSqliteStore } from '../../src/adapters/sqlite/sqliteStore.ts';
import { createSystemEnvironment } from '../../src/adapters/system/systemEnvironment.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemIds } from '../../src/base/ids.ts';
import { nullLogger } from '../../src/base/logger.ts';
import type { ContainerTaskManager } from '../../src/core/containerTasks/containerTaskManager.ts';
import { Orchestrator } from '../../src/core/orchestrator.ts';
import type { ContainerEngine } from '../../src/core/ports/containerEngine.ts';
import { createProcessHostClient } from '../../src/processHost/client.ts';

export interface TaskCoreOptions {
  /** Private, and there already. */
  readonly stateDir: string;
  /** The built product. */
  readonly distDir: string;
  readonly execPath: string;
  /** Disposed with the core. */
  readonly engine?: ContainerEngine | undefined;
}

export interface TaskCore {
  readonly core: Orchestrator;
  readonly tasks: ContainerTaskManager;
  /** Leaves everything going. */
  close(): Promise<void>;
}

export async function openTaskCore({
  stateDir,
  distDir,
  execPath,
  engine,
}: TaskCoreOptions): Promise<TaskCore> {
  const { store } = openSqliteStore(join(stateDir, 'orchestrator.db'));
  const records = createFileRecords(join(stateDir, 'containers'), 256 * 1024 * 1024);
  const processHost = createProcessHostClient({
    stateDir,
    distDir,
    version: 'test',
    logger: nullLogger,
    execPath,
  });
  const core = new Orchestrator({
    store,
    processHost,
    environment: createSystemEnvironment({ version: 'test' }),
    ...(engine === undefined ? {} : { containers: { engine, records, installationId: 'b'.repeat(32) } }),
    containerTaskPlaces: createTaskPlaces(stateDir),
    clock: systemClock,
    ids: systemIds,
    logger: nullLogger,
  });
  const tasks = core.containerTasks;
  if (tasks === undefined) throw new Error('no container tasks');
  await core.start();
  return {
    core,
    tasks,
    close: async () => {
      await core.close();
      engine?.dispose();
      records.dispose();
      processHost.dispose();
      store.dispose();
    },
  };
}
