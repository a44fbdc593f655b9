import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import { type Principal, rootOwner } from './owners.ts';

/** Error: `terminal_limit` where the owner, with all below its root, has as many live terminals as it may. */
export function checkOwnerLimit(context: CoreContext, owner: Principal): void {
  const limit = context.limits.maxTerminalsPerOwner;
  if (owner === null || limit === 0) return;
  const root = rootOwner(owner);
  const live = [...context.state.terminals.values()].filter(
    ({ state, managedBy }) => state !== 'exited' && managedBy !== null && rootOwner(managedBy) === root,
  ).length;
  if (live < limit) return;
  throw new OrchestratorError(
    'RESOURCE_EXHAUSTED',
    'terminal_limit',
    `${root} has ${live} live terminals, as many as one owner may have. End some of them first.`,
    { details: { owner: root, limit } },
  );
}
