import type { DatabaseSync } from 'node:sqlite';
import { OrchestratorError } from '../../base/errors.ts';

/**
 * One entry a version of the schema, the oldest first; `PRAGMA user_version` holds how many have been applied. An
 * entry is never changed once released: a change is a new entry.
 *
 * Things are kept whole, as JSON, with only those parts as columns that are looked for. `position` is the order of
 * creation. Sequences come from AUTOINCREMENT, which never gives a number twice, even when the newest events are
 * deleted.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE session (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE terminal (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE run (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    is_live INTEGER NOT NULL,
    task_folded TEXT NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX run_by_session ON run (session_id, position);
  CREATE INDEX run_live ON run (position) WHERE is_live = 1;

  CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    time INTEGER NOT NULL,
    session_id TEXT,
    run_id TEXT,
    terminal_id TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_by_session ON event (session_id, sequence) WHERE session_id IS NOT NULL;
  CREATE INDEX event_by_run ON event (run_id, sequence) WHERE run_id IS NOT NULL;
  CREATE INDEX event_by_terminal ON event (terminal_id, sequence) WHERE terminal_id IS NOT NULL;

  CREATE TABLE worker_cursor (
    worker_id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Sessions get what contract 001 tells of them; `idle` now means untouched for long, so that nothing must change there.
  `
  UPDATE session SET json = json_patch(
    json_object(
      'description', '', 'labels', json('{}'), 'tags', json('[]'), 'taskHistory', json('[]'),
      'updatedAt', json_extract(json, '$.lastActiveAt'),
      'preferences', json('{"timezone":"","language":"","theme":"","notifications":false}'),
      'config', json('{
        "maxContainers":0,"maxDurationMs":0,"idleTimeoutMs":0,
        "resourceLimits":{"nanoCpus":0,"memoryBytes":0,"memorySwap":0},"allowedImages":[]
      }')
    ),
    json
  ) WHERE json_valid(json);

  CREATE TABLE message (
    position INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    id TEXT NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX message_by_id ON message (session_id, id);
  CREATE INDEX message_by_session ON message (session_id, position);

  CREATE TABLE agent (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE task (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    agent_id TEXT,
    is_live INTEGER NOT NULL,
    json TEXT NOT NULL
  ) STRICT;
  CREATE INDEX task_by_session ON task (session_id, position);
  CREATE INDEX task_by_agent ON task (agent_id, position);
  CREATE INDEX task_live ON task (position) WHERE is_live = 1;

  CREATE TABLE task_chunk (
    task_id TEXT NOT NULL,
    is_input INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    end INTEGER NOT NULL,
    stream TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (task_id, is_input, offset)
  ) STRICT;

  ALTER TABLE event ADD COLUMN extra TEXT;
  `,
  // What the containers of a session may have is always said: nothing, where it was not.
  `
  UPDATE session SET json = json_patch(
    json('{"config":{"policy":{
      "allowNetwork":false,"allowedNetworks":[],"allowVolumeMount":false,"allowedPaths":[],"requireApproval":false
    }}}'),
    json
  ) WHERE json_valid(json);

  CREATE TABLE container (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE engineClaim (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;

  CREATE TABLE containerTask (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;
  `,
  // Keys of requests, and what is counted over the life of the store: begun with what there is of it.
  `
  CREATE TABLE request_key (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX request_key_by_time ON request_key (time);

  CREATE TABLE total (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO total (name, value)
  SELECT 'sessions', count(*) FROM session
  UNION ALL SELECT 'endedRuns', count(*) FROM run WHERE is_live = 0
  UNION ALL SELECT 'succeededRuns', count(*) FROM run
    WHERE json_valid(json) AND json_extract(json, '$.status') = 'succeeded'
  UNION ALL SELECT 'tokens', 0
  UNION ALL SELECT 'timedRuns', count(*) FROM run
    WHERE is_live = 0 AND json_valid(json) AND json_extract(json, '$.startedAt') IS NOT NULL
      AND json_extract(json, '$.endedAt') IS NOT NULL
  UNION ALL SELECT 'runMs', CAST(ifnull(sum(max(0,
      json_extract(json, '$.endedAt') - json_extract(json, '$.startedAt'))), 0) AS INTEGER)
    FROM run WHERE is_live = 0 AND json_valid(json);
  `,
];

export const schemaVersion = migrations.length;

export function readSchemaVersion(database: DatabaseSync): number {
  const version = database.prepare('PRAGMA user_version').get()?.['user_version'];
  return typeof version === 'number' ? version : 0;
}

/** Brings the schema up to date, each step in a transaction of its own. Error: `store_too_new`. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = readSchemaVersion(database);
  if (version > schemaVersion) throw tooNew(path, version);
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    database.exec(`BEGIN IMMEDIATE; ${migration}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
}

export function tooNew(path: string, version: number): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'store_too_new',
    `The database ${path} was written by a newer version of Orchestration Workbench. Update it, or use another ` +
      'state directory.',
    { details: { found: version, supported: schemaVersion } },
  );
}
