import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createTaskPlaces } from '../adapters/containerTasks/taskPlaces.ts';
import { createContainerParts } from '../adapters/containerParts.ts';
import { createToolParts } from '../adapters/toolParts.ts';
import { serversOfFile } from '../adapters/mcp/serverFile.ts';
import { createSecretFile } from '../adapters/system/secretFile.ts';
import { createProcessMetrics } from '../adapters/system/processMetrics.ts';
import { createShellFolder } from '../adapters/system/shellFolder.ts';
import { createSystemEnvironment } from '../adapters/system/systemEnvironment.ts';
import { createModels, readModelsFile } from '../adapters/models/models.ts';
import { openSqliteStore } from '../adapters/sqlite/sqliteStore.ts';
import { systemClock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { OrchestratorError } from '../base/errors.ts';
import { systemIds } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import { Orchestrator, type OrchestratorLimits } from '../core/orchestrator.ts';
import { defaultLimits } from '../core/limits.ts';
import type { ProcessHost } from '../core/ports/processHost.ts';
import {
  type CoreEndpoints,
  readCoreHolder,
  removeCoreHolder,
  writeCoreHolder,
} from '../processHost/coreHolder.ts';
import { systemCode } from '../processHost/files.ts';
import { ensurePrivateDir } from '../processHost/paths.ts';
import { isAlive } from '../processHost/processTable.ts';
import { acquireStateLock } from '../processHost/stateLock.ts';
import { stateInUse } from './coreHolder.ts';
import { openProcessHost } from './access/hostClient.ts';
import { statePaths } from './stateDir.ts';
import { version } from './version.ts';

/** The composition root of the command line: the core with everything that it needs, on one state directory. */
export interface Core {
  readonly orchestrator: Orchestrator;
  /** Where a database that was broken has been put; a new one was begun. */
  readonly recoveredFrom: string | undefined;
  /** Tells other commands where this core answers. */
  announce(endpoints: CoreEndpoints): void;
  /**
   * Detaches; terminals and runs go on. With `endIdleHost` the process host goes too, unless something lives in it.
   * May be called again.
   */
  close(options?: { readonly endIdleHost?: boolean }): Promise<void>;
}

export interface OpenCoreOptions {
  readonly stateDir: string;
  readonly kind: 'serve' | 'run' | 'mcp';
  /** Whether its gRPC door is about to be opened: other commands wait for that. */
  readonly isDoorComing: boolean;
  /** Commands in or below them are meant for this core. */
  readonly folders?: readonly string[];
  /** The file of the MCP servers. Default: `tools.json` of the state directory, where there is one. */
  readonly toolsFile?: string | undefined;
  /** Providers of models; models.json of the state directory when missing. */
  readonly modelsFile?: string | undefined;
  /** Other limits than the usual ones. */
  readonly limits?: Partial<OrchestratorLimits> | undefined;
  readonly logger: Logger;
}

/**
 * Takes the state directory, opens what is in it and takes up what goes on there.
 * Errors: `state_in_use`, `state_dir_unsafe`, `store_too_new`, `disk_full`, those of reaching the process host.
 */
export async function openCore(options: OpenCoreOptions): Promise<Core> {
  const { stateDir, kind, isDoorComing, logger } = options;
  const paths = statePaths(stateDir);
  const lock = takeStateDir(stateDir);
  const undo: (() => void)[] = [() => lock.dispose()];
  const undoAll = (): void => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const startedAt = Date.now();
    let endpoints: CoreEndpoints = {};
    const announce: Core['announce'] = (more) => {
      endpoints = { ...endpoints, ...more };
      writeCoreHolder(stateDir, {
        label: `orchestrator ${kind}`,
        kind,
        startedAt,
        version,
        folders: [...(options.folders ?? [])],
        ...endpoints,
      });
    };
    announce({ grpc: { state: isDoorComing ? 'opening' : 'off' } });
    undo.push(() => removeCoreHolder(stateDir));
    const { store, recoveredFrom } = openSqliteStore(paths.database);
    undo.push(() => store.dispose());
    const processHost = openProcessHost(stateDir, logger);
    undo.push(() => processHost.dispose());
    const containers = createContainerParts({
      stateDir,
      ids: systemIds,
      logger,
      recordLimitBytes: defaultLimits.recordLimitBytes,
    });
    undo.push(() => containers.dispose());
    const servers = serversOfFile(options.toolsFile ?? paths.tools, {
      isNeeded: options.toolsFile !== undefined,
    });
    undo.push(() => servers.dispose());
    const secrets = createSecretFile(paths.secrets);
    const orchestrator = new Orchestrator({
      store,
      processHost,
      environment: createSystemEnvironment({ version }),
      shellFiles: createShellFolder(paths.shell),
      processMetrics: createProcessMetrics(),
      containerTaskPlaces: createTaskPlaces(stateDir),
      containers,
      tools: createToolParts({
        servers,
        secrets,
        cwd: () => options.folders?.[0] ?? homedir(),
        clock: systemClock,
        logger,
      }),
      models: createModels({
        settings: () => readModelsFile(options.modelsFile ?? paths.models),
        environment: process.env,
      }),
      clock: systemClock,
      ids: systemIds,
      logger,
      limits: options.limits,
    });
    await orchestrator.start();
    return {
      orchestrator,
      recoveredFrom,
      announce,
      async close({ endIdleHost = false } = {}) {
        const { runningRuns, liveTerminals } = orchestrator.activity();
        try {
          await orchestrator.close();
          if (endIdleHost && runningRuns + liveTerminals === 0) await endHostIfIdle(processHost);
        } catch (error) {
          logger.debug('The process host did not answer at the end', error);
        } finally {
          undoAll();
        }
      },
    };
  } catch (error) {
    undoAll();
    throw error;
  }
}

/** How long what has just ended may take to be gone: workers that exit, and who left a terminal and is looked for. */
const quietLimitMs = 1_000;
const quietPollMs = 15;
const endPollMs = 3;

/** Ends the process host unless somebody uses it, and waits until its process is gone: nothing of ours is left behind. */
async function endHostIfIdle(processHost: ProcessHost): Promise<void> {
  const { connection } = processHost;
  if (connection.state !== 'connected') return;
  const deadline = Date.now() + quietLimitMs;
  while (!(await processHost.shutdownIfIdle())) {
    if (Date.now() > deadline || ((await processHost.stats())?.clients ?? 0) > 1) return;
    await delay(quietPollMs);
  }
  while (isAlive(connection.pid) && Date.now() < deadline) await delay(endPollMs);
}

function takeStateDir(stateDir: string): Disposable {
  const paths = statePaths(stateDir);
  let lock: Disposable | undefined;
  try {
    makeFolders(stateDir);
    ensurePrivateDir(stateDir);
    lock = acquireStateLock(paths.lock);
  } catch (error) {
    throw unusableStateDir(stateDir, error);
  }
  if (lock === undefined) throw stateInUse(stateDir, readCoreHolder(stateDir));
  return lock;
}

/** One by one: with `recursive`, Node never ends where a file system refuses with ENOENT, as /proc does. */
function makeFolders(path: string): void {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder) && folder !== dirname(folder); folder = dirname(folder)) {
    missing.unshift(folder);
  }
  for (const folder of missing) mkdirSync(folder, { mode: 0o700 });
}

const causes: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission for it',
  EPERM: 'there is no permission for it',
  EROFS: 'the file system is read-only',
  EEXIST: 'a file is in its place',
  ENOTDIR: 'a file is in its place',
};

function unusableStateDir(stateDir: string, error: unknown): OrchestratorError {
  const known = OrchestratorError.from(error);
  if (known.reason !== 'internal') return known;
  const code = systemCode(error);
  const why = code === undefined ? known.message : (causes[code] ?? `it cannot be made: ${code}`);
  return new OrchestratorError(
    'PERMISSION_DENIED',
    'state_dir_unsafe',
    `The state directory ${stateDir} cannot be used: ${why}. ` +
      'Choose one that you can write to, with --state-dir or $ORCHESTRATOR_STATE_DIR.',
    { details: { path: stateDir }, cause: error },
  );
}
