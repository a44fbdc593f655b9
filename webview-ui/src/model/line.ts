import { isSameStyle, plain } from './style.ts';
import type { Style } from './style.ts';

/** A style that holds from `start` (UTF-16 units) to the next run or the end of the line. */
export interface StyledRun {
  readonly start: number;
  readonly style: Style;
}

/** One line of output. No runs: all of it is plain. Else the first run starts at 0. */
export interface Line {
  readonly text: string;
  readonly runs: readonly StyledRun[];
}

export const emptyLine: Line = { text: '', runs: [] };

export function styleAt(line: Line, index: number): Style {
  let style = plain;
  for (const run of line.runs) {
    if (run.start > index) break;
    style = run.style;
  }
  return style;
}

/** Neighbours of one style become one run; a line of plain text has none. */
function tidy(runs: readonly StyledRun[], length: number): readonly StyledRun[] {
  const result: StyledRun[] = [];
  for (const run of runs) {
    if (run.start >= length) break;
    const last = result.at(-1);
    if (last?.start === run.start) result.pop();
    const before = result.at(-1);
    if (before !== undefined && isSameStyle(before.style, run.style)) continue;
    result.push(run);
  }
  return result.length === 1 && result[0] !== undefined && isSameStyle(result[0].style, plain) ? [] : result;
}

const isLowSurrogate = (text: string, index: number): boolean => {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff;
};

function unpaired(text: string, index: number): string {
  return index > 0 && index < text.length && isLowSurrogate(text, index)
    ? `${text.slice(0, index - 1)}  ${text.slice(index + 1)}`
    : text;
}

/** Replaces what is between `from` and `to`; the line is padded with spaces when it ends before `from`. */
export function replaceRange(line: Line, from: number, to: number, text: string, style: Style): Line {
  // The way nearly all output goes: to the end of a line, in the style that holds there.
  if (from === line.text.length) {
    const last = line.runs.at(-1)?.style ?? plain;
    if (text === '') return line;
    if (isSameStyle(last, style)) return { text: line.text + text, runs: line.runs };
    const before = line.runs.length === 0 && from > 0 ? [{ start: 0, style: plain }] : line.runs;
    return { text: line.text + text, runs: [...before, { start: from, style }] };
  }
  const start = from;
  const end = Math.min(to, Math.max(line.text.length, from));
  // Half a surrogate pair is nothing: the half that stays becomes a blank.
  const old = unpaired(unpaired(line.text.padEnd(from), start), end);
  const lastEnd = line.text.length;
  const runs: StyledRun[] = [{ start: 0, style: plain }];
  for (const run of line.runs) if (run.start < start) runs.push(run);
  if (start > lastEnd) runs.push({ start: lastEnd, style: plain });
  if (text !== '') runs.push({ start, style });
  const shift = start + text.length - end;
  if (end < lastEnd) {
    runs.push({ start: end + shift, style: styleAt(line, end) });
    for (const run of line.runs)
      if (run.start > end) runs.push({ start: run.start + shift, style: run.style });
  }
  const next = old.slice(0, start) + text + old.slice(end);
  return { text: next, runs: tidy(runs, next.length) };
}
