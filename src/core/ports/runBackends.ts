import type { RunRequest } from '../runs/run.ts';

/** Servers of `/orchestrate/stream`, ours or anybody's, that runs can be sent to, by the names that a person gave them. */
export interface RunBackends {
  /** Error: `invalid_request` where there is none of this name. */
  check(name: string): void;
  /**
   * Starts a run there and yields what it reports, to the last event. Errors: `backend_lost` where the stream broke off
   * and cannot be taken up again; `unauthenticated`, `permission_denied`, `invalid_request` as the server says it, `closed`
   * where it does not answer, `aborted`, `protocol_violation`.
   */
  start(name: string, request: RunRequest, options: BackendStreamOptions): AsyncIterable<BackendFrame>;
  /** What a run that is there reports behind an event. Errors: those of `start`, `run_not_found`. */
  follow(
    name: string,
    place: { readonly runId: string; readonly after: string },
    options: BackendStreamOptions,
  ): AsyncIterable<BackendFrame>;
  /** Asks for its end. Errors: those of `start`; `run_not_found` where the server has no way to abort a run. */
  abort(name: string, runId: string, signal: AbortSignal): Promise<void>;
}

export interface BackendStreamOptions {
  /** Ends the stream; the run goes on. */
  readonly signal: AbortSignal;
  /** The connection is lost and taken up again, or is there again. */
  readonly onConnection: (state: 'connected' | 'reconnecting') => void;
  /** The server has said its own id of the run. */
  readonly onRunId: (runId: string) => void;
}

/** One event of the stream, as foreign as it comes. */
export interface BackendFrame {
  readonly event: string;
  readonly data: unknown;
  /** Where to resume behind it; missing where the server gives none. */
  readonly id?: string | undefined;
}
