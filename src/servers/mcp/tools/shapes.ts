import * as z from 'zod';
import { jsonBytes } from '../plainOutput.ts';
import type { McpLimits } from '../limits.ts';

export const sessionId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, 'a session id has 32 hex characters')
  .describe('Id of a session (list_sessions)');
export const terminalId = z.uuid().describe('Id of a terminal (list_terminals)');
export const runId = z.uuid().describe('Id of a run (list_runs)');
export const containerId = z
  .string()
  .regex(/^[0-9a-f]{12,64}$/, 'the id of a container has 12 to 64 hex characters')
  .describe('Id of a container (list_containers)');
/** Offsets count bytes from the first one that was ever printed. */
export const offset = z.int().min(0);
export const rowLimit = z.int().min(1).max(100).default(50).describe('Rows at most, the newest first');
export const path = z.string().min(1).max(4_096);

/** ISO 8601, or null for what has not happened. */
export function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** The first rows, as many as fit in a result. */
export function fitRows<T>(
  rows: readonly T[],
  limit: number,
  { rows: most, textBytes }: McpLimits,
): { readonly rows: readonly T[]; readonly truncated: boolean } {
  let bytes = 0;
  const fitting = rows
    .slice(0, Math.min(limit, most))
    .filter((row) => (bytes += jsonBytes(row) + 1) <= textBytes);
  return { rows: fitting, truncated: fitting.length < rows.length };
}
