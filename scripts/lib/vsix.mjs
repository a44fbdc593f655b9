// Packaging and inspecting one platform's VSIX. Runs under the product's Node.
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repo } from './paths.mjs';

const run = promisify(execFile);

/** The size limit of a package, in bytes, without its native files. */
export const sizeLimit = 2 * 1024 * 1024;

/** @typedef {{ name: string, compressed: number, size: number, mode: number }} Entry */

/**
 * The entries of a zip file, from its central directory.
 * @param {string} file
 * @returns {Promise<Entry[]>}
 */
export async function zipEntries(file) {
  const bytes = await readFile(file);
  const end = bytes.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'));
  if (end < 0) throw new Error(`${file} is not a zip file.`);
  const entries = [];
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = bytes.readUInt16LE(at + 28);
    entries.push({
      name: bytes.toString('utf8', at + 46, at + 46 + nameLength),
      compressed: bytes.readUInt32LE(at + 20),
      size: bytes.readUInt32LE(at + 24),
      mode: (bytes.readUInt32LE(at + 38) >>> 16) & 0o777,
    });
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return entries;
}

/**
 * Packages dist/ (built for `target`) into `out`.
 * @param {string} target
 * @param {string} out path of the VSIX
 */
export async function packVsix(target, out) {
  const vsce = join(repo, 'node_modules/@vscode/vsce/vsce');
  // The README's pictures and links are relative; without a repository address there is nothing to rewrite them to.
  const flags = [
    '--no-dependencies',
    '--allow-missing-repository',
    '--no-rewrite-relative-links',
    '--skip-license',
  ];
  await run(process.execPath, [vsce, 'package', ...flags, '--target', target, '--out', out], { cwd: repo });
}

const required = [
  'extension/package.json',
  'extension/readme.md',
  'extension/changelog.md',
  'extension/dist/extension.js',
  'extension/dist/workbench.js',
  'extension/dist/processHost.js',
  'extension/dist/worker.js',
  'extension/dist/cli.js',
  'extension/dist/webview/runPanel.js',
  'extension/dist/webview/runPanel.css',
  'extension/dist/THIRD_PARTY_NOTICES.txt',
  'extension/dist/webview/codicon.ttf',
  'extension/dist/node_modules/node-pty/lib/index.js',
];

/**
 * What a package holds and what is wrong with it.
 * @param {string} target
 * @param {string} file
 */
export async function inspectVsix(target, file) {
  const entries = await zipEntries(file);
  const isNative = (/** @type {Entry} */ { name }) => name.includes('/node-pty/prebuilds/');
  const native = entries.filter(isNative);
  const total = (await stat(file)).size;
  const withoutNative = total - native.reduce((sum, { compressed }) => sum + compressed, 0);
  const names = new Set(entries.map(({ name }) => name));
  const prefix = `extension/dist/node_modules/node-pty/prebuilds/${target}/`;
  const library = target.startsWith('win32-') ? 'conpty.node' : 'pty.node';

  const problems = [...required, `${prefix}${library}`]
    .filter((name) => !names.has(name))
    .map((name) => `${name} is missing`);
  for (const { name } of native) {
    if (!name.startsWith(prefix)) problems.push(`${name} belongs to another platform`);
  }
  for (const { name } of entries) {
    const stray =
      name.startsWith('extension/') && !/^extension\/(dist|media|l10n)\/|^extension\/[^/]+$/.test(name);
    if (stray || /\.(map|pdb|ts)$|\/meta\//.test(name))
      problems.push(`${name} does not belong into a package`);
  }
  const helper = entries.find(({ name }) => name === `${prefix}spawn-helper`);
  if (target.startsWith('darwin-') && (helper === undefined || (helper.mode & 0o111) === 0)) {
    problems.push(`${prefix}spawn-helper is missing or not executable`);
  }
  if (withoutNative > sizeLimit) {
    problems.push(`${withoutNative} bytes without the native part; the limit is ${sizeLimit}`);
  }
  return { total, withoutNative, files: entries.length, problems };
}
