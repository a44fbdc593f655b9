import { OrchestratorError } from '../base/errors.ts';
import type { OrchestratorAccess, SeenRun, SeenTerminal } from '../core/orchestratorAccess.ts';

export type FoundThing =
  | { readonly kind: 'terminal'; readonly id: string; readonly terminal: SeenTerminal }
  | { readonly kind: 'run'; readonly id: string; readonly run: SeenRun };

/**
 * The terminal or run of an id, or of a prefix that only one id has.
 * Errors: `terminal_not_found`, `invalid_request` where several begin so.
 */
export async function findThing(
  access: OrchestratorAccess,
  stateDir: string,
  idOrPrefix: string,
): Promise<FoundThing> {
  const prefix = idOrPrefix.toLowerCase();
  const [terminals, runs] = await Promise.all([access.listTerminals(), access.listRuns()]);
  const things: FoundThing[] = [
    ...terminals.map((terminal) => ({ kind: 'terminal', id: terminal.id, terminal }) as const),
    ...runs.map((run) => ({ kind: 'run', id: run.id, run }) as const),
  ];
  const matches = prefix === '' ? [] : things.filter(({ id }) => id.startsWith(prefix));
  const [first, second] = matches;
  if (first === undefined) {
    throw new OrchestratorError(
      'NOT_FOUND',
      'terminal_not_found',
      `There is no terminal and no run ${idOrPrefix} in ${stateDir}. See which there are: orchestrator ps --all`,
      { details: { id: idOrPrefix } },
    );
  }
  if (second !== undefined) {
    const names = matches.slice(0, 5).map(({ kind, id }) => `${kind} ${id}`);
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `${idOrPrefix} is the beginning of ${matches.length} ids (${names.join(', ')}${matches.length > 5 ? ' …' : ''}). Give more of it.`,
      { details: { id: idOrPrefix } },
    );
  }
  return first;
}
