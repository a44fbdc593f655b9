// What `npm start` does. Built-ins only.
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repo } from './paths.mjs';
import { ensureBuild, ensureVsix } from './product.mjs';
import { SetupError, runInForeground, runQuietly, say, seconds, signalTree } from './run.mjs';
import {
  freePort,
  installArguments,
  serverEnvironment,
  serverFolders,
  startServer,
  waitUntilServed,
} from './serverProcess.mjs';
import { ensureDependencies, ensureVscodeServer, productEnvironment, productNode } from './setup.mjs';

const help = `npm start                      open the workbench on a demo folder
npm start -- <folder>          open it on a folder of yours
npm start -- --port 8123       use this port, or the next free one (default: 8000)
npm start -- --server          use VS Code's server even where a desktop VS Code is installed
npm start -- --headless ...    no editor: orchestrator serve ...`;

const home = join(repo, '.cache/start');

/**
 * @param {string[]} argv
 * @returns {Promise<number>} the exit code
 */
export async function start(argv) {
  if (argv[0] === '--headless') return startHeadless(argv.slice(1));
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '8000' },
      server: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(help);
    return 0;
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new SetupError(`--port ${values.port} is not a port.`);
  // npm runs us in the repository; what a person types is relative to where the person is.
  const folder =
    positionals[0] === undefined
      ? await demoFolder()
      : resolve(process.env['INIT_CWD'] ?? '.', positionals[0]);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new SetupError(`${folder} is not a folder.`);

  const began = Date.now();
  await ensureDependencies();
  const desktop = values.server ? undefined : desktopCode();
  if (desktop !== undefined) return startDesktop(desktop, folder);
  return startServed(folder, port, began);
}

/** @param {string[]} args */
async function startHeadless(args) {
  // With --json the ready line must be the first on standard output, so set-up speaks on the other channel.
  const log = console.log;
  console.log = console.error;
  await ensureDependencies();
  await ensureBuild();
  console.log = log;
  return runInForeground(productNode(), [join(repo, 'dist/cli.js'), 'serve', ...args], {
    cwd: process.env['INIT_CWD'] ?? repo,
    env: serverEnvironment(),
  });
}

/** @returns {string | undefined} the command of a desktop VS Code, where one can open a window */
function desktopCode() {
  const hasDisplay =
    process.platform !== 'linux' ||
    process.env['DISPLAY'] !== undefined ||
    process.env['WAYLAND_DISPLAY'] !== undefined;
  if (!hasDisplay) return undefined;
  const names = process.platform === 'win32' ? ['code.cmd', 'code-insiders.cmd'] : ['code', 'code-insiders'];
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((path) => path !== '');
  return names.find((name) => folders.some((path) => existsSync(join(path, name))));
}

/** @param {string} command @param {string} folder */
async function startDesktop(command, folder) {
  await ensureBuild();
  say(`Opening ${folder} in your VS Code, with the extension from this repository.`);
  return runInForeground(command, [`--extensionDevelopmentPath=${repo}`, folder], {
    env: serverEnvironment(),
  });
}

/** @param {string} folder @param {number} wantedPort @param {number} began */
async function startServed(folder, wantedPort, began) {
  await ensureVscodeServer();
  const vsix = await ensureVsix();
  const folders = serverFolders(home);
  await mkdir(home, { recursive: true });
  await ensureInstalled(folders, vsix);

  // Loopback alone would let every web page that this machine's browser shows drive the user's shells.
  const tokenFile = join(home, 'token');
  if (!existsSync(tokenFile)) await writeFile(tokenFile, randomBytes(24).toString('hex'), { mode: 0o600 });
  const token = (await readFile(tokenFile, 'utf8')).trim();

  const port = await freePort(wantedPort);
  if (port !== wantedPort) say(`Port ${wantedPort} is taken; using ${port}.`);
  const log = join(home, 'server.log');
  const server = startServer({ port, folders, tokenFile, log });
  const url = `http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder).replaceAll('%2F', '/')}&tkn=${token}`;
  const ended = new Promise((done) => server.once('close', done));
  // The server leads a process group of its own, so Ctrl-C reaches it only through us.
  const asked = { times: 0 };
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      asked.times++;
      signalTree(server, asked.times > 1 ? 'SIGKILL' : 'SIGTERM');
      setTimeout(() => {
        signalTree(server, 'SIGKILL');
      }, 5_000).unref();
    });
  }
  try {
    await waitUntilServed(url, server);
    say(`Ready in ${seconds(began)}. Ctrl-C ends the editor; what runs in sessions goes on.`);
    say(`Workbench: ${url}`);
  } catch (error) {
    signalTree(server, 'SIGKILL');
    if (asked.times > 0) return 0;
    throw new SetupError(`${error instanceof Error ? error.message : String(error)} Its log: ${log}`);
  }
  await ended;
  if (asked.times > 0) return 0;
  throw new SetupError(`The editor's server ended by itself. Its log: ${log}`);
}

/** @param {import('./serverProcess.mjs').ServerFolders} folders @param {{ file: string, stamp: string }} vsix */
async function ensureInstalled(folders, { file, stamp }) {
  const stampFile = join(home, 'installed');
  if (existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === stamp) return;
  const args = installArguments(folders, file);
  const env = { ...productEnvironment(), ...serverEnvironment() };
  await runQuietly('Installing the extension', productNode(), args, { env, log: 'install-extension' });
  await writeFile(stampFile, stamp);
}

/** A workspace to try things in, made once; what a person changes there stays. */
async function demoFolder() {
  const folder = join(repo, '.cache/demo');
  if (existsSync(folder)) return folder;
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'README.md'),
    '# Demo\n\nOpen the Orchestrator view in the activity bar, start a session, and run a task, for example:\n\n' +
      '    node --version\n    ls -la\n    sh count.sh\n',
  );
  await writeFile(join(folder, 'count.sh'), 'for i in 1 2 3 4 5; do echo "step $i"; sleep 1; done\n');
  return folder;
}
