import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/**
 * A folder of the test's own, removed with all in it on disposal. Its path is short: sockets below it must
 * stay under 104 bytes.
 */
export async function tempDir(prefix = 'ow'): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), `${prefix}-`)));
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      // A process that is just ending may still write: try again for a while.
      await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}
