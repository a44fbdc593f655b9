import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IdSource } from '../../base/ids.ts';

/**
 * The id of a state directory, made with its first use and kept for ever: by it containers are known as ours. It is
 * not in the store, so that a broken store that is moved aside does not orphan them. Called under the state lock.
 */
export function installationId(stateDir: string, ids: IdSource): string {
  const path = join(stateDir, 'installation');
  try {
    const id = readFileSync(path, 'utf8').trim();
    if (/^[0-9a-f]{32}$/.test(id)) return id;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const id = ids.hexId();
  writeFileSync(path, `${id}\n`, { mode: 0o600 });
  return id;
}
