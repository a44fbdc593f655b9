import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import type {
  ContainerTaskAccess,
  SeenContainerTask,
} from '../../core/containerTasks/containerTaskAccess.ts';
import { noSuchTask } from '../../core/containerTasks/taskFailures.ts';
import type { OrchestratorAccess, RunReport } from '../../core/orchestratorAccess.ts';
import { withAccess, withServing } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { forEachId } from '../eachId.ts';
import { exitCode } from '../exitCodes.ts';
import { formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { sessionOfDirectory } from '../sessionOfDirectory.ts';
import { plain, TaskAttendance } from '../taskAttendance.ts';
import { untilStopped } from '../untilStopped.ts';

/** Lists the container tasks, without those that have ended unless `isAll`. */
export function listTasks(context: CommandContext, { isAll }: { readonly isAll: boolean }): Promise<number> {
  return withAccess(context, async (access) => {
    const { out, isJson } = context;
    const all = await access.listContainerTasks();
    const tasks = all.filter((task) => isAll || isContainerTaskLive(task));
    if (isJson) {
      await out.writeJson({ tasks });
    } else if (tasks.length === 0) {
      await out.writeLine(
        isAll ? 'Nothing here yet.' : 'No task runs. Those that have ended: orchestrator tasks list --all',
      );
    } else {
      const header = ['ID', 'STATE', 'TIME', 'PROGRESS', 'FAILURES', 'NAME', 'LAST'];
      await out.write(formatTable(header, tasks.map(taskRow), out.columns));
    }
    return exitCode.ok;
  });
}

export interface StartTaskOptions {
  /** Path of the manifest, a JSON file. */
  readonly manifest: string;
  /** Leave once its program has started. */
  readonly isDetached: boolean;
}

/**
 * Starts a task and tells what it tells until it ends, tries over. Ctrl-C stops it. Naming the manifest is the person's
 * agreement to what it asks for.
 */
export async function startTask(context: CommandContext, options: StartTaskOptions): Promise<number> {
  const path = resolve(options.manifest);
  const manifest = await readManifest(path);
  return withServing(context, async (serving) => {
    const { id: sessionId } = await sessionOfDirectory(serving);
    const task = await serving.containerTasks.start({ sessionId, manifest, folder: dirname(path) });
    const attendance = new TaskAttendance(context, serving, task);
    return options.isDetached ? attendance.untilStarted() : attendance.untilEnded();
  });
}

/** Ends tasks, each of them tried. Answers with the code of the first that failed. */
export function stopTasks(context: CommandContext, ids: readonly string[]): Promise<number> {
  return forEach(context, ids, 'stopped', (tasks, id) => tasks.stop(id));
}

/** Executes tasks again that have ended or wait; they go on by themselves while a core is there. */
export function retryTasks(context: CommandContext, ids: readonly string[]): Promise<number> {
  return forEach(context, ids, 'started', (tasks, id) => tasks.retry(id));
}

/** Forgets tasks that have ended, with what they have stored. */
export function removeTasks(context: CommandContext, ids: readonly string[]): Promise<number> {
  return forEach(context, ids, 'removed', (tasks, id) => tasks.remove(id));
}

/** Prints what the newest execution of a task told. */
export function printTaskLogs(
  context: CommandContext,
  { id, follows }: { readonly id: string; readonly follows: boolean },
): Promise<number> {
  return withAccess(context, async (access) => {
    const { out } = context;
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    const reports = await reportsOf(access, id, follows, stop.signal);
    const print = async (): Promise<void> => {
      for await (const event of reports) {
        await (context.isJson ? out.writeJson(event) : printEvent(context, event));
      }
    };
    await untilStopped(stop, print());
    return exitCode.ok;
  });
}

async function reportsOf(
  access: OrchestratorAccess,
  id: string,
  follows: boolean,
  signal: AbortSignal,
): Promise<AsyncIterable<RunReport>> {
  const task = (await access.listContainerTasks()).find((candidate) => candidate.id === id);
  if (task === undefined) throw noSuchTask(id);
  const { runId } = task;
  const run = follows ? (await access.listRuns()).find((candidate) => candidate.id === runId) : undefined;
  return run === undefined
    ? access.readEvents({ after: 0, follows: false, runId, signal })
    : access.followRun(run, signal);
}

async function printEvent({ out, err }: CommandContext, { type, time, data }: RunReport): Promise<void> {
  const clock = new Date(time).toISOString().slice(11, 23);
  if (type === 'container_task.callback' || type === 'container_task.notification') {
    await out.writeLine(`${clock} [${text(data['level'])}] ${plain(text(data['message']))}`);
    const payload = data['payload'];
    if (data['event_type'] === 'task_result') await out.writeLine(JSON.stringify(payload, undefined, 2));
  } else if (type === 'container_task.refused') {
    const { unauthenticated = 0, invalid = 0, over_limit = 0 } = data;
    await err.writeLine(
      `orchestrator: refused: ${String(unauthenticated)} without its token, ${String(invalid)} not understood, ${String(over_limit)} over the limit.`,
    );
  } else if (type === 'response.failed') {
    await err.writeLine(`orchestrator: ${plain(text(data['error']))}`);
  }
}

function forEach(
  context: CommandContext,
  ids: readonly string[],
  result: string,
  act: (tasks: ContainerTaskAccess, id: string) => Promise<unknown>,
): Promise<number> {
  return withServing(context, async ({ containerTasks }) => {
    const { out, isJson } = context;
    return await forEachId(context, ids, async (id) => {
      await act(containerTasks, id);
      await (isJson ? out.writeJson({ id, result }) : out.writeLine(`task ${id} ${result}`));
    });
  });
}

async function readManifest(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    throw new Error('it is no JSON object');
  } catch (error) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `The manifest ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function taskRow(task: SeenContainerTask): string[] {
  const { report } = task;
  const until = isContainerTaskLive(task) ? Date.now() : task.updatedAt;
  return [
    task.id,
    task.state,
    formatDuration(until - task.createdAt),
    report?.progress === undefined ? '' : `${Math.round(report.progress)}%`,
    task.failures === 0 ? '' : String(task.failures),
    task.name,
    task.error ?? report?.message ?? '',
  ];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
