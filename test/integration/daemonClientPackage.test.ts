// The daemon's client as it is published: packed by npm, installed into a project of its own, used there from Node,
// by the type checker, by a bundler, and in a real browser.
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { copyFile, cp, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { startDaemon } from '../harness/daemon.ts';
import { repo } from '../harness/paths.ts';
import { type TempDir, tempDir } from '../harness/tempDir.ts';

const run = promisify(execFile);
const fixtures = join(repo, 'test/integration/fixtures/daemonClient');
let dir: TempDir;
/** A project that depends on nothing but the package. */
let project: string;
/** In it: the package. */
let installed: string;

beforeAll(async () => {
  dir = await tempDir('ow-client');
  const stage = join(dir.path, 'stage');
  await mkdir(stage);
  for (const file of ['package.json', '.npmignore', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    await copyFile(join(repo, file), join(stage, file));
  }
  await run(process.execPath, ['esbuild.mjs', '--production', '--out', join(stage, 'dist')], { cwd: repo });
  // Its prepack has just been done, beside the dist/ that other tests may be using.
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: stage });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];

  project = join(dir.path, 'project');
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'project', type: 'module' }));
  await run(
    'npm',
    [
      'install',
      '--omit=optional',
      '--ignore-scripts',
      '--no-audit',
      '--prefer-offline',
      join(stage, filename),
    ],
    { cwd: project },
  );
  installed = join(project, 'node_modules/orchestration-workbench');
}, 180_000);

afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

describe('the package', () => {
  it('holds the client, its types, and nothing of a browser extension that nobody asked for', async () => {
    const files = await readdir(join(installed, 'dist/client'));
    for (const file of ['daemonClient.mjs', 'daemonClient.d.mts', 'react.mjs', 'react.d.mts']) {
      expect(files).toContain(file);
    }
    expect(files.filter((file) => file.endsWith('.map'))).toEqual([]);
    const folders = await readdir(join(installed, 'dist'));
    expect(folders).toContain('cli.js');
    expect(folders).not.toContain('webview');
    // React is the application's own, or is not there at all.
    await expect(readdir(join(project, 'node_modules/react'))).rejects.toThrow('ENOENT');
    const types = await readFile(join(installed, 'dist/client/daemonClient.d.mts'), 'utf8');
    expect(types).not.toMatch(/\bfrom ['"]|\bimport\(/);
  });

  it.each(['json', 'cbor'])('works in Node, which needs nothing else (%s)', async (encoding) => {
    await using daemon = await startDaemon();
    await writeFile(
      join(project, 'script.mjs'),
      `import { DaemonClient } from 'orchestration-workbench/daemon-client';
       const [url, token, encoding] = process.argv.slice(2);
       const client = new DaemonClient({ url, token, encoding });
       await client.connect();
       const done = new Promise((resolve) => client.on('task_completed', resolve));
       let text = '';
       client.on('stream_chunk', ({ chunk }) => (text += chunk));
       await client.spawnSession({ sessionType: 'shell', task: 'echo from-node' });
       await done;
       client.disconnect();
       console.log(text);`,
    );
    const { stdout } = await run(
      process.execPath,
      [join(project, 'script.mjs'), daemon.url, daemon.token, encoding],
      { timeout: 20_000 },
    );
    expect(stdout).toContain('from-node');
  });

  it('can be required, too', async () => {
    const script = `console.log(typeof require('orchestration-workbench/daemon-client').getDaemonClient)`;
    const { stdout } = await run(process.execPath, ['--input-type=commonjs', '--eval', script], {
      cwd: project,
    });
    expect(stdout.trim()).toBe('function');
  });
});

describe('the documentation', () => {
  it.each(['node.mjs', 'terminal.mjs', 'pool.mjs'])('has %s, which runs as it is printed', async (name) => {
    await using daemon = await startDaemon();
    await writeFile(join(project, name), (await examples()).get(name)!);
    const { stdout } = await run(process.execPath, [join(project, name)], {
      env: { ...process.env, DAEMON_URL: daemon.url, DAEMON_TOKEN: daemon.token },
      timeout: 20_000,
    });
    expect(stdout).not.toBe('');
  });
});

describe('in an application with React', () => {
  beforeAll(async () => {
    const modules = join(project, 'node_modules');
    await mkdir(join(modules, '@types'), { recursive: true });
    for (const name of [
      'react',
      'react-dom',
      'scheduler',
      '@types/react',
      '@types/react-dom',
      'csstype',
      'ws',
      '@types/ws',
      '@types/node',
      'undici-types',
    ]) {
      await symlink(join(repo, 'node_modules', name), join(modules, name));
    }
    await cp(fixtures, project, { recursive: true });
  });

  it('has types for all that seed 002 prints, and for the page, without any other library', async () => {
    const compilerOptions = {
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      target: 'es2022',
      lib: ['es2022', 'dom', 'dom.iterable'],
      module: 'nodenext',
      moduleResolution: 'nodenext',
      jsx: 'react-jsx',
      types: [],
      preserveSymlinks: true,
      paths: {
        '@/lib/daemon-client': ['./node_modules/orchestration-workbench/dist/client/daemonClient.d.mts'],
        '@/hooks': ['./node_modules/orchestration-workbench/dist/client/react.d.mts'],
      },
    };
    const files = ['seed.tsx', 'page.tsx', 'wrong.ts', 'sessions.tsx', 'ws.ts'];
    for (const name of ['sessions.tsx', 'ws.ts']) {
      await writeFile(join(project, name), (await examples()).get(name)!);
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(repo, 'node_modules/typescript/bin/tsc');
    const checked = run(process.execPath, [tsc, '--project', project, '--listFilesOnly']);
    expect((await checked).stdout).toContain('daemonClient.d.mts');
    const { stdout } = await run(process.execPath, [tsc, '--project', project]).catch(outputOf);
    expect(stdout).toBe('');
  });

  it('shows sessions and streams in a real browser, and takes them up again after a restart', async () => {
    await using site = await serveApplication();
    await using daemon = await startDaemon({ origins: [site.origin] });
    await using browser = await Browser.launch();
    const page = await browser.context.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(
      `${site.origin}/?${new URLSearchParams({ url: daemon.url, token: daemon.token }).toString()}`,
    );
    await shows(page, '#state', 'connected');
    await shows(page, '#daemon', 'running');
    expect(await page.locator('li').count()).toBe(0);

    await page.click('#spawn');
    await page.locator('li').waitFor();
    await shows(page, '#finished', '1');
    await page.click('.execute');
    await shows(page, '#finished', '2');
    await shows(page, '#streaming', 'quiet');
    await shows(page, 'pre', /line 1\s+line 2\s[^]*line 20\s*$/);
    expect(Number(await page.textContent('#chunks'))).toBeGreaterThan(0);

    await daemon.restart();
    await shows(page, '#state', 'connected');
    await page.click('.execute');
    await shows(page, '#finished', '3');
    await shows(page, 'pre', /^line 1\s+line 2\s[^]*line 20\s*$/);

    await page.click('.stop');
    await page.locator('li').waitFor({ state: 'detached' });
    await shows(page, 'h2', /terminated$/);
    expect(await page.textContent('#error')).toBe('');
    expect(problems).toEqual([]);
  });
});

/** The examples of docs/daemon-client.md by the name in their first line. */
async function examples(): Promise<Map<string, string>> {
  const text = await readFile(join(repo, 'docs/daemon-client.md'), 'utf8');
  return new Map(
    [...text.matchAll(/^```\w+\n(\/\/ (\S+)\n[^]*?)^```$/gm)].map(([, code = '', name = '']) => [name, code]),
  );
}

/** What a program said before it failed. */
function outputOf(error: unknown): { readonly stdout: string } {
  if (error instanceof Error && 'stdout' in error && error.stdout !== '')
    return { stdout: String(error.stdout) };
  throw error;
}

async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page
    .locator(selector)
    .filter({ hasText: typeof text === 'string' ? new RegExp(`^${text}$`) : text })
    .waitFor({ timeout: 15_000 });
}

/** The page, bundled for the browser as an application does it. */
async function serveApplication(): Promise<{ readonly origin: string } & AsyncDisposable> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(project, 'page.tsx')],
    bundle: true,
    write: false,
    splitting: true,
    format: 'esm',
    outdir: '/assets',
    platform: 'browser',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    tsconfigRaw: {},
    preserveSymlinks: true,
    logLevel: 'warning',
  });
  const scripts = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const script = scripts.get(pathname);
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(
      script ??
        '<!doctype html><title>Page</title><body><script type="module" src="/assets/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
