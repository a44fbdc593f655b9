// Bundles test/host into dist-test/host, where the extension host loads it from.
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { repo } from './lib/paths.mjs';

const source = join(repo, 'test/host');
const names = readdirSync(source).filter((name) => name === 'index.ts' || name.endsWith('.test.ts'));
const outdir = join(repo, 'dist-test/host');
await rm(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: repo,
  entryPoints: names.map((name) => join(source, name)),
  outdir,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  sourcemap: 'linked',
  external: ['vscode', 'mocha'],
  tsconfig: 'tsconfig/test.json',
  logLevel: 'warning',
});
console.log(`bundled ${names.length} files of the in-host suite`);
