/** An id in a line of output. */
export interface FoundId {
  readonly id: string;
  /** Characters from the line's begin. */
  readonly index: number;
}

/** Longer lines are no text that a person reads. */
const lineLimit = 10_000;

/** UUIDs name terminals and runs, 32 hexadecimal digits sessions; neither as a part of a longer word. */
const idPattern =
  /(?<![\w-])(?:[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})(?![\w-])/g;

/** What may be an id of a terminal, a run or a session in a line of output. */
export function findIds(line: string): FoundId[] {
  if (line.length > lineLimit) return [];
  return [...line.matchAll(idPattern)].map((match) => ({ id: match[0], index: match.index }));
}
