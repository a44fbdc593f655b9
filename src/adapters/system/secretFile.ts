import { lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { OrchestratorError } from '../../base/errors.ts';
import type { SecretStore } from '../../core/ports/secretStore.ts';

/**
 * Secrets in one file of the state directory, 0600 and held by one core. What others could have read is not used.
 * Errors: `state_dir_unsafe` for what is no file of this user's; `disk_full`.
 */
export function createSecretFile(path: string): SecretStore {
  let known: Map<string, string> | undefined;
  const secrets = (): Map<string, string> => (known ??= readSecrets(path));
  const change = (edit: (all: Map<string, string>) => void): void => {
    const all = new Map(secrets());
    edit(all);
    writeSecrets(path, all);
    known = all;
  };
  return {
    get: (key) => attempt(() => secrets().get(key)),
    set: (key, value) => attempt(() => change((all) => all.set(key, value))),
    delete: (key) => attempt(() => (secrets().has(key) ? change((all) => all.delete(key)) : undefined)),
  };
}

function attempt<T>(action: () => T): Promise<T> {
  return new Promise((resolve) => resolve(action()));
}

function readSecrets(path: string): Map<string, string> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return new Map();
  const isPosix = process.platform !== 'win32';
  if (!stats.isFile() || (isPosix && stats.uid !== process.getuid?.())) {
    throw new OrchestratorError(
      'PERMISSION_DENIED',
      'state_dir_unsafe',
      `${path} is ${stats.isFile() ? 'owned by another user' : 'no file'}. Secrets are kept there: move it away.`,
      { details: { path } },
    );
  }
  if (isPosix && (stats.mode & 0o077) !== 0) return new Map();
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as unknown;
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch {
    // Torn, or edited by hand: signing in again makes a new one.
    return new Map();
  }
}

/** As a whole: a reader sees the old or the new one. */
function writeSecrets(path: string, secrets: ReadonlyMap<string, string>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, JSON.stringify(Object.fromEntries(secrets)), { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    throw OrchestratorError.from(error);
  }
}
