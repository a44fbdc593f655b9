import { plural } from './format.ts';
import { visible } from './visible.ts';

/** A call of a tool in one line: what matters most of its arguments, and of its answer. */

/** Names under which tools take what they are about, the most telling first. */
const telling = [
  'command',
  'cmd',
  'file_path',
  'path',
  'pattern',
  'query',
  'url',
  'message',
  'text',
  'subject',
  'description',
  'prompt',
  'name',
];
const lineLimit = 160;

export function inputSummary(input: string): string {
  const value = parsed(input);
  if (typeof value !== 'object' || value === null) return line(input);
  const data = value as Readonly<Record<string, unknown>>;
  const first =
    telling.find((name) => isSimple(data[name])) ?? Object.keys(data).find((name) => isSimple(data[name]));
  if (first === undefined) return line(JSON.stringify(value));
  const more = Object.keys(data).length - 1;
  return `${line(String(data[first]))}${more > 0 ? ` + ${more} more` : ''}`;
}

export function outputSummary(output: string): string {
  const lines = output.split('\n').filter((text) => text.trim() !== '');
  const [first = ''] = lines;
  return lines.length > 1 ? `${line(first)} + ${plural(lines.length - 1, 'line')}` : line(first);
}

/** A change to a file, where the arguments tell one. */
export interface FileChange {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

export function fileChangeOf(input: string): FileChange | undefined {
  const value = parsed(input);
  if (typeof value !== 'object' || value === null) return undefined;
  const data = value as Readonly<Record<string, unknown>>;
  const path = data['file_path'] ?? data['path'];
  const before = data['old_string'] ?? data['oldText'];
  const after = data['new_string'] ?? data['newText'];
  if (typeof path !== 'string' || typeof before !== 'string' || typeof after !== 'string') return undefined;
  return { path, before, after };
}

/** The change as lines of a diff: what both sides share at the beginning and the end is told once. */
export function diffOf({ before, after }: FileChange): string {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < fresh.length - start && old.at(-1 - end) === fresh.at(-1 - end))
    end += 1;
  const marked = (lines: readonly string[], mark: string): string[] => lines.map((text) => `${mark}${text}`);
  return [
    ...marked(old.slice(Math.max(0, start - 3), start), ' '),
    ...marked(old.slice(start, old.length - end), '-'),
    ...marked(fresh.slice(start, fresh.length - end), '+'),
    ...marked(old.slice(old.length - end, old.length - end + Math.min(3, end)), ' '),
  ].join('\n');
}

export function looksLikeDiff(text: string): boolean {
  return /^(?:diff --git |@@ -\d+|--- \S.*\n\+\+\+ )/m.test(text.slice(0, 2_000));
}

function parsed(input: string): unknown {
  if (!/^\s*[{[]/.test(input)) return undefined;
  try {
    return JSON.parse(input);
  } catch {
    return undefined;
  }
}

function isSimple(value: unknown): value is string | number | boolean {
  return (
    (typeof value === 'string' && value !== '') || typeof value === 'number' || typeof value === 'boolean'
  );
}

function line(text: string): string {
  const flat = visible(text.slice(0, 4 * lineLimit))
    .replace(/\s+/g, ' ')
    .trim();
  return flat.length > lineLimit ? `${flat.slice(0, lineLimit - 1)}…` : flat;
}
