import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { type ContainerTask, isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import type { ContainerTaskManager } from '../../core/containerTasks/containerTaskManager.ts';
import type { RunReport, SeenRun } from '../../core/orchestratorAccess.ts';
import type { TaskReport } from '../../core/containerTasks/taskReport.ts';
import { noSuchTask } from '../../core/containerTasks/taskFailures.ts';
import { parseContainerTaskManifest } from '../../protocol/containerTaskManifest.ts';
import { FilesAccess } from '../access/filesAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { type Core, openCore } from '../composition.ts';
import { exitCode, exitCodeOfError } from '../exitCodes.ts';
import { formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { untilStopped } from '../untilStopped.ts';

/** Lists the container tasks, without those that have ended unless `isAll`. */
export function listTasks(context: CommandContext, { isAll }: { readonly isAll: boolean }): Promise<number> {
  return withFiles(context, async (files) => {
    const runs = new Map((await files.listRuns()).map((run) => [run.id, run]));
    const tasks = files.listContainerTasks().filter((task) => isAll || isContainerTaskLive(task));
    if (context.isJson) {
      await context.out.writeJson({
        tasks: tasks.map((task) => ({ ...task, report: reportOf(runs, task) })),
      });
    } else if (tasks.length === 0) {
      await context.out.writeLine(
        isAll ? 'Nothing here yet.' : 'No task runs. Those that have ended: orchestrator tasks list --all',
      );
    } else {
      const rows = tasks.map((task) => taskRow(runs, task));
      const header = ['ID', 'STATE', 'TIME', 'PROGRESS', 'FAILURES', 'NAME', 'LAST'];
      await context.out.write(formatTable(header, rows, context.out.columns));
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
  const manifest = parseContainerTaskManifest(await readManifest(path), (file) =>
    resolve(dirname(path), file),
  );
  return withTasks(context, async (tasks, { orchestrator }) => {
    const session = await orchestrator.sessions.ensureDefault(process.cwd());
    const notified = tasks.onDidNotify((notification) => {
      void (context.isJson
        ? context.out.writeJson({ type: 'notification', ...notification })
        : context.out.writeLine(`[${notification.level}] ${plain(notification.message)}`));
    });
    const changed = tasks.onDidChange((task) => {
      if (task.id !== manifest.id || task.state !== 'waiting') return;
      const delay = formatDuration((task.nextStartAt ?? 0) - Date.now());
      void context.err.writeLine(`orchestrator: ${plain(task.error ?? 'it failed')} Next try in ${delay}.`);
    });
    try {
      const { id } = await tasks.start({ manifest, sessionId: session.id, isAgreed: true });
      if (options.isDetached) return await detach(context, orchestrator, tasks, id);
      return await attend(context, tasks, id);
    } finally {
      notified.dispose();
      changed.dispose();
    }
  });
}

/** Ends tasks, each of them tried. Answers with the code of the first that failed. */
export function stopTasks(context: CommandContext, ids: readonly string[]): Promise<number> {
  return withFiles(context, async (files) => {
    const { out, err, isJson } = context;
    let code: number = exitCode.ok;
    for (const id of ids) {
      try {
        await stopTask(context, files, find(files, id));
        await (isJson ? out.writeJson({ id, result: 'stopped' }) : out.writeLine(`task ${id} stopped`));
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

/** Prints what the newest execution of a task told. */
export function printTaskLogs(
  context: CommandContext,
  { id, follows }: { readonly id: string; readonly follows: boolean },
): Promise<number> {
  return withFiles(context, async (files) => {
    const { out } = context;
    const { runId } = find(files, id);
    const run = (await files.listRuns()).find((candidate) => candidate.id === runId);
    if (run === undefined) return exitCode.ok;
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    const { signal } = stop;
    const reports = follows
      ? files.followRun(run, signal)
      : files.readEvents({ after: 0, follows: false, runId: run.id, signal });
    const print = async (): Promise<void> => {
      for await (const event of reports) {
        await (context.isJson ? out.writeJson(event) : printEvent(context, event));
      }
    };
    await untilStopped(stop, print());
    return exitCode.ok;
  });
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

async function stopTask(context: CommandContext, files: FilesAccess, task: ContainerTask): Promise<void> {
  let core: Core;
  try {
    core = await openCore({
      stateDir: context.stateDir,
      kind: 'run',
      isDoorComing: false,
      logger: context.logger,
    });
  } catch (error) {
    if (!OrchestratorError.is(error, 'state_in_use')) throw error;
    await stopBesideCore(files, task, error);
    return;
  }
  try {
    const { containerTasks } = core.orchestrator;
    await containerTasks?.stop(task.id);
    await containerTasks?.waitForEnd(task.id);
  } finally {
    await core.close({ endIdleHost: true });
  }
}

/** Its worker is asked; the core that serves the directory hears of that as of any abort. */
async function stopBesideCore(
  files: FilesAccess,
  task: ContainerTask,
  inUse: OrchestratorError,
): Promise<void> {
  if (task.state === 'waiting') throw inUse;
  if (task.state !== 'running' || task.runId === undefined) {
    throw new OrchestratorError(
      'FAILED_PRECONDITION',
      'task_ended',
      `No such task is running: "${task.name}" has ended already (${task.state}).`,
    );
  }
  await files.abortRun(task.runId);
}

/** Until the task has ended for good. */
async function attend(context: CommandContext, tasks: ContainerTaskManager, id: string): Promise<number> {
  const stop = new AbortController();
  stop.signal.addEventListener('abort', () => void tasks.stop(id).catch(() => undefined));
  const ended = await untilStopped(stop, tasks.waitForEnd(id));
  if (context.isJson) {
    await context.out.writeJson({ type: 'result', id, state: ended.state, error: ended.error ?? null });
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

/** Until its program runs; then it goes on without us, and the next core takes it up. */
async function detach(
  { out, isJson }: CommandContext,
  orchestrator: Core['orchestrator'],
  tasks: ContainerTaskManager,
  id: string,
): Promise<number> {
  const { promise, resolve: settle } = Promise.withResolvers<void>();
  const check = (): void => {
    const task = tasks.get(id);
    const run = task.runId === undefined ? undefined : orchestrator.runs.find(task.runId);
    if (!isContainerTaskLive(task) || run?.steps.some(({ status }) => status !== 'pending') === true)
      settle();
  };
  const changes = orchestrator.runs.onDidChange(check);
  check();
  await promise;
  changes.dispose();
  const { state, runId } = tasks.get(id);
  await (isJson ? out.writeJson({ id, state, runId }) : out.writeLine(`task ${id} ${state}`));
  return exitCode.ok;
}

async function withTasks(
  context: CommandContext,
  use: (tasks: ContainerTaskManager, core: Core) => Promise<number>,
): Promise<number> {
  const core = await openCore({
    stateDir: context.stateDir,
    kind: 'run',
    isDoorComing: false,
    logger: context.logger,
  });
  const { containerTasks } = core.orchestrator;
  try {
    return containerTasks === undefined ? exitCode.error : await use(containerTasks, core);
  } finally {
    await core.close({ endIdleHost: true });
  }
}

async function readManifest(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      `The manifest ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

async function withFiles<T>(context: CommandContext, use: (files: FilesAccess) => Promise<T>): Promise<T> {
  const files = await FilesAccess.open(context);
  try {
    return await use(files);
  } finally {
    files.dispose();
  }
}

function find(files: FilesAccess, id: string): ContainerTask {
  const task = files.listContainerTasks().find((candidate) => candidate.id === id);
  if (task === undefined) throw noSuchTask(id);
  return task;
}

function reportOf(runs: ReadonlyMap<string, SeenRun>, { runId }: ContainerTask): TaskReport | null {
  return runId === undefined ? null : (runs.get(runId)?.taskReport ?? null);
}

function taskRow(runs: ReadonlyMap<string, SeenRun>, task: ContainerTask): string[] {
  const report = reportOf(runs, task);
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

/** A program's words on one line of ours: no control character of theirs reaches the terminal. */
function plain(message: string): string {
  return message.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
