import { lstatSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type * as Heavy from './dockerode.ts';

/** What of a folder is sent to the engine to be built. */

/**
 * What .dockerignore leaves out of a folder, by absolute path. As with `docker build`, the Dockerfile and .dockerignore
 * are sent in any case: the engine needs them, and leaves them out itself.
 */
export function ignoredBy(
  heavy: Pick<typeof Heavy, 'createDockerIgnore'>,
  folder: string,
  dockerfile: string,
): (path: string) => boolean {
  let rules: string;
  try {
    rules = readFileSync(join(folder, '.dockerignore'), 'utf8');
  } catch {
    return () => false;
  }
  const ignore = heavy.createDockerIgnore({ ignorecase: false }).add(rules);
  const needed = [dockerfile, '.dockerignore'].map((path) => path.split(sep).join('/').replace(/^\.\//, ''));
  const roots = [...exceptions(rules), ...needed].map(fixedPart);
  return (path) => {
    const name = relative(folder, path).split(sep).join('/');
    if (name === '' || needed.includes(name) || !ignore.ignores(name)) return false;
    // A folder is walked all the same where something below it may be excepted.
    return !(roots.some((root) => mayHold(name, root)) && isFolder(path));
  };
}

function exceptions(rules: string): string[] {
  return rules
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('!'))
    .map((line) =>
      line
        .slice(1)
        .trim()
        .replace(/^\.?\/+/, '')
        .replace(/\/+$/, ''),
    );
}

/** Of a pattern, the folders that it names without a wildcard. */
function fixedPart(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?[\\]/.test(part));
  return (wild < 0 ? parts : parts.slice(0, wild)).join('/');
}

function mayHold(folder: string, root: string): boolean {
  return root === '' || `${root}/`.startsWith(`${folder}/`) || folder.startsWith(`${root}/`);
}

function isFolder(path: string): boolean {
  // Links are sent as they are, and never followed.
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
