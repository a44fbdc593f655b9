// Starting VS Code's own server: shared by `npm start` and the test harness. Built-ins only.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { serverMain } from './paths.mjs';
import { productNode } from './setup.mjs';

/** @typedef {{ userData: string, serverData: string, extensions: string }} ServerFolders */

/** @param {string} root @returns {ServerFolders} */
export const serverFolders = (root) => ({
  userData: join(root, 'user-data'),
  serverData: join(root, 'server-data'),
  extensions: join(root, 'extensions'),
});

/** @param {ServerFolders} folders */
const folderArguments = (folders) => [
  ...['--user-data-dir', folders.userData],
  ...['--server-data-dir', folders.serverData],
  ...['--extensions-dir', folders.extensions],
];

/**
 * The first loopback port from `from` on that nobody listens at. Another program may still take it before we
 * do: then the server says so and ends.
 * @param {number} from 0 for any
 * @returns {Promise<number>}
 */
export function freePort(from) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE' && from > 0 && from < 65_535) resolve(freePort(from + 1));
      else reject(error);
    });
    probe.listen(from, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : from;
      probe.close(() => {
        resolve(port);
      });
    });
  });
}

/**
 * What our own process got from an editor's terminal or from npm must not reach another editor.
 * @param {NodeJS.ProcessEnv} [extra]
 */
export function serverEnvironment(extra = {}) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VSCODE_|ELECTRON_|npm_|NODE_OPTIONS$|VITEST|TINYPOOL|INIT_CWD$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

/**
 * Starts the server as the leader of its own process group, so that the whole of it can be ended at once.
 * @param {{ port: number, folders: ServerFolders, tokenFile?: string, log: string, flags?: string[], env?: NodeJS.ProcessEnv }} options
 */
export function startServer({ port, folders, tokenFile, log, flags = [], env = {} }) {
  const token =
    tokenFile === undefined ? ['--without-connection-token'] : ['--connection-token-file', tokenFile];
  const output = openSync(log, 'a');
  try {
    return spawn(
      productNode(),
      [
        ...[serverMain, '--accept-server-license-terms', ...token],
        ...['--host', '127.0.0.1', '--port', String(port), '--telemetry-level', 'off'],
        ...[...folderArguments(folders), ...flags],
      ],
      {
        env: serverEnvironment(env),
        stdio: ['ignore', output, output],
        detached: process.platform !== 'win32',
      },
    );
  } finally {
    closeSync(output);
  }
}

/**
 * The arguments (for the product's Node) that install a VSIX into the server's extensions folder.
 * @param {ServerFolders} folders
 * @param {string} vsix
 */
export const installArguments = (folders, vsix) => [
  ...[serverMain, '--accept-server-license-terms', ...folderArguments(folders)],
  ...['--install-extension', vsix, '--force'],
];

/**
 * Waits until the server answers at `url` with success.
 * @param {string} url
 * @param {import('node:child_process').ChildProcess} child
 * @param {number} limitMs
 */
export async function waitUntilServed(url, child, limitMs = 60_000) {
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`The server ended at once (${child.signalCode ?? `exit code ${child.exitCode}`}).`);
    }
    try {
      const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) });
      await answer.body?.cancel();
      // With a token the first answer sets the cookie and redirects.
      if (answer.status === 200 || answer.status === 302) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`The server did not answer at ${url} within ${limitMs / 1000} s.`);
}
