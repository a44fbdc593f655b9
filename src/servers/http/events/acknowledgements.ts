/** Of one caller; the oldest are forgotten beyond it. */
const idLimit = 10_000;
const callerLimit = 256;

/** Which events each caller does not want to be told again when it polls. In memory, bounded. */
export class Acknowledgements {
  private readonly ids = new Map<string, Set<string>>();

  /** @returns how many of them are new. */
  add(caller: string, eventIds: readonly string[]): number {
    const known = this.ids.get(caller) ?? new Set<string>();
    this.ids.delete(caller);
    this.ids.set(caller, known);
    forgetBeyond(this.ids, callerLimit);
    const before = eventIds.filter((id) => !known.has(id));
    for (const id of before) known.add(id);
    forgetBeyond(known, idLimit);
    return before.length;
  }

  has(caller: string, eventId: string): boolean {
    return this.ids.get(caller)?.has(eventId) === true;
  }
}

/** Maps and sets tell their keys in the order in which they came. */
function forgetBeyond(
  things: { readonly size: number; keys(): Iterable<string>; delete(key: string): boolean },
  limit: number,
): void {
  for (const key of things.keys()) {
    if (things.size <= limit) return;
    things.delete(key);
  }
}
