import { OrchestratorError } from '../base/errors.ts';
import type { CommandContext } from './commandContext.ts';
import { exitCode, exitCodeOfError } from './exitCodes.ts';

/**
 * Does something with each id, one after the other, and tells each failure where it happens: the others are tried all the
 * same. @returns the exit code of the first failure.
 */
export async function forEachId(
  { out, err, isJson }: Pick<CommandContext, 'out' | 'err' | 'isJson'>,
  ids: readonly string[],
  act: (id: string) => Promise<unknown>,
): Promise<number> {
  let code: number = exitCode.ok;
  for (const id of ids) {
    try {
      await act(id);
    } catch (error) {
      const shape = OrchestratorError.from(error).toShape();
      code ||= exitCodeOfError(error);
      await (isJson ? out.writeJson({ id, error: shape }) : err.writeLine(`orchestrator: ${shape.message}`));
    }
  }
  return code;
}
