import { type AgentTask, isTaskEnded, type TaskChunk } from '../../../core/tasks/task.ts';
import type { TaskManager } from '../../../core/tasks/taskManager.ts';
import type { StreamTaskResponse } from '../../../protocol/gen/agent/v1/agent.ts';
import { errorMessage, resultMessage, taskStateMessage } from './taskMessages.ts';
import { dateOf } from './values.ts';

type Payload = NonNullable<StreamTaskResponse['payload']>;

/** How far one client has been told of a task: only what is new is read, when the client comes for it. */
export class TaskView {
  readonly taskId: string;
  /** Everything was told, and nothing more will come. */
  isOver = false;
  private readonly tasks: TaskManager;
  private outputAt = 0;
  private inputAt = 0;
  private told: Pick<AgentTask, 'state' | 'attempt' | 'progress' | 'progressMessage'> | undefined;
  /** A character may lie on the border of two pieces. */
  private readonly decoders = {
    stdin: new TextDecoder(),
    stdout: new TextDecoder(),
    stderr: new TextDecoder(),
  };

  constructor(tasks: TaskManager, taskId: string) {
    this.tasks = tasks;
    this.taskId = taskId;
  }

  /**
   * What is to be told now. Errors: `task_not_found` where it was removed with its session.
   * @param attempt of the agent that reads this, which is told of input instead of output
   */
  *news(attempt: number | undefined): Generator<Payload, void, undefined> {
    const task = this.tasks.get(this.taskId);
    const isAttemptOver = attempt !== undefined && (attempt !== task.attempt || task.state === 'pending');
    const isEnded = isTaskEnded(task);
    if (!isEnded) yield* this.changes(task, attempt !== undefined && !isAttemptOver);
    if (attempt === undefined) yield* this.output(task.outputEnd);
    else if (!isEnded && !isAttemptOver) yield* this.input(task.inputEnd);
    if (isEnded) yield* endOf(task);
    this.isOver = isEnded || isAttemptOver;
  }

  private *changes(task: AgentTask, isItsOwn: boolean): Generator<Payload, void, undefined> {
    const { told } = this;
    const { state, attempt, progress, progressMessage, error } = task;
    this.told = { state, attempt, progress, progressMessage };
    if (told?.state !== state || told.attempt !== attempt) {
      // Who does the task knows that it runs: it has just said so.
      if (!isItsOwn || told === undefined) yield statusOf(task, error?.message ?? '');
    }
    const isSame = progress === (told?.progress ?? 0) && progressMessage === told?.progressMessage;
    if (isSame || isItsOwn) return;
    yield { $case: 'progress', value: { percent: progress, message: progressMessage ?? '', details: {} } };
  }

  private *output(end: number): Generator<Payload, void, undefined> {
    while (this.outputAt < end) {
      const chunks = this.tasks.readOutput(this.taskId, this.outputAt);
      for (const chunk of chunks) {
        this.outputAt = chunk.offset + chunk.data.length;
        yield this.chunkOf(chunk);
      }
      // Of a task that prints much only the newest is kept: what is gone meanwhile is passed over.
      if (chunks.length === 0) this.outputAt = end;
    }
  }

  private *input(end: number): Generator<Payload, void, undefined> {
    while (this.inputAt < end) {
      const chunks = this.tasks.readInput(this.taskId, this.inputAt);
      for (const chunk of chunks) {
        this.inputAt = chunk.offset + chunk.data.length;
        yield this.chunkOf(chunk);
      }
      if (chunks.length === 0) this.inputAt = end;
    }
  }

  private chunkOf({ stream, data }: TaskChunk): Payload {
    const text = this.decoders[stream].decode(data, { stream: true });
    return { $case: 'output', value: { data, text, streamType: stream } };
  }
}

/** Its last state, then its result or its error; both where it failed with a result. */
function* endOf(task: AgentTask): Generator<Payload, void, undefined> {
  const { state, error, result, endedAt = 0 } = task;
  yield statusOf(task, error?.message ?? '');
  if (state !== 'cancelled' && error !== undefined && state !== 'completed') {
    yield { $case: 'error', value: errorMessage(error) };
  }
  if (state !== 'completed' && state !== 'cancelled' && result === undefined) return;
  const value = { taskId: task.id, result: resultMessage(task), completedAt: dateOf(endedAt) };
  yield { $case: 'complete', value };
}

function statusOf(task: AgentTask, message: string): Payload {
  const { state, createdAt, startedAt, endedAt } = task;
  const time = endedAt ?? (state === 'running' ? startedAt : undefined) ?? task.deliveredAt ?? createdAt;
  return { $case: 'status', value: { state: taskStateMessage(state), message, timestamp: dateOf(time) } };
}
