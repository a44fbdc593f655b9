import type { LineSource } from './firstError.ts';

/** One match of the find box. */
export interface Match {
  readonly step: number;
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

/** More than anybody steps through; beyond it the count says "+". */
export const maxMatches = 10_000;

export function findMatches(
  sources: Iterable<readonly [step: number, lines: LineSource]>,
  query: string,
  isCaseSensitive: boolean,
): Match[] {
  const matches: Match[] = [];
  if (query === '') return matches;
  const pattern = new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), isCaseSensitive ? 'g' : 'gi');
  for (const [step, lines] of sources) {
    for (let number = lines.firstLine; number < lines.endLine; number++) {
      const text = lines.line(number)?.text ?? '';
      pattern.lastIndex = 0;
      for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
        matches.push({ step, line: number, start: found.index, end: found.index + found[0].length });
        if (matches.length >= maxMatches) return matches;
      }
    }
  }
  return matches;
}

/** The match at or after a place, else the first one: where the find box starts. */
export function matchFrom(matches: readonly Match[], step: number, line: number): number {
  const index = matches.findIndex(
    (match) => match.step > step || (match.step === step && match.line >= line),
  );
  return index === -1 ? 0 : index;
}
