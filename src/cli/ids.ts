import type { OrchestratorAccess } from '../core/orchestratorAccess.ts';

/** As many characters as a person is shown of an id, at least. */
const minLength = 8;

/**
 * For each id the shortest beginning, of at least eight characters, that no other of them has. Ids that follow on each
 * other in time (UUID v7) begin alike, so a fixed length would not do.
 */
export function shortestPrefixes(ids: readonly string[]): ReadonlyMap<string, string> {
  const sorted = [...new Set(ids)].sort();
  return new Map(
    sorted.map((id, index) => {
      const shared = Math.max(commonLength(id, sorted[index - 1]), commonLength(id, sorted[index + 1]));
      return [id, id.slice(0, Math.max(minLength, shared + 1))];
    }),
  );
}

function commonLength(id: string, other: string | undefined): number {
  if (other === undefined) return 0;
  let length = 0;
  while (length < id.length && id[length] === other[length]) length++;
  return length;
}

/** Every id shortened as far as it stays the only one of its orchestrator. */
export async function shortIdsOf(access: OrchestratorAccess): Promise<ReadonlyMap<string, string>> {
  const lists = await Promise.all([access.listSessions(), access.listTerminals(), access.listRuns()]);
  return shortestPrefixes(lists.flatMap((list) => list.map(({ id }) => id)));
}
