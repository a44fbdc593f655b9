import type { CoreContext } from '../context.ts';
import { canIntegrate, integrateShell, type ShellMarks } from './shellIntegration.ts';
import { shellFiles } from './shellScripts.ts';

export interface ShellStartPlan {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly marks: ShellMarks | undefined;
}

/**
 * How to start the program of a terminal. An interactive shell is made to print marks; where that cannot be done, it is
 * started as it is, because a person wants the shell more than the marks.
 */
export async function startShell(
  context: CoreContext,
  shell: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ShellStartPlan> {
  const plain = { args, env, marks: undefined };
  if (context.shellFiles === undefined || context.environment.platform === 'win32') return plain;
  if (!canIntegrate(shell, args)) return plain;
  try {
    const folder = await context.shellFiles.ensure(shellFiles);
    const start = integrateShell({ shell, args, env, folder, nonce: context.ids.hexId() });
    return { args: start.args, env: { ...env, ...start.env }, marks: start.marks };
  } catch (error) {
    context.logger.warn('The start-up files of shells could not be written: commands are not marked', error);
    return plain;
  }
}
