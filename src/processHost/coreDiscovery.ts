import { resolve, sep } from 'node:path';
import { listServingCores, type ServingCore } from './coreHolder.ts';

/**
 * The core that a command in this directory is meant for: the one whose workspace folder or state directory contains
 * it, the deepest of them; of several on the same folder the newest.
 */
export function findServingCore(
  directory: string,
  cores: readonly ServingCore[] = listServingCores(),
): ServingCore | undefined {
  const here = resolve(directory);
  let found: ServingCore | undefined;
  let depth = -1;
  for (const core of cores) {
    for (const folder of [core.stateDir, ...(core.holder.folders ?? [])]) {
      const path = resolve(folder);
      if (!contains(path, here) || path.length <= depth) continue;
      found = core;
      depth = path.length;
    }
  }
  return found;
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
