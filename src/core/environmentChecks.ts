import { OrchestratorError } from '../base/errors.ts';
import type { Environment } from './ports/environment.ts';
import { isAbsolutePath } from './text.ts';

/** Error: `directory_missing`. */
export async function checkDirectory(environment: Environment, path: string): Promise<void> {
  if (isAbsolutePath(path) && (await environment.isDirectory(path))) return;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'directory_missing',
    isAbsolutePath(path)
      ? `The directory ${path} does not exist or cannot be entered. Create it, or choose another one.`
      : `"${path}" is not an absolute path. Give the whole path of the directory.`,
    { details: { path } },
  );
}

/** The absolute path of the shell; the user's own when none is named. Error: `shell_missing`. */
export async function resolveShell(
  environment: Environment,
  shell: string | undefined,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<string> {
  const file = shell ?? environment.defaultShell();
  const found = file.length === 0 ? undefined : await environment.findProgram(file, env, cwd);
  if (found !== undefined) return found;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'shell_missing',
    `The shell "${file}" was not found or cannot be executed. Install it, or choose another one in the settings.`,
    { details: { shell: file } },
  );
}
