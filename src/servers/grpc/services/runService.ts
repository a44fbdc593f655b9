import { given } from '../../../protocol/given.ts';
import { invalidRequest } from '../../../core/text.ts';
import { OrchestratorError } from '../../../base/errors.ts';
import type { Orchestrator } from '../../../core/orchestrator.ts';
import { isRunEnded, type Run } from '../../../core/runs/run.ts';
import { readStepOutput } from '../../../core/runs/stepOutput.ts';
import { mayTouch, permissionDenied } from '../../../core/terminals/owners.ts';
import { RunServiceDefinition } from '../../../protocol/gen/run/v1/run.ts';
import { type CallContext, implement, type ServiceImplementation } from '../rpcHandlers.ts';
import { runMessage, runRequestOf } from './runMessages.ts';
import { watchRun, watchRuns } from './runWatch.ts';
import { required } from './values.ts';

/** One answer to a reader; whoever wants more asks again from where it ended. */
const longestRead = 1024 * 1024;
const defaultPage = 100;
const largestPage = 1_000;

/** Runs over gRPC. An agent changes only runs that it or one below it has started; everyone may look. */
export function runService(orchestrator: Orchestrator): ServiceImplementation {
  const { runs } = orchestrator;

  const find = (id: string): Run => runs.get(required(id, 'run_id'));
  const findOwn = (id: string, { principal }: CallContext): Run => {
    const run = find(id);
    if (!mayTouch(principal, run.request.requestedBy ?? null)) throw permissionDenied(principal, `run ${id}`);
    return run;
  };

  return implement(RunServiceDefinition, {
    startRun: async ({ request }, { principal }) => {
      if (request === undefined) throw invalidRequest('request is required');
      return { run: runMessage(await runs.start(runRequestOf(request, principal))) };
    },
    getRun: ({ runId }) => ({ run: runMessage(find(runId)) }),
    listRuns: ({ pageSize, pageToken, sessionId, search, isLive }) => {
      const size = Math.min(given(pageSize) ?? defaultPage, largestPage);
      const page = runs.list({
        // One more tells whether there is a next page.
        limit: size + 1,
        before: given(pageToken),
        sessionId: given(sessionId),
        search: given(search),
        isLive: isLive ? true : undefined,
      });
      const shown = page.slice(0, size);
      return {
        runs: shown.map(runMessage),
        nextPageToken: page.length > size ? (shown.at(-1)?.id ?? '') : '',
      };
    },
    watchRun: (request, call) => watchRun(orchestrator, request, call),
    watchRuns: (request, call) => watchRuns(orchestrator, request, call),
    abortRun: async ({ runId }, call) => {
      const { id } = findOwn(runId, call);
      await runs.abort(id);
      return { run: runMessage(runs.get(id)) };
    },
    retryRun: async ({ runId, fromStep }, call) => ({
      run: runMessage(await runs.retry(findOwn(runId, call).id, { fromStep: given(fromStep) })),
    }),
    removeRun: async ({ runId }, call) => {
      await runs.remove(findOwn(runId, call).id);
      return {};
    },
    getRunResult: async ({ runId, waits }, { signal }) => {
      const { id } = find(runId);
      const run = waits ? await runs.waitForEnd(id, signal) : runs.get(id);
      if (!isRunEnded(run)) throw notEnded();
      return { run: runMessage(run), result: run.result === undefined ? undefined : { ...run.result } };
    },
    readStepOutput: async ({ runId, step, skipBytes }) => {
      const { data, position, total } = await readStepOutput(orchestrator, find(runId), {
        step,
        skip: skipBytes,
        maxBytes: longestRead,
      });
      return { data, position, totalBytes: total };
    },
  });
}

function notEnded(): OrchestratorError {
  return new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'This run is still going on. Watch it, or ask with `waits`.',
  );
}
