import { accessSync, constants, existsSync } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { setVariables } from '../../core/variables.ts';
import type { Environment } from '../../core/ports/environment.ts';
import { childEnvironment, variable, type Variables } from './childEnvironment.ts';

export interface SystemEnvironmentOptions {
  /** Of this product: TERM_PROGRAM_VERSION of its children. */
  readonly version: string;
  /** What children inherit from; process.env when missing. */
  readonly env?: Variables | undefined;
  /** Where things start when nothing says otherwise; the user's home when missing. */
  readonly defaultDirectory?: (() => string) | undefined;
}

/** The machine that this process runs on. */
export function createSystemEnvironment(options: SystemEnvironmentOptions): Environment {
  const { version, env = process.env, defaultDirectory = homedir } = options;
  const platform = platformOf(process.platform);
  return {
    platform,
    isDirectory,
    realPath: (path) => realpath(path).catch(() => undefined),
    findProgram: (file, childEnv, cwd) => findProgram(file, childEnv, cwd, platform),
    defaultShell: () => defaultShell(env, platform),
    defaultDirectory,
    childEnvironment: (extra, { isClean, isWhole } = {}) =>
      isWhole === true
        ? childEnvironment({ inherited: setVariables(extra), version, platform })
        : childEnvironment({ inherited: env, extra, isClean, version, platform }),
  };
}

/** Other Unixes behave like Linux as far as we ask. */
function platformOf(platform: NodeJS.Platform): Environment['platform'] {
  return platform === 'win32' || platform === 'darwin' ? platform : 'linux';
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    const stats = await stat(path);
    if (!stats.isDirectory()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function findProgram(
  file: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
  platform: Environment['platform'],
): Promise<string | undefined> {
  if (file.length === 0 || file.includes('\0')) return undefined;
  const hasFolder = file.includes('/') || (platform === 'win32' && file.includes('\\'));
  const search = (variable(env, 'PATH', platform) ?? '').split(delimiter);
  const folders = hasFolder || isAbsolute(file) ? [''] : search.filter((folder) => folder.length > 0);
  const endings =
    platform === 'win32'
      ? ['', ...(variable(env, 'PATHEXT', platform) ?? '.EXE;.CMD;.BAT').split(';')]
      : [''];
  for (const folder of folders) {
    for (const ending of endings) {
      const candidate = resolve(cwd, folder, file + ending);
      if (await isProgram(candidate)) return candidate;
    }
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** $SHELL, the one of the user database, the system's: the first that can be used to type commands. */
function defaultShell(env: Variables, platform: Environment['platform']): string {
  if (platform === 'win32') {
    const root = variable(env, 'SystemRoot', platform) ?? 'C:\\Windows';
    const powerShell = join(root, 'System32', 'WindowsPowerShell', 'v1.0', 'powershell.exe');
    return existsSync(powerShell) ? powerShell : (variable(env, 'ComSpec', platform) ?? 'cmd.exe');
  }
  const candidates = [env['SHELL'], shellOfUser(), '/bin/bash', '/bin/sh'];
  return candidates.find((candidate) => candidate !== undefined && isUsableShell(candidate)) ?? '/bin/sh';
}

function shellOfUser(): string | undefined {
  try {
    return userInfo().shell ?? undefined;
  } catch {
    // A user id without an entry, as in many containers.
    return undefined;
  }
}

/** Accounts that nobody is to log in to have one of these for a shell. */
function isUsableShell(path: string): boolean {
  if (!isAbsolute(path) || /\/(?:nologin|false|true)$/.test(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
