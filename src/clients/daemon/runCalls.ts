import type { DaemonRun } from '../../protocol/daemon/shapes.ts';
import type { RequestFunction } from './requestFunction.ts';

export interface ListRunsOptions {
  readonly sessionId?: string | undefined;
  /** 1 to 1,000. */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface RunsPage {
  readonly runs: readonly DaemonRun[];
  readonly nextCursor?: string | undefined;
}

/** The tasks of sessions as the core keeps them. */
export class RunCalls {
  private readonly request: RequestFunction;

  constructor(request: RequestFunction) {
    this.request = request;
  }

  /** One page, the newest first. */
  async list(options: ListRunsOptions = {}): Promise<RunsPage> {
    const { runs, nextCursor } = await this.request('list_runs', 'runs_list', { ...options });
    return { runs, nextCursor };
  }

  async status(runId: string): Promise<DaemonRun> {
    return (await this.request('run_status', 'run_status_update', { runId })).run;
  }

  async abort(runId: string): Promise<DaemonRun> {
    return (await this.request('abort_run', 'run_status_update', { runId })).run;
  }

  /** @param fromStep from 1; the steps before it are not done again. */
  async retry(runId: string, fromStep?: number): Promise<DaemonRun> {
    const payload = fromStep === undefined ? { runId } : { runId, fromStep };
    return (await this.request('retry_run', 'run_status_update', payload)).run;
  }
}
