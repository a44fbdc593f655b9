import { OrchestratorError } from '../../base/errors.ts';
import { type ProcessHost, workerExitedType } from '../../core/ports/processHost.ts';
import type { CommandContext } from '../commandContext.ts';
import { exitCode, exitCodeOfError } from '../exitCodes.ts';
import { type FoundThing, type StateView, withStateView } from '../stateView.ts';

/** How long a run may take to end after it was asked to; past that its worker is ended by force. */
const abortLimitMs = 10_000;

/** Ends terminals and aborts runs; each one is tried. Answers with the code of the first that failed. */
export function killAll(context: CommandContext, ids: readonly string[]): Promise<number> {
  return withStateView(context, async (view) => {
    const { out, err, isJson } = context;
    let code: number = exitCode.ok;
    for (const id of ids) {
      try {
        const found = view.find(id);
        await kill(view, found);
        const done = found.kind === 'run' ? 'aborted' : 'ended';
        await (isJson
          ? out.writeJson({ id: found.id, kind: found.kind, result: done })
          : out.writeLine(`${found.kind} ${found.id} ${done}`));
      } catch (error) {
        const shape = OrchestratorError.from(error).toShape();
        code ||= exitCodeOfError(error);
        await (isJson
          ? out.writeJson({ id, error: shape })
          : err.writeLine(`orchestrator: ${shape.message}`));
      }
    }
    return code;
  });
}

async function kill(view: StateView, found: FoundThing): Promise<void> {
  if (found.kind === 'terminal') {
    const { host } = view;
    if (host === undefined || !(await view.liveTerminals()).has(found.id)) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'terminal_ended',
        `Terminal ${found.id} has ended already.`,
      );
    }
    await host.killTerminal(found.id);
    return;
  }
  const { run } = found;
  if (run.endedAt !== undefined) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'run_not_active',
      `Run ${run.id} has ended already (${run.status}).`,
    );
  }
  const { host } = view;
  if (host === undefined || !(await view.liveWorkers()).has(run.id)) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'run_not_active',
      run.status === 'queued'
        ? `Run ${run.id} waits for its turn; only who serves ${view.stateDir} can take it out of the queue.`
        : `Run ${run.id} is not going on any more; the next orchestrator serve will write down how it ended.`,
    );
  }
  await abortRun(host, run.id);
}

/** Asks the worker to end the run and waits until it has. A core that serves the directory hears of it like of any end. */
export async function abortRun(host: ProcessHost, runId: string): Promise<void> {
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  const subscription = host.onDidReceiveWorkerEvent((event) => {
    if (event.workerId === runId && event.type === workerExitedType) resolve();
  });
  const limit = setTimeout(() => {
    void host.killWorker(runId, { graceMs: 0 }).then(resolve, resolve);
  }, abortLimitMs);
  try {
    await host.commandWorker(runId, { type: 'abort', data: { reason: 'orchestrator kill' } });
    // From its last event on: what it said before is the core's business.
    const worker = (await host.listWorkers()).find(({ id }) => id === runId);
    if (worker?.isAlive !== true) return;
    await host.followWorker(runId, worker.lastSequence);
    await exited;
  } finally {
    clearTimeout(limit);
    subscription.dispose();
  }
}
