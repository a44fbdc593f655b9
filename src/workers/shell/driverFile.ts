import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DriverFile {
  readonly path: string;
  /** Removes the file and its folder, at once. May be called again; never throws. */
  remove(): void;
}

/** Makes the driver script's file. */
export type WriteDriverFile = (script: string) => Promise<DriverFile>;

/**
 * Writes the driver script where only this user can read it: a new folder (0700) in `parent`, with a file (0600). It
 * holds the run's nonce and commands. The shell removes the file when it has read it; what is left goes when `remove`
 * is called, and at the latest when this process exits (the process host may be lost at any moment).
 */
export async function writeDriverFile(script: string, parent: string = tmpdir()): Promise<DriverFile> {
  const folder = await mkdtemp(join(parent, 'orchestrator-run-'));
  const remove = (): void => {
    process.off('exit', remove);
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // A run does not fail for a file that somebody else has taken out of our hands.
    }
  };
  process.on('exit', remove);
  const path = join(folder, 'driver');
  try {
    await writeFile(path, script, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}
