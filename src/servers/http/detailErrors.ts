import { OrchestratorError } from '../../base/errors.ts';
import { errorHeaders, statusOf } from './httpErrors.ts';

/** Where errors are told as contract 004 has them: `{"detail": …}`. */
const places = ['/orchestrate', '/config', '/api/mcp/auth'];

export function isDetailPlace(path: string): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

export function detailResponse(error: unknown): Response {
  const known = OrchestratorError.from(error);
  return Response.json({ detail: known.message }, { status: statusOf(known), headers: errorHeaders(known) });
}

/** @param detail a sentence, or a list as FastAPI has them where the request cannot be read at all (422) */
export function namedDetail(
  status: number,
  detail: string | readonly UnreadableDetail[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json({ detail }, { status, headers });
}

export interface UnreadableDetail {
  readonly type: string;
  readonly loc: readonly string[];
  readonly msg: string;
}
