import type { Row, RowTree } from './rows.ts';

/** What changed between two trees: rows to draw again, and whether the root's children are others. */
export interface RowChanges {
  readonly changed: readonly string[];
  readonly isRootChanged: boolean;
}

/** A parent whose children changed stands for them: VS Code asks for them anew. */
export function diffRows(before: RowTree, after: RowTree): RowChanges {
  const changed: string[] = [];
  for (const [id, row] of after.rows) {
    const old = before.rows.get(id);
    if (old === undefined) continue;
    if (!sameRow(old, row) || !sameIds(before.children.get(id), after.children.get(id))) changed.push(id);
  }
  return { changed, isRootChanged: !sameIds(before.children.get(''), after.children.get('')) };
}

function sameRow(a: Row, b: Row): boolean {
  return (
    a.label === b.label &&
    a.description === b.description &&
    a.context === b.context &&
    a.expansion === b.expansion &&
    a.icon.id === b.icon.id &&
    a.icon.color === b.icon.color &&
    a.accessibilityLabel === b.accessibilityLabel
  );
}

function sameIds(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
