// Writes package.json's `contributes`, `activationEvents` and `capabilities` from src/vscode/contributions.ts,
// where commands, settings and views are typed once, README.md's table of settings, and the schema of task manifests. With --check it changes nothing and fails when the two differ.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { taskManifest } from '../src/vscode/contributions/ids.ts';
import { taskManifestSchema } from '../src/vscode/contributions/taskManifestSchema.ts';

interface Source {
  readonly contributions: unknown;
  readonly activationEvents: readonly string[];
  readonly capabilities: unknown;
}

const repo = join(import.meta.dirname, '..');
const source = join(repo, 'src/vscode/contributions.ts');
const manifest = join(repo, 'package.json');
const readme = join(repo, 'README.md');
const schema = join(repo, taskManifest.schema);

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
  const readmeBefore = await readFile(readme, 'utf8');
  const readmeWanted = withSettingsTable(readmeBefore, settingsOf(module.contributions));
  const schemaBefore = existsSync(schema) ? await readFile(schema, 'utf8') : 'null';
  const schemaWanted = taskManifestSchema();
  // Compared as data: the formatter decides how arrays are broken into lines.
  const same =
    JSON.stringify(wanted) === JSON.stringify(JSON.parse(before)) &&
    JSON.stringify(schemaWanted) === JSON.stringify(JSON.parse(schemaBefore)) &&
    readmeWanted === readmeBefore;
  if (same) {
    console.log(
      'package.json, README.md and the schema of task manifests agree with src/vscode/contributions.ts.',
    );
    return 0;
  }
  if (process.argv.includes('--check')) {
    console.error(
      'package.json, README.md or the schema of task manifests does not agree with src/vscode/contributions.ts. Run: npm run manifest',
    );
    return 1;
  }
  await writeFile(manifest, `${JSON.stringify(wanted, null, 2)}\n`);
  await writeFile(readme, readmeWanted);
  await writeFile(schema, `${JSON.stringify(schemaWanted, null, 2)}\n`);
  console.log(
    'package.json, README.md and the schema of task manifests were written anew from src/vscode/contributions.ts.',
  );
  return 0;
}

interface Setting {
  readonly default?: unknown;
  readonly description?: string;
  readonly markdownDescription?: string;
}

function settingsOf(contributions: unknown): [string, Setting][] {
  const { configuration } = contributions as {
    configuration: readonly { readonly properties: Readonly<Record<string, Setting>> }[];
  };
  return configuration.flatMap(({ properties }) => Object.entries(properties));
}

/** The table between the two marks of README.md: one row a setting, with the first paragraph of its description. */
function withSettingsTable(text: string, settings: readonly [string, Setting][]): string {
  const rows = settings.map(([name, setting]) => {
    const [about = ''] = (setting.markdownDescription ?? setting.description ?? '').split('\n');
    const plain = about.replaceAll(/`#([\w.]+)#`/g, '`$1`').replaceAll('|', '\\|');
    return `| \`${name.replace('orchestrator.', '')}\` | \`${JSON.stringify(setting.default)}\` | ${plain} |`;
  });
  const table = ['| Setting | Default | |', '| --- | --- | --- |', ...rows].join('\n');
  return text.replace(/(<!-- settings:begin -->\n)[^]*?(<!-- settings:end -->)/, `$1${table}\n$2`);
}

process.exitCode = await main();
