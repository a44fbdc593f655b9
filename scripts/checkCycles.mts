// Fails when files of src/ or webview-ui/src import each other in a circle, types included: a circle between
// files means that neither can be understood, tested or moved alone.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const repo = join(import.meta.dirname, '..');
const importPattern =
  /(?:^|[;}\s])(?:import|export)\s[^'"`;]*?from\s*'(\.[^']+)'|import\s*\(?\s*'(\.[^']+)'/g;

const files = ['src', 'webview-ui/src'].flatMap((folder) =>
  readdirSync(join(repo, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(repo, folder, name)),
);

const imports = new Map(
  files.map((file) => {
    const text = readFileSync(file, 'utf8').replaceAll(/^\s*(?:\/\/|\*).*$/gm, '');
    const targets = [...text.matchAll(importPattern)].map((match) =>
      resolve(dirname(file), match[1] ?? match[2] ?? ''),
    );
    return [file, targets] as const;
  }),
);

/** Depth first: a file met again while it is still on the path closes a circle. */
function findCycles(): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      cycles.push([...path.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of imports.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of files) visit(file);
  return cycles;
}

const cycles = findCycles();
for (const cycle of cycles)
  console.error(`circle: ${cycle.map((file) => relative(repo, file)).join(' -> ')}`);
if (cycles.length === 0) console.log(`No circles among ${files.length} files.`);
process.exitCode = cycles.length === 0 ? 0 : 1;
