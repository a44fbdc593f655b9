// Where things are. Runs under bare Node 20: built-ins only.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export const repo = resolve(import.meta.dirname, '../..');
export const artifacts = join(repo, 'test/artifacts');

/** The user's cache folder of this project: what is too large or too slow to make per clone. */
export const userCache = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'orchestration-workbench',
);

/** The version of VS Code's server that tests and `npm start` use; raise it together with the docs. */
export const serverVersion = '4.139.1';
export const serverFolder = join(userCache, `vscode-server-${serverVersion}`);
export const serverMain = join(serverFolder, 'node_modules/code-server/lib/vscode/out/server-main.js');
