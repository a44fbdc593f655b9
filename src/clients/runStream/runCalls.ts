import { askBackend, type RunBackend } from './runBackend.ts';

/**
 * Asks for the end of a run; it ends by its events. Errors: those of `askBackend`; `run_not_found` where the server knows
 * no such run, or no way to abort one.
 */
export async function abortRun(backend: RunBackend, runId: string, signal?: AbortSignal): Promise<void> {
  const path = `/orchestrate/runs/${encodeURIComponent(runId)}/abort`;
  const response = await askBackend(backend, { method: 'POST', path, signal });
  await response.body?.cancel();
}

/** @returns the id of the new run. Errors: as with `abortRun`. */
export async function retryRun(backend: RunBackend, runId: string, signal?: AbortSignal): Promise<string> {
  const path = `/orchestrate/runs/${encodeURIComponent(runId)}/retry`;
  const response = await askBackend(backend, { method: 'POST', path, signal });
  const answer = (await response.json()) as { readonly run_id?: unknown };
  return String(answer.run_id);
}
