import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, systemClock } from '../../base/clock.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { type IdSource, systemIds } from '../../base/ids.ts';
import type { Store } from '../../core/ports/store.ts';
import { SqliteConnection } from './sqliteConnection.ts';
import { corruptStore, isCorruption, sqliteError } from './sqliteErrors.ts';
import { migrate, readSchemaVersion, schemaVersion, tooNew } from './schema.ts';

export interface SqliteStoreOptions {
  readonly ids?: IdSource | undefined;
  readonly clock?: Clock | undefined;
}

export interface OpenedStore {
  readonly store: Store;
  /**
   * Where a damaged database was moved to; undefined when there was none. Then `store` is a new, empty one: tell the
   * person, with this path.
   */
  readonly recoveredFrom?: string | undefined;
}

/** How long a statement waits for another process's lock. */
const busyTimeoutMs = 5_000;
const companions = ['-wal', '-shm'] as const;

/**
 * Opens the store, makes it where it is missing, brings its schema up to date. A file that is no sound database is
 * moved aside, never deleted, and a new one is begun. The folder must exist.
 *
 * Durability: WAL with `synchronous = NORMAL`. What `transact` has returned from survives the death of this process
 * and of every other; a loss of power may take the last transactions, never the soundness of the file.
 *
 * A full check of a big file takes seconds, so it is made only when the last use met damage; otherwise the header,
 * the schema and the newest rows are read.
 *
 * Errors: `store_too_new`, `disk_full`, `state_in_use`.
 */
export function openSqliteStore(path: string, options: SqliteStoreOptions = {}): OpenedStore {
  const { ids = systemIds, clock = systemClock } = options;
  try {
    return { store: openSound(path, ids) };
  } catch (error) {
    if (!isCorruption(error) && !OrchestratorError.is(error, 'store_corrupt')) throw sqliteError(error, path);
  }
  const recoveredFrom = moveAside(path, clock.now());
  try {
    return { store: openSound(path, ids), recoveredFrom };
  } catch (error) {
    throw sqliteError(error, path);
  }
}

/**
 * Opens the store for reading, beside the core that writes to it. Undefined when there is none yet. Errors:
 * `store_too_new`, `store_corrupt`, `state_in_use`; writing answers `internal`.
 */
export function openSqliteStoreReadOnly(path: string): Store | undefined {
  if (!existsSync(path)) return undefined;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
    const version = readSchemaVersion(database);
    if (version > schemaVersion) throw tooNew(path, version);
    if (version === schemaVersion) return new SqliteConnection(database, path, systemIds);
    // Being made right now.
    database.close();
    return undefined;
  } catch (error) {
    if (database?.isOpen === true) database.close();
    throw sqliteError(error, path);
  }
}

function openSound(path: string, ids: IdSource): SqliteConnection {
  // SQLite itself would make it readable for others; its companions take over the mode.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  const suspicion = `${path}.suspect`;
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  try {
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216',
    );
    migrate(database, path);
    if (existsSync(suspicion)) {
      checkWholly(database, path);
      rmSync(suspicion, { force: true });
    }
    const onCorruption = (): void => writeFileSync(suspicion, '', { mode: 0o600 });
    const connection = new SqliteConnection(database, path, ids, onCorruption);
    connection.readNewest();
    return connection;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The structure of the file, and what stands in it as far as it must be JSON. Error: `store_corrupt`. */
function checkWholly(database: DatabaseSync, path: string): void {
  const findings = [database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']];
  for (const [table, column] of [
    ['session', 'json'],
    ['terminal', 'json'],
    ['run', 'json'],
    ['container', 'json'],
    ['engineClaim', 'json'],
    ['message', 'json'],
    ['agent', 'json'],
    ['task', 'json'],
    ['containerTask', 'json'],
    ['event', 'data'],
  ] as const) {
    const broken = database.prepare(`SELECT 1 FROM ${table} WHERE NOT json_valid(${column}) LIMIT 1`).get();
    findings.push(broken === undefined ? 'ok' : `${table} holds a row that is no JSON`);
  }
  const finding = findings.find((candidate) => candidate !== 'ok');
  if (finding !== undefined) throw corruptStore(path, new Error(String(finding)));
}

/** @returns the new path of the database. Its companions keep its name, so that tools can still read them together. */
function moveAside(path: string, now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  let target = `${path}.corrupt-${time}`;
  for (let attempt = 2; existsSync(target); attempt += 1) target = `${path}.corrupt-${time}-${attempt}`;
  renameSync(path, target);
  for (const companion of companions) {
    if (existsSync(path + companion)) renameSync(path + companion, target + companion);
  }
  rmSync(`${path}.suspect`, { force: true });
  return target;
}
