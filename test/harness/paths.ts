import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { artifacts, repo } from '../../scripts/lib/paths.mjs';

export { repo };

/** The path of an artifact (screenshot, log) that outlives the test; its folder is made. */
export function artifact(...names: string[]): string {
  const path = join(artifacts, ...names);
  mkdirSync(join(path, '..'), { recursive: true });
  return path;
}

/** The packaged extension of this platform: `npm test` makes it before the browser tests. */
export function packagedVsix(version: string): string {
  const name = `orchestration-workbench-${process.platform}-${process.arch}-${version}.vsix`;
  return join(repo, 'dist-vsix', name);
}
