import { OrchestratorError } from '../../base/errors.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const sqlite = { busy: 5, locked: 6, readOnly: 8, io: 10, corrupt: 11, full: 13, notADatabase: 26 } as const;

/** Whether the error says that the file is not a sound database. */
export function isCorruption(error: unknown): boolean {
  const code = primaryCode(error);
  return code === sqlite.corrupt || code === sqlite.notADatabase;
}

/** Any error of SQLite as one of ours, with a message that says what to do. */
export function sqliteError(error: unknown, path: string): OrchestratorError {
  if (error instanceof OrchestratorError) return error;
  const code = primaryCode(error);
  if (code === sqlite.full) {
    // Its text is what `from` knows a full disk by, whatever language or version the driver speaks.
    return OrchestratorError.from(new Error('database or disk is full', { cause: error }));
  }
  if (isCorruption(error)) return corruptStore(path, error);
  if (code === sqlite.busy || code === sqlite.locked) {
    return new OrchestratorError(
      'UNAVAILABLE',
      'state_in_use',
      `Another program is using ${path}. Close it and try again.`,
      { cause: error },
    );
  }
  return OrchestratorError.from(error);
}

export function corruptStore(path: string, cause: unknown): OrchestratorError {
  return new OrchestratorError(
    'DATA_LOSS',
    'store_corrupt',
    `The database ${path} is damaged. Start again: it will be checked, kept aside if needed, and a new one begun.`,
    { cause },
  );
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
