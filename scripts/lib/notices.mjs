// The licences of what is bundled: their texts must travel with the bundles.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from './paths.mjs';

/** @param {string} input a path below node_modules, as a metafile names it */
function packageOf(input) {
  const at = input.lastIndexOf('node_modules/');
  if (at < 0) return undefined;
  const [scope = '', name = ''] = input.slice(at + 'node_modules/'.length).split('/');
  return `${input.slice(0, at)}node_modules/${scope.startsWith('@') ? `${scope}/${name}` : scope}`;
}

/** Packages that are copied and not bundled, so no metafile names them. */
const copied = ['node_modules/node-pty', 'node_modules/@vscode/codicons'];

/**
 * @param {string[]} inputs all inputs of all bundles
 * @returns {string} the text of THIRD_PARTY_NOTICES.txt
 */
export function thirdPartyNotices(inputs) {
  const packages = new Set(copied);
  for (const input of inputs) {
    const name = packageOf(input);
    if (name !== undefined) packages.add(name);
  }
  /** @type {Map<string, string[]>} names by the text that they share */
  const texts = new Map();
  for (const path of [...packages].sort()) {
    const folder = join(repo, path);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const text =
      file !== undefined && existsSync(join(folder, file))
        ? readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim()
        : '';
    const title = `${name} ${version} (${license})`;
    texts.set(text, [...new Set([...(texts.get(text) ?? []), title])]);
  }
  const notices = [...texts].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  return `This product contains the following third-party software.\n\n${notices.join(`\n${'-'.repeat(78)}\n\n`)}`;
}
