// npm run test:electron: the in-host suite in a desktop VS Code, for machines with a display. Uses the VS Code
// named by VSCODE_EXECUTABLE, or downloads one (which needs the internet).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTests } from '@vscode/test-electron';
import { repo } from './lib/paths.mjs';
import { exitWith, runQuietly } from './lib/run.mjs';

await exitWith(async () => {
  await runQuietly('Building', process.execPath, ['esbuild.mjs', '--production'], { log: 'build' });
  await runQuietly('Bundling the suite', process.execPath, ['scripts/buildHostTests.mjs'], {
    log: 'host-tests',
  });
  const workspace = await mkdtemp(join(tmpdir(), 'ow-electron-'));
  const executable = process.env['VSCODE_EXECUTABLE'];
  try {
    return await runTests({
      extensionDevelopmentPath: repo,
      extensionTestsPath: join(repo, 'dist-test/host/index.js'),
      launchArgs: [workspace, '--disable-workspace-trust', '--disable-extensions'],
      ...(executable === undefined ? {} : { vscodeExecutablePath: executable }),
    });
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
});
