import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { OrchestratorError } from '../base/errors.ts';

/** Checks what a fork would only tell by an exit code of 1. */

/** @throws OrchestratorError directory_missing */
export function checkDirectory(cwd: string): void {
  if (isAbsolute(cwd) && statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'directory_missing',
    `The working directory ${cwd} ${isAbsolute(cwd) ? 'does not exist or is not a folder' : 'is not an absolute path'}. Choose one that is there.`,
    { details: { cwd } },
  );
}

/**
 * The program that `file` names: a path, or a name on the PATH of `env`.
 * @throws OrchestratorError shell_missing
 */
export function findProgram(file: string, cwd: string, env: Readonly<Record<string, string>>): string {
  // Windows finds programs by rules of its own (PATHEXT, application folders): ConPTY applies them.
  if (process.platform === 'win32') return file;
  if (file.includes('/')) {
    const path = resolve(cwd, file);
    if (isExecutable(path)) return path;
  } else {
    for (const dir of (env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter)) {
      const path = resolve(cwd, join(dir, file));
      if (isExecutable(path)) return path;
    }
  }
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'shell_missing',
    `The program ${file} was not found, or may not be executed. Check its name, the PATH, and the setting that names the shell.`,
    { details: { file } },
  );
}

function isExecutable(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false;
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
