import type { Line } from './line.ts';
import type { OutputLink } from './links.ts';
import { plain } from './style.ts';
import type { Style } from './style.ts';

export interface Segment {
  readonly text: string;
  readonly style: Style;
  readonly link: OutputLink | undefined;
  /** Part of a match of the find box; `current` is the one that it stands on. */
  readonly match: 'none' | 'other' | 'current';
}

export interface LineMatch {
  readonly start: number;
  readonly end: number;
  readonly isCurrent: boolean;
}

/** Cuts a line where its style, its links or its matches change. */
export function segmentsOf(
  line: Line,
  links: readonly OutputLink[],
  matches: readonly LineMatch[],
): Segment[] {
  const cuts = new Set([0, line.text.length]);
  for (const run of line.runs) cuts.add(run.start);
  for (const part of [...links, ...matches]) cuts.add(part.start).add(part.end);
  const sorted = [...cuts].sort((a, b) => a - b);
  const segments: Segment[] = [];
  let run = 0;
  for (let i = 0; i + 1 < sorted.length; i++) {
    const start = sorted[i] ?? 0;
    while ((line.runs[run + 1]?.start ?? Number.POSITIVE_INFINITY) <= start) run++;
    const match = matches.find((candidate) => candidate.start <= start && start < candidate.end);
    segments.push({
      text: line.text.slice(start, sorted[i + 1]),
      style: line.runs[run]?.style ?? plain,
      link: links.find((candidate) => candidate.start <= start && start < candidate.end),
      match: match === undefined ? 'none' : match.isCurrent ? 'current' : 'other',
    });
  }
  return segments;
}
