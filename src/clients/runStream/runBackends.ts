import { OrchestratorError } from '../../base/errors.ts';
import type { BackendFrame, BackendStreamOptions, RunBackends } from '../../core/ports/runBackends.ts';
import { orchestratePayload } from './orchestratePayload.ts';
import type { RunBackend } from './runBackend.ts';
import { abortRun } from './runCalls.ts';
import { followRun, type RunStreamOptions, streamLostEvent, streamRun } from './runStream.ts';

/** Whoever knows the servers by name, with their secrets. */
export interface BackendDirectory {
  /** Error: `invalid_request` where there is none of this name. */
  check(name: string): void;
  /** Errors: `invalid_request`, `unauthenticated` where a secret is missing. */
  open(name: string): Promise<RunBackend>;
}

/** @param timing of its streams, for tests */
export function createRunBackends(
  directory: BackendDirectory,
  timing: Pick<RunStreamOptions, 'silenceMs' | 'retryDelaysMs' | 'giveUpMs'> = {},
): RunBackends {
  const streamOptions = (options: BackendStreamOptions): RunStreamOptions => ({ ...timing, ...options });
  return {
    check: (name) => directory.check(name),
    async *start(name, request, options) {
      const backend = await directory.open(name);
      yield* untilLost(streamRun(backend, orchestratePayload(request), streamOptions(options)));
    },
    async *follow(name, { runId, after }, options) {
      const backend = await directory.open(name);
      yield* untilLost(followRun(backend, runId, { ...streamOptions(options), after }));
    },
    async abort(name, runId, signal) {
      await abortRun(await directory.open(name), runId, signal);
    },
  };
}

async function* untilLost(
  frames: AsyncIterable<BackendFrame>,
): AsyncGenerator<BackendFrame, void, undefined> {
  for await (const frame of frames) {
    if (frame.event === streamLostEvent) throw lost(frame.data);
    yield frame;
  }
}

function lost(data: unknown): OrchestratorError {
  const error = typeof data === 'object' && data !== null && 'error' in data ? data.error : undefined;
  const message = typeof error === 'string' ? error : 'The stream was lost.';
  return new OrchestratorError('UNAVAILABLE', 'backend_lost', message);
}
