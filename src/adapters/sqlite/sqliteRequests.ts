import type { KeyedKind, StoreTotals, StoreTransaction } from '../../core/ports/store.ts';
import { numberOf, type Statements, textOf } from './sqliteRows.ts';

/** Keys of requests, and what is counted over the life of the store. */

export function readRequestKey(
  statements: Statements,
  kind: KeyedKind,
  key: string,
  since: number,
): string | undefined {
  const sql = 'SELECT id FROM request_key WHERE kind = ? AND key = ? AND time > ?';
  return textOf(statements.all(sql, kind, key, since)[0]?.['id']);
}

export function setRequestKey(
  statements: Statements,
  ...[kind, key, id, time, forgetBefore]: Parameters<StoreTransaction['setRequestKey']>
): void {
  statements.run('DELETE FROM request_key WHERE time < ?', forgetBefore);
  statements.run(
    `INSERT INTO request_key (kind, key, id, time) VALUES (?, ?, ?, ?)
     ON CONFLICT (kind, key) DO UPDATE SET id = excluded.id, time = excluded.time`,
    kind,
    key,
    id,
    time,
  );
}

export function readTotals(statements: Statements): StoreTotals {
  const rows = statements.all('SELECT name, value FROM total');
  const values = new Map(rows.map((row) => [textOf(row['name']), numberOf(row['value'])]));
  const of = (name: keyof StoreTotals): number => values.get(name) ?? 0;
  return {
    sessions: of('sessions'),
    endedRuns: of('endedRuns'),
    succeededRuns: of('succeededRuns'),
    tokens: of('tokens'),
    timedRuns: of('timedRuns'),
    runMs: of('runMs'),
  };
}

export function addToTotals(statements: Statements, delta: Partial<StoreTotals>): void {
  for (const [name, value] of Object.entries(delta)) {
    if (value === 0) continue;
    statements.run(
      `INSERT INTO total (name, value) VALUES (?, ?)
       ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`,
      name,
      Math.round(value),
    );
  }
}
