// Writes package.json's `contributes`, `activationEvents` and `capabilities` from src/vscode/contributions.ts,
// where commands, settings and views are typed once. With --check it changes nothing and fails when the two differ.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Source {
  readonly contributions: unknown;
  readonly activationEvents: readonly string[];
  readonly capabilities: unknown;
}

const repo = join(import.meta.dirname, '..');
const source = join(repo, 'src/vscode/contributions.ts');
const manifest = join(repo, 'package.json');

function isSource(value: object): value is Source {
  const names = ['contributions', 'activationEvents', 'capabilities'];
  return names.every((name) => name in value);
}

async function main(): Promise<number> {
  if (!existsSync(source)) {
    console.warn('src/vscode/contributions.ts is not there yet: nothing to do.');
    return 0;
  }
  const module = (await import(pathToFileURL(source).href)) as object;
  if (!isSource(module)) {
    console.error(
      'src/vscode/contributions.ts must export `contributions`, `activationEvents` and `capabilities`.',
    );
    return 1;
  }
  const before = await readFile(manifest, 'utf8');
  const wanted = JSON.parse(before) as Record<string, unknown>;
  wanted['activationEvents'] = module.activationEvents;
  wanted['capabilities'] = module.capabilities;
  wanted['contributes'] = module.contributions;
  // Compared as data: the formatter decides how arrays are broken into lines.
  const same = JSON.stringify(wanted) === JSON.stringify(JSON.parse(before));
  if (same) {
    console.log('package.json agrees with src/vscode/contributions.ts.');
    return 0;
  }
  if (process.argv.includes('--check')) {
    console.error('package.json does not agree with src/vscode/contributions.ts. Run: npm run manifest');
    return 1;
  }
  await writeFile(manifest, `${JSON.stringify(wanted, null, 2)}\n`);
  console.log('package.json was written anew from src/vscode/contributions.ts.');
  return 0;
}

process.exitCode = await main();
