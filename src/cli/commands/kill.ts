import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorAccess } from '../../core/orchestratorAccess.ts';
import { withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { forEachId } from '../eachId.ts';
import { findThing, type FoundThing } from '../findThing.ts';

/** Ends terminals and aborts runs; each one is tried. Answers with the code of the first that failed. */
export function killAll(context: CommandContext, ids: readonly string[]): Promise<number> {
  return withAccess(context, async (access) => {
    const { out, isJson, stateDir } = context;
    return await forEachId(context, ids, async (id) => {
      const found = await findThing(access, stateDir, id);
      await kill(access, found);
      const done = found.kind === 'run' ? 'aborted' : 'ended';
      await (isJson
        ? out.writeJson({ id: found.id, kind: found.kind, result: done })
        : out.writeLine(`${found.kind} ${found.id} ${done}`));
    });
  });
}

async function kill(access: OrchestratorAccess, found: FoundThing): Promise<void> {
  if (found.kind === 'terminal') {
    if (!found.terminal.isLive) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'terminal_ended',
        `Terminal ${found.id} has ended already.`,
      );
    }
    await access.killTerminal(found.id);
    return;
  }
  const { run } = found;
  if (run.endedAt !== undefined) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'run_not_active',
      `Run ${run.id} has ended already (${run.status}).`,
    );
  }
  await access.abortRun(run.id);
}
