import { OrchestratorError } from '../../base/errors.ts';
import type { Environment } from '../ports/environment.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import type { Run } from './run.ts';
import { shellRunSpec } from './shellRunSpec.ts';

/** What the worker of a run is started with. */
type RunWorker = Omit<StartWorkerOptions, 'id'>;

export interface RunWorkers {
  /** What the run's worker is started with now. Its errors end the run. */
  workerOf(run: Run): Promise<RunWorker>;
  /** Executes the ended run's task again. @returns the new run. */
  retry(run: Run): Promise<Run>;
}

export function isTaskRun(run: Run | undefined): boolean {
  return run?.request.containerTaskId !== undefined;
}

export function shellWorker(run: Run, environment: Environment): RunWorker {
  const spec = shellRunSpec(run, environment);
  return { kind: 'shell', spec, env: spec.env };
}

/** Error: `invalid_request` where nobody knows of container tasks. */
export function required(tasks: RunWorkers | undefined): RunWorkers {
  if (tasks !== undefined) return tasks;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'This orchestrator runs no container tasks.',
  );
}
