// Builds dist/: node esbuild.mjs [--production] [--watch] [--target linux-x64] [--out dist] [--allow-missing]
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { clientDeclarations } from './scripts/lib/declarations.mjs';
import { copyNodePty, hostTarget } from './scripts/lib/nativeFiles.mjs';
import { thirdPartyNotices } from './scripts/lib/notices.mjs';
import { repo } from './scripts/lib/paths.mjs';

const { values: options } = parseArgs({
  options: {
    production: { type: 'boolean', default: false },
    watch: { type: 'boolean', default: false },
    'allow-missing': { type: 'boolean', default: false },
    target: { type: 'string', default: hostTarget },
    out: { type: 'string', default: join(repo, 'dist') },
  },
});
const { version } = JSON.parse(await readFile(join(repo, 'package.json'), 'utf8'));
const out = options.out;

/**
 * extension.ts loads the heavy half on demand: that import stays a require of the other bundle.
 * @type {esbuild.Plugin}
 */
const lazyWorkbench = {
  name: 'lazy-workbench',
  setup: (build) => {
    build.onResolve({ filter: /^\.\/workbench\.(ts|js)$/ }, ({ kind }) =>
      kind === 'dynamic-import' || kind === 'require-call'
        ? { path: './workbench.js', external: true }
        : undefined,
    );
  },
};

/**
 * What talks to container engines, MCP and models is big and rarely needed: a bundle of each for all, loaded with the
 * first call.
 * @type {esbuild.Plugin}
 */
const lazyLibraries = {
  name: 'lazy-libraries',
  setup: (build) => {
    const filter = /[./](dockerode|mcpLibrary|mcpServerLibrary|modelSdk)\.ts$/;
    build.onResolve({ filter }, ({ path, kind }) =>
      kind === 'entry-point' ? undefined : { path: `./${basename(path, '.ts')}.js`, external: true },
    );
  },
};

/** Packages that several bundles use: a file of each for all. */
const sharedPackages = ['@grpc/grpc-js', '@hono/node-server', 'cborg', 'hono', 'jose', 'ws', 'zod'];

/** @param {string} name */
const sharedFile = (name) => name.replace('@', '').replaceAll('/', '-');

/** @type {esbuild.Plugin} */
const shared = {
  name: 'shared-packages',
  setup: (build) => {
    build.onResolve({ filter: /^(@[\w-]+\/)?[\w-]+(\/v4)?$/ }, ({ path, kind }) => {
      const name = path === 'zod/v4' ? 'zod' : path;
      if (kind === 'entry-point' || !sharedPackages.includes(name)) return undefined;
      return { path: `./lib-${sharedFile(name)}.js`, external: true };
    });
  },
};

/**
 * dockerode brings two things that are never used here, and that are most of it: its own ssh client (ours is the
 * person's `ssh`, which checks host keys) and BuildKit sessions over gRPC.
 * @type {esbuild.Plugin}
 */
const leanDockerode = {
  name: 'lean-dockerode',
  setup: (build) => {
    build.onResolve({ filter: /^\.\/(session|ssh)$/ }, ({ path, importer }) =>
      /[\\/](dockerode|docker-modem)[\\/]lib[\\/]/.test(importer) ? { path, namespace: 'unused' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: `module.exports = () => { throw new Error('${path} of dockerode is not part of this bundle.'); };`,
    }));
  },
};

/** @type {esbuild.BuildOptions} */
const common = {
  absWorkingDir: repo,
  bundle: true,
  minify: options.production,
  sourcemap: options.production ? false : 'linked',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  define: {
    'process.env.ORCHESTRATION_WORKBENCH_VERSION': JSON.stringify(version),
    'process.env.NODE_ENV': options.production ? '"production"' : '"development"',
  },
};

/**
 * What a schema says of a wrong value is not shown to people: of its fifty languages one is enough.
 * @type {esbuild.Plugin}
 */
const leanZod = {
  name: 'lean-zod',
  setup: (build) => {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/**
 * A bundle for Node. Only those inside the editor name `vscode` as an external: a leak elsewhere breaks the build.
 * @param {string} name
 * @param {string} entry
 * @param {esbuild.BuildOptions} [more]
 * @returns {{ name: string, entry: string, config: esbuild.BuildOptions }}
 */
const nodeBundle = (name, entry, more = {}) => ({
  name,
  entry,
  config: {
    ...common,
    entryPoints: [entry],
    outfile: join(out, `${name}.js`),
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    mainFields: ['module', 'main'],
    // `import()` in CommonJS becomes a lazy require: no second module loader, and vscode's require hook applies.
    supported: { 'dynamic-import': false },
    tsconfig: 'tsconfig/node.json',
    ...more,
  },
});

/**
 * A script and a stylesheet of a webview.
 * @param {string} name
 * @param {string} entry
 * @returns {{ name: string, entry: string, config: esbuild.BuildOptions }}
 */
const webviewBundle = (name, entry) => ({
  name,
  entry,
  config: {
    ...common,
    entryPoints: [{ in: entry, out: name }],
    outdir: join(out, 'webview'),
    // What is loaded on demand (the Markdown parser) is a file of its own.
    splitting: true,
    chunkNames: `${name}.[name].[hash]`,
    plugins: [leanZod],
    platform: 'browser',
    format: 'esm',
    target: 'chrome140',
    tsconfig: 'tsconfig/webview.json',
  },
});

const bundles = [
  nodeBundle('extension', 'src/vscode/extension.ts', { external: ['vscode'], plugins: [lazyWorkbench] }),
  nodeBundle('workbench', 'src/vscode/workbench.ts', {
    external: ['vscode'],
    plugins: [lazyLibraries, shared, leanZod],
  }),
  nodeBundle('cli', 'src/cli/main.ts', {
    plugins: [lazyLibraries, shared, leanZod],
    banner: { js: '#!/usr/bin/env node' },
    // An old Node must be able to parse the file, or it never gets to saying what it needs (nodeVersion.ts).
    supported: { 'dynamic-import': false, using: false },
  }),
  nodeBundle('processHost', 'src/processHost/main.ts', { external: ['node-pty'], plugins: [leanZod] }),
  nodeBundle('screenWorker', 'src/processHost/screenWorker.ts'),
  nodeBundle('worker', 'src/workers/main.ts', { plugins: [lazyLibraries, shared, leanZod] }),
  nodeBundle('modelSdk', 'src/adapters/models/modelSdk.ts', { plugins: [lazyLibraries, shared, leanZod] }),
  nodeBundle('dockerode', 'src/adapters/docker/dockerode.ts', { plugins: [leanDockerode] }),
  nodeBundle('mcpLibrary', 'src/adapters/mcp/mcpLibrary.ts', { plugins: [lazyLibraries, shared, leanZod] }),
  nodeBundle('mcpServerLibrary', 'src/servers/mcp/mcpServerLibrary.ts', {
    plugins: [lazyLibraries, shared, leanZod],
  }),
  ...sharedPackages.map((name) =>
    nodeBundle(`lib-${sharedFile(name)}`, name, { plugins: [shared, leanZod] }),
  ),
  webviewBundle('runPanel', 'webview-ui/src/main.ts'),
  webviewBundle('daemon', 'webview-ui/src/daemon/main.ts'),
  {
    name: 'daemonClient',
    entry: 'src/clients/daemon/entry.ts',
    config: {
      ...common,
      entryPoints: [
        { in: 'src/clients/daemon/entry.ts', out: 'daemonClient' },
        { in: 'src/clients/daemon/react.ts', out: 'react' },
      ],
      outdir: join(out, 'client'),
      // What both entry points need is shared, so that they know the same clients; CBOR comes when it is asked for.
      splitting: true,
      chunkNames: 'chunk-[hash]',
      outExtension: { '.js': '.mjs' },
      external: ['react'],
      plugins: [leanZod],
      platform: /** @type {const} */ ('neutral'),
      format: /** @type {const} */ ('esm'),
      mainFields: ['module', 'main'],
      target: ['es2023'],
      tsconfig: 'tsconfig/universal.json',
    },
  },
].filter(({ name, entry }) => {
  if (sharedPackages.includes(entry) || existsSync(join(repo, entry))) return true;
  if (!options['allow-missing']) throw new Error(`${name}: its entry point ${entry} is missing.`);
  console.warn(`skipped ${name}: ${entry} is not there yet`);
  return false;
});

await rm(out, { recursive: true, force: true });
await mkdir(join(out, 'meta'), { recursive: true });
await mkdir(join(out, 'webview'), { recursive: true });

/** @param {string} name @param {esbuild.BuildResult} result */
const finish = async (name, result) => {
  if (result.metafile) await writeFile(join(out, 'meta', `${name}.json`), JSON.stringify(result.metafile));
  if (name === 'cli') await chmod(join(out, 'cli.js'), 0o755);
  // Whoever works on the client has its sources' types; making these takes longer than all bundles.
  if (name === 'daemonClient' && options.production) {
    const { client, react } = clientDeclarations();
    await writeFile(join(out, 'client/daemonClient.d.mts'), client);
    await writeFile(join(out, 'client/react.d.mts'), react);
  }
};

const copies = async () => {
  const codicons = join(repo, 'node_modules/@vscode/codicons/dist');
  for (const file of ['codicon.css', 'codicon.ttf']) {
    await copyFile(join(codicons, file), join(out, 'webview', file));
  }
  await copyNodePty(options.target, out);
};

if (options.watch) {
  await copies();
  for (const { name, config } of bundles) {
    /** @type {esbuild.Plugin} */
    const report = {
      name: 'report',
      setup: (build) => {
        build.onEnd(async (result) => {
          await finish(name, result);
          console.log(`${new Date().toLocaleTimeString()} ${name}: ${result.errors.length} errors`);
        });
      },
    };
    const context = await esbuild.context({ ...config, plugins: [...(config.plugins ?? []), report] });
    await context.watch();
  }
} else {
  const [, ...results] = await Promise.all([
    copies(),
    ...bundles.map(async ({ name, config }) => {
      const result = await esbuild.build(config);
      await finish(name, result);
      return result;
    }),
  ]);
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  await writeFile(join(out, 'THIRD_PARTY_NOTICES.txt'), thirdPartyNotices(inputs));
  console.log(`built ${bundles.map(({ name }) => name).join(', ')} into ${relative(repo, out) || out}`);
}
