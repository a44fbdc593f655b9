/** A change to a file that a call of a tool makes, as coding agents tell it. */
export interface FileChange {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** Of the arguments of a call; undefined where it changes no part of a file that is told in full. */
export function fileChangeOf(input: unknown): FileChange | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const data = input as Readonly<Record<string, unknown>>;
  const path = data['file_path'] ?? data['path'];
  const before = data['old_string'] ?? data['oldText'];
  const after = data['new_string'] ?? data['newText'];
  if (typeof path !== 'string' || typeof before !== 'string' || typeof after !== 'string') return undefined;
  return { path, before, after };
}
