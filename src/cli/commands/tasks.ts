import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OrchestratorError } from '../../base/errors.ts';
import { type ContainerTask, isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import type { ContainerTaskManager } from '../../core/containerTasks/containerTaskManager.ts';
import type { TaskReport } from '../../core/containerTasks/taskReport.ts';
import { noSuchTask } from '../../core/containerTasks/taskFailures.ts';
import { parseContainerTaskManifest } from '../../protocol/containerTaskManifest.ts';
import type { CommandContext } from '../commandContext.ts';
import { type Core, openCore } from '../composition.ts';
import { exitCode, exitCodeOfError } from '../exitCodes.ts';
import { formatDuration } from '../output/format.ts';
import { formatTable } from '../output/table.ts';
import { type StateView, withStateView } from '../stateView.ts';
import { forEachTaskEvent, type TaskEvent } from '../taskEvents.ts';
import { untilStopped } from '../untilStopped.ts';
import { abortRun } from './kill.ts';

/** Lists the container tasks, without those that have ended unless `isAll`. */
export function listTasks(context: CommandContext, { isAll }: { readonly isAll: boolean }): Promise<number> {
  return withStateView(context, async (view) => {
    const tasks = tasksOf(view).filter((task) => isAll || isContainerTaskLive(task));
    if (context.isJson) {
      await context.out.writeJson({
        tasks: tasks.map((task) => ({ ...task, report: reportOf(view, task) })),
      });
    } else if (tasks.length === 0) {
      await context.out.writeLine(
        isAll ? 'Nothing here yet.' : 'No task runs. Those that have ended: orchestrator tasks list --all',
      );
    } else {
      const rows = tasks.map((task) => taskRow(view, task));
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
  return withStateView(context, async (view) => {
    const { out, err, isJson } = context;
    let code: number = exitCode.ok;
    for (const id of ids) {
      try {
        await stopTask(context, view, find(view, id));
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
  return withStateView(context, async (view) => {
    const { out } = context;
    const { runId } = find(view, id);
    if (runId === undefined) return exitCode.ok;
    const stop = new AbortController();
    out.onDidClose(() => stop.abort());
    const print = (event: TaskEvent): void => {
      if (context.isJson) void out.writeJson(event);
      else void printEvent(context, event);
    };
    await untilStopped(stop, forEachTaskEvent(view, runId, { follows, signal: stop.signal }, print));
    return exitCode.ok;
  });
}

async function printEvent({ out, err }: CommandContext, { type, time, data }: TaskEvent): Promise<void> {
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

async function stopTask(context: CommandContext, view: StateView, task: ContainerTask): Promise<void> {
  let core: Core;
  try {
    core = await openCore({ stateDir: context.stateDir, kind: 'run', logger: context.logger });
  } catch (error) {
    if (!OrchestratorError.is(error, 'state_in_use')) throw error;
    await stopBesideCore(view, task, error);
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
async function stopBesideCore(view: StateView, task: ContainerTask, inUse: OrchestratorError): Promise<void> {
  const { host } = view;
  const { runId = '' } = task;
  if (host !== undefined && (await view.liveWorkers()).has(runId)) {
    await abortRun(host, runId);
    return;
  }
  if (task.state === 'waiting') throw inUse;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'task_ended',
    `No such task is running: "${task.name}" has ended already (${task.state}).`,
  );
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
  const core = await openCore({ stateDir: context.stateDir, kind: 'run', logger: context.logger });
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

function tasksOf(view: StateView): ContainerTask[] {
  return view.store?.list('containerTask') ?? [];
}

function find(view: StateView, id: string): ContainerTask {
  const task = view.store?.get('containerTask', id);
  if (task === undefined) throw noSuchTask(id);
  return task;
}

function reportOf(view: StateView, { runId }: ContainerTask): TaskReport | null {
  return runId === undefined ? null : (view.store?.get('run', runId)?.taskReport ?? null);
}

function taskRow(view: StateView, task: ContainerTask): string[] {
  const report = reportOf(view, task);
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
