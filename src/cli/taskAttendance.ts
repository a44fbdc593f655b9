import type { SeenContainerTask } from '../core/containerTasks/containerTaskAccess.ts';
import { isContainerTaskLive } from '../core/containerTasks/containerTask.ts';
import { isNotification } from '../core/containerTasks/taskNotification.ts';
import type { OrchestratorEvent } from '../core/events/event.ts';
import type { ServingOrchestrator } from '../core/orchestratorAccess.ts';
import type { CommandContext } from './commandContext.ts';
import { exitCode } from './exitCodes.ts';
import { formatDuration } from './output/format.ts';
import { untilStopped } from './untilStopped.ts';

/** Looks on at a container task that was just started, over all its tries, and tells what it tells. */
export class TaskAttendance {
  private readonly context: CommandContext;
  private readonly serving: ServingOrchestrator;
  private readonly task: SeenContainerTask;
  /** Its executions that we have heard of. */
  private readonly runIds = new Set<string>();

  constructor(context: CommandContext, serving: ServingOrchestrator, task: SeenContainerTask) {
    this.context = context;
    this.serving = serving;
    this.task = task;
  }

  /** Until it has ended for good; Ctrl-C stops it. @returns the exit code. */
  async untilEnded(): Promise<number> {
    const { context, serving, task } = this;
    const stop = new AbortController();
    stop.signal.addEventListener(
      'abort',
      () => void serving.containerTasks.stop(task.id).catch(() => undefined),
    );
    await untilStopped(stop, this.tellUntil(isTheEnd));
    // Nothing but our own looking on has ended where this is not so.
    const ended = await serving.containerTasks.waitForEnd(task.id);
    if (context.isJson) {
      const error = ended.error ?? null;
      await context.out.writeJson({ type: 'result', id: task.id, state: ended.state, error });
    } else if (ended.error !== undefined) {
      await context.err.writeLine(`orchestrator: ${plain(ended.error)}`);
    }
    switch (ended.state) {
      case 'succeeded':
        return exitCode.ok;
      case 'stopped':
        return exitCode.cancelled;
      default:
        return exitCode.error;
    }
  }

  /** Until its program runs; then it goes on without us, and the next core takes it up. @returns the exit code. */
  async untilStarted(): Promise<number> {
    const { context, serving, task } = this;
    await this.tellUntil((event) => event.type === 'runner.step.execution.started' || isTheEnd(event));
    const all = await serving.listContainerTasks();
    const { state, runId } = all.find(({ id }) => id === task.id) ?? task;
    await (context.isJson
      ? context.out.writeJson({ id: task.id, state, runId })
      : context.out.writeLine(`task ${task.id} ${state}`));
    return exitCode.ok;
  }

  private async tellUntil(isLast: (event: OrchestratorEvent) => boolean): Promise<void> {
    const { serving, task } = this;
    if (task.runId === undefined) return;
    this.runIds.add(task.runId);
    const { signal } = new AbortController();
    const query = { after: await this.beforeFirst(task.runId), follows: true, signal } as const;
    for await (const event of serving.readEvents({ ...query, sessionId: task.sessionId })) {
      if (!this.isOurs(event)) continue;
      await this.tell(event);
      if (isLast(event)) return;
    }
  }

  /** The sequence before the first event of its first execution: what came before is of no task of ours. */
  private async beforeFirst(runId: string): Promise<number> {
    const { signal } = new AbortController();
    for await (const { sequence } of this.serving.readEvents({ after: 0, follows: false, runId, signal })) {
      return sequence - 1;
    }
    return 0;
  }

  private isOurs({ type, runId, data }: OrchestratorEvent): boolean {
    if (type === 'container_task.updated' && data['task_id'] === this.task.id) {
      if (runId !== undefined) this.runIds.add(runId);
      return true;
    }
    return runId !== undefined && this.runIds.has(runId);
  }

  private async tell({ type, data, runId, sequence }: OrchestratorEvent): Promise<void> {
    const { out, err, isJson } = this.context;
    if (isNotification(type)) {
      const { level = 'Info', message = '', action = null } = data;
      const { id: taskId, name: taskName } = this.task;
      const notification = { level, message, action, taskId, taskName, runId, sequence };
      await (isJson
        ? out.writeJson({ type: 'notification', ...notification })
        : out.writeLine(`[${String(level)}] ${plain(String(message))}`));
    } else if (type === 'container_task.updated' && data['state'] === 'waiting') {
      const { next_start_at: nextStartAt, error } = data;
      const delay = formatDuration(Number(nextStartAt) - Date.now());
      const why = typeof error === 'string' ? error : 'it failed';
      await err.writeLine(`orchestrator: ${plain(why)} Next try in ${delay}.`);
    }
  }
}

function isTheEnd({ type, data }: OrchestratorEvent): boolean {
  if (type !== 'container_task.updated') return false;
  // Written by the core itself, with this payload.
  return !isContainerTaskLive({ state: data['state'] } as Pick<SeenContainerTask, 'state'>);
}

/** A program's words on one line of ours: no control character of theirs reaches the terminal. */
export function plain(message: string): string {
  return message.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}
