import type { CoreContext } from '../context.ts';
import type { LogTransaction } from '../events/logTransaction.ts';
import type { AgentTask } from '../tasks/task.ts';
import type { TaskManager } from '../tasks/taskManager.ts';
import { setVariables } from '../variables.ts';
import { agentNameOf, type Run } from './run.ts';
import type { RunEngine } from './runEngine.ts';

/**
 * Runs that a registered agent carries out: each is one task, for any agent of the name. The task is stored with the
 * run and goes its own way through dispatch; what becomes of it becomes of the run, in the same transaction
 * (`settleAgentRuns`). So there is nothing to start here, and nothing to recover.
 */
export class AgentRunEngine implements RunEngine {
  private readonly context: CoreContext;
  private readonly tasks: TaskManager;

  constructor(context: CoreContext, tasks: TaskManager) {
    this.context = context;
    this.tasks = tasks;
  }

  get runningCount(): number {
    return [...this.context.state.liveRuns.values()].filter(
      (run) => this.owns(run) && run.status === 'running',
    ).length;
  }

  owns(run: Run): boolean {
    return agentNameOf(run.request) !== undefined;
  }

  prepare(tx: LogTransaction, run: Run): Run {
    const { request, sessionId, id: runId } = run;
    const task: AgentTask = this.tasks.createIn(tx, {
      sessionId,
      runId,
      target: { agentName: agentNameOf(request) ?? '' },
      type: 'custom',
      config: {
        command: request.task,
        workingDirectory: request.cwd ?? '',
        // It has an environment of its own: there is nothing there to be taken away.
        environment: setVariables(request.env),
        timeoutMs: request.timeoutMs ?? 0,
        parameters: { run_id: runId },
      },
    });
    return { ...run, taskId: task.id };
  }

  pump(): void {
    // Tasks are dispatched by themselves.
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- asynchronous by its port
  async abort(id: string): Promise<void> {
    const taskId = this.context.state.liveRuns.get(id)?.taskId;
    if (taskId !== undefined) this.tasks.cancel(taskId, 'its run was aborted');
  }
}
