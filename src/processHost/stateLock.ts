import { closeSync, existsSync, openSync } from 'node:fs';
import { type Disposable, toDisposable } from '../base/disposable.ts';
import { systemCode } from './files.ts';

/**
 * Takes the lock file at `path` for the life of this process, or until disposed. It is a database of SQLite's held by
 * an exclusive transaction: the kernel frees that at any kind of death, so that a lock is never left behind, and no
 * process has to guess from a pid whether its holder still lives.
 * @returns undefined where another holds it.
 */
export function acquireStateLock(path: string): Disposable | undefined {
  // SQLite would make it with the umask's mode. One that is there must not be opened by ourselves: closing it would free
  // the lock that another holder in this very process has on it (POSIX).
  if (!existsSync(path)) createPrivate(path);
  // Loaded when needed: a Node that lacks it must get as far as being told that it is too old.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return toDisposable(() => {
    database.close();
  });
}

function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    // Another process was quicker.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

/** SQLITE_BUSY is 5; its extended codes carry it in the low byte. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === 5
  );
}
