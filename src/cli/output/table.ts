/**
 * Rows as aligned columns, two spaces apart, without trailing blanks. Control characters in a cell (a run's task is
 * what a person typed) are shown as `�`, so that a row stays a row.
 * @param width where given, the last column is cut so that no line is wider; columns of the terminal.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width?: number,
): string {
  const cells = [header, ...rows].map((row) => row.map(oneLine));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => displayWidth(row[column] ?? ''))));
  const lastColumn = header.length - 1;
  const before = widths.slice(0, lastColumn).reduce((sum, columnWidth) => sum + columnWidth + 2, 0);
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(8, width - before);
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          column === lastColumn
            ? cut(cell, room)
            : cell + ' '.repeat((widths[column] ?? 0) - displayWidth(cell)),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** The first line of a text, and a sign where there are more. */
export function firstLine(text: string): string {
  const [first = '', ...more] = text.trim().split('\n');
  return more.length === 0 ? first : `${first} …`;
}

function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '�');
}

function cut(text: string, room: number): string {
  if (displayWidth(text) <= room) return text;
  let result = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += segmentWidth(segment);
    if (used > room - 1) break;
    result += segment;
  }
  return `${result}…`;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const wide =
  /[\p{Emoji_Presentation}\u{1100}-\u{115f}\u{2e80}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{20000}-\u{3fffd}]/u;

function displayWidth(text: string): number {
  // The usual case, and Intl.Segmenter is slow.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += segmentWidth(segment);
  return width;
}

function segmentWidth(segment: string): number {
  return wide.test(segment) ? 2 : 1;
}
