import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { StoredKind } from '../../core/ports/store.ts';

export const storedKinds = [
  'session',
  'terminal',
  'run',
  'agent',
  'task',
  'container',
  'engineClaim',
  'containerTask',
] as const satisfies readonly StoredKind[];

export type Row = Record<string, SQLOutputValue>;

/** Prepared once, however often they are used. */
export interface Statements {
  all(sql: string, ...values: SQLInputValue[]): Row[];
  run(sql: string, ...values: SQLInputValue[]): unknown;
}

export function whereClause(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
}

export function numberOf(value: SQLOutputValue | undefined): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
}

export function textOf(value: SQLOutputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
