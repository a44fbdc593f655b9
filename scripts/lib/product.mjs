// Building what `npm start` shows, and only when something changed. Built-ins only.
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostTarget } from './nativeFiles.mjs';
import { repo } from './paths.mjs';
import { runQuietly } from './run.mjs';
import { productEnvironment, productNode } from './setup.mjs';

const sources = [
  'src',
  'webview-ui',
  'media',
  'l10n',
  'scripts',
  'esbuild.mjs',
  'package.json',
  'package-lock.json',
];

/** @param {string} path @returns {Promise<number>} the newest change below it, in milliseconds */
async function newestChange(path) {
  if (!existsSync(path)) return 0;
  const self = await stat(path);
  if (!self.isDirectory()) return self.mtimeMs;
  const below = await Promise.all((await readdir(path)).map((name) => newestChange(join(path, name))));
  return Math.max(self.mtimeMs, ...below);
}

async function sourceStamp() {
  const times = await Promise.all(sources.map((name) => newestChange(join(repo, name))));
  return String(Math.max(...times));
}

/** @param {string} file @returns {Promise<string>} its text, or nothing */
const readOptional = async (file) => (existsSync(file) ? readFile(file, 'utf8') : '');

/** Builds dist/ for production unless it is up to date. */
export async function ensureBuild() {
  const stamp = await sourceStamp();
  const stampFile = join(repo, 'dist/meta/stamp');
  if ((await readOptional(stampFile)) === stamp) return stamp;
  const options = { env: productEnvironment(), log: 'build' };
  await runQuietly('Building', productNode(), ['esbuild.mjs', '--production'], options);
  await writeFile(stampFile, stamp);
  return stamp;
}

/**
 * The VSIX of this platform, packaged unless it is up to date.
 * @returns {Promise<{ file: string, stamp: string }>}
 */
export async function ensureVsix() {
  const out = join(repo, '.cache/vsix');
  const { name, version } = JSON.parse(await readFile(join(repo, 'package.json'), 'utf8'));
  const file = join(out, `${name}-${hostTarget}-${version}.vsix`);
  const stamp = await ensureBuild();
  const stampFile = join(out, 'stamp');
  if (existsSync(file) && (await readOptional(stampFile)) === stamp) return { file, stamp };
  await mkdir(out, { recursive: true });
  const args = ['scripts/package.mjs', '--no-build', '--target', hostTarget, '--out', out];
  await runQuietly('Packaging the extension', productNode(), args, {
    env: productEnvironment(),
    log: 'package',
  });
  await writeFile(stampFile, stamp);
  return { file, stamp };
}
