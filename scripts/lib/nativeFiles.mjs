// node-pty is the one native module. A package for one platform carries exactly that platform's files.
import { chmod, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { repo } from './paths.mjs';

/** The targets of the Marketplace that we package. musl (Alpine) has no prebuilt node-pty. */
export const targets = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];

export const hostTarget = `${process.platform}-${process.arch}`;

/** @param {string} file */
const wanted = (file) => !/\.(pdb|map|md)$|\.test\.js$/.test(file);

/**
 * Copies what `require('node-pty')` needs on `target` below `dist`, and nothing of any other platform.
 * @param {string} target e.g. linux-x64
 * @param {string} dist
 */
export async function copyNodePty(target, dist = join(repo, 'dist')) {
  const source = join(repo, 'node_modules/node-pty');
  const destination = join(dist, 'node_modules/node-pty');
  const prebuilt = await readdir(join(source, 'prebuilds'));
  if (!prebuilt.includes(target)) {
    throw new Error(`node-pty has no prebuilt files for ${target}; it has ${prebuilt.join(', ')}.`);
  }
  await rm(destination, { recursive: true, force: true });
  await mkdir(destination, { recursive: true });
  for (const part of ['package.json', 'LICENSE', 'lib', `prebuilds/${target}`]) {
    await cp(join(source, part), join(destination, part), { recursive: true, filter: wanted });
  }
  if (target.startsWith('darwin-')) {
    // npm keeps the bit, but a cache or a copy through another file system may have lost it, and without it
    // every spawn on macOS fails.
    await chmod(join(destination, 'prebuilds', target, 'spawn-helper'), 0o755);
  }
}
