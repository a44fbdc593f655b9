import { OrchestratorError } from '../../base/errors.ts';
import type { CoreContext } from '../context.ts';
import type { StartWorkerOptions } from '../ports/processHost.ts';
import { codingAgentOf } from './codingAgents.ts';
import { codingAgentWorker } from './codingAgentWorker.ts';
import { isModelRun, modelWorker } from './modelRuns.ts';
import type { Run } from './run.ts';
import { shellRunSpec } from './shellRunSpec.ts';

/** What the worker of a run is started with. */
type RunWorker = Omit<StartWorkerOptions, 'id'>;

/** What container tasks say of the runs that are their executions. */
export interface TaskRunWorkers {
  /** What the run's worker is started with now. Its errors end the run. */
  workerOf(run: Run): Promise<RunWorker>;
  /** Executes the ended run's task again. @returns the new run. */
  retry(run: Run): Promise<Run>;
}

export function isTaskRun(run: Run | undefined): boolean {
  return run?.request.containerTaskId !== undefined;
}

/** The kinds of workers that carry runs out: those of the shell, of coding agents, of models, and of container tasks. */
export class RunWorkers {
  private readonly context: CoreContext;
  private tasks: TaskRunWorkers | undefined;

  constructor(context: CoreContext) {
    this.context = context;
  }

  setContainerTasks(tasks: TaskRunWorkers): void {
    this.tasks = tasks;
  }

  /** Error: `invalid_request` where nobody knows of container tasks. */
  get containerTasks(): TaskRunWorkers {
    if (this.tasks !== undefined) return this.tasks;
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'invalid_request',
      'This orchestrator runs no container tasks.',
    );
  }

  /** Errors: those of finding the shell, the coding agent or the model, and of container tasks. */
  async of(run: Run): Promise<RunWorker> {
    if (isTaskRun(run)) return this.containerTasks.workerOf(run);
    const agent = codingAgentOf(run.request);
    if (agent !== undefined) return codingAgentWorker(run, agent, this.context);
    if (isModelRun(run)) {
      return modelWorker(run, this.context.state.sessions.get(run.sessionId), this.context);
    }
    const spec = shellRunSpec(run, this.context.environment);
    return { kind: 'shell', spec, env: spec.env };
  }
}
