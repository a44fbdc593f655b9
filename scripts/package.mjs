// npm run package [-- --target linux-x64] ...: dist-vsix/orchestration-workbench-<target>-<version>.vsix
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { copyNodePty, targets } from './lib/nativeFiles.mjs';
import { repo } from './lib/paths.mjs';
import { SetupError, exitWith, runQuietly, say } from './lib/run.mjs';
import { inspectVsix, packVsix } from './lib/vsix.mjs';

const kilobytes = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(0)} KB`;

await exitWith(async () => {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true, default: targets },
      out: { type: 'string', default: join(repo, 'dist-vsix') },
      // What dist/ holds is packaged as it is: for callers that have just built.
      'no-build': { type: 'boolean', default: false },
    },
  });
  const unknown = values.target.filter((target) => !targets.includes(target));
  if (unknown.length > 0)
    throw new SetupError(`Unknown target ${unknown.join(', ')}; there are ${targets.join(', ')}.`);

  if (!values['no-build']) {
    await runQuietly('Building for production', process.execPath, ['esbuild.mjs', '--production'], {
      log: 'build',
    });
  }
  const { name, version } = JSON.parse(await readFile(join(repo, 'package.json'), 'utf8'));
  await mkdir(values.out, { recursive: true });
  let failed = false;
  for (const target of values.target) {
    // The bundles are the same everywhere; only the native files change.
    await copyNodePty(target);
    const file = join(values.out, `${name}-${target}-${version}.vsix`);
    await rm(file, { force: true });
    await packVsix(target, file);
    const { total, withoutNative, files, problems } = await inspectVsix(target, file);
    say(
      `${relative(repo, file)}: ${kilobytes(total)}, ${kilobytes(withoutNative)} without the native part, ${files} files`,
    );
    for (const problem of problems) console.error(`  ${problem}`);
    failed ||= problems.length > 0;
  }
  await copyNodePty(`${process.platform}-${process.arch}`);
  return failed ? 1 : 0;
});
