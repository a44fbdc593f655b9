import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import { OrchestratorError } from '../../base/errors.ts';
import { type ContainerTask, isContainerTaskLive } from '../../core/containerTasks/containerTask.ts';
import type { ContainerTaskManager } from '../../core/containerTasks/containerTaskManager.ts';
import type { Orchestrator } from '../../core/orchestrator.ts';
import { commandIds } from '../contributions/ids.ts';
import { whatManifestAsks } from '../manifests/manifestAgreement.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { containerTaskIcon, describeContainerTask } from '../views/containerTaskRows.ts';
import { count, oneLine } from '../views/format.ts';
import { askManifest } from './askManifest.ts';
import type { CommandArguments, CommandHandler } from './context.ts';
import { sessionForNew } from './sessionCommands.ts';
import { showRun } from './startRun.ts';
import { hasTarget, pick, targetIds } from './targets.ts';

/**
 * Starts the task of a manifest: of the file that a menu names, of the one that is chosen from the palette or for a
 * session. Answers the id of its run.
 */
const startContainerTask: CommandHandler = async (context, args) => {
  const uri = args[0] instanceof vscode.Uri ? args[0] : await askManifest(context);
  if (uri === undefined) return undefined;
  const manifest = await context.manifests.read(uri);
  const { orchestrator } = await context.ready();
  const tasks = tasksOf(orchestrator);
  const known = tasks.find(manifest.id);
  // What is kept of the task is a manifest that somebody has agreed to: the same one is not asked about again.
  if (known === undefined || !isDeepStrictEqual(plain(known.manifest), plain(manifest))) {
    const asks = whatManifestAsks(manifest);
    const question = `Start the task "${oneLine(manifest.name, 60)}"?`;
    if (asks.length > 0 && !(await confirm(question, asks.join('\n'), 'Start'))) return undefined;
  }
  if (known !== undefined && isContainerTaskLive(known)) {
    const detail = `It is at: ${stateOf(orchestrator, known)}. Its work up to now is lost; its log is kept.`;
    const question = `The task "${oneLine(known.name, 60)}" is running. Stop it and start it anew?`;
    if (known.state === 'running' && !(await confirm(question, detail, 'Restart'))) return undefined;
    await stopAndWait(tasks, known.id);
  }
  const session = await sessionForNew(context, orchestrator, args, 'Start the task in which session?');
  if (session === undefined) return undefined;
  const task = await tasks.start({ manifest, sessionId: session.id, isAgreed: true });
  if (task.runId !== undefined) await showRun(context, task.runId, { isOnDemand: false });
  return task.runId;
};

const stopContainerTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const chosen = await askTasks(args, orchestrator, {
    title: 'Stop which task?',
    none: 'No container task is running.',
    accepts: isContainerTaskLive,
  });
  await stopTasks(orchestrator, chosen);
};

const stopAllContainerTasks: CommandHandler = async (context) => {
  const { orchestrator } = await context.ready();
  const live = tasksOf(orchestrator).list().filter(isContainerTaskLive);
  if (live.length === 0) void vscode.window.showInformationMessage('No container task is running.');
  await stopTasks(orchestrator, live);
};

async function stopTasks(orchestrator: Orchestrator, chosen: readonly ContainerTask[]): Promise<void> {
  const what = tasksText(chosen);
  if (what === undefined) return;
  const running = chosen.filter(({ state }) => state === 'running');
  if (running.length > 0) {
    const states = running.map((task) =>
      chosen.length === 1
        ? stateOf(orchestrator, task)
        : `${oneLine(task.name, 40)}: ${stateOf(orchestrator, task)}`,
    );
    const detail = `${states.join('\n')}\nIts program and its container are ended. What they told is kept, and a stopped task is not tried again.`;
    if (!(await confirm(`Stop ${what}?`, detail, 'Stop'))) return;
  }
  const tasks = tasksOf(orchestrator);
  await forEachWithProgress(
    `Stopping ${what}`,
    chosen,
    ({ name }) => name,
    ({ id }) => stopAndWait(tasks, id),
  );
}

async function stopAndWait(tasks: ContainerTaskManager, id: string): Promise<void> {
  await tasks.stop(id).catch((error: unknown) => {
    // It ended while the question stood.
    if (!OrchestratorError.is(error, 'task_ended')) throw error;
  });
  await tasks.waitForEnd(id);
}

const retryContainerTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const chosen = await askTasks(args, orchestrator, {
    title: 'Retry which task?',
    none: 'There is no container task that has ended or waits.',
    accepts: ({ state }) => state !== 'running',
  });
  for (const { id } of chosen) {
    const { runId } = await tasksOf(orchestrator).retry(id);
    if (runId !== undefined) await showRun(context, runId, { isOnDemand: false });
  }
};

const showContainerTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const chosen = await askTasks(args, orchestrator, {
    title: 'Show which task?',
    none: 'There is no container task yet. Start one from its manifest.',
    accepts: ({ runId }) => runId !== undefined,
  });
  for (const { runId } of chosen) await showRun(context, runId, { isOnDemand: true });
};

const removeContainerTask: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.ready();
  const chosen = await askTasks(args, orchestrator, {
    title: 'Remove which task?',
    none: 'There is no container task that has ended.',
    accepts: (task) => !isContainerTaskLive(task),
  });
  const what = tasksText(chosen);
  if (what === undefined) return;
  const detail = 'Its containers and all that it has stored are deleted. Its runs stay in the history.';
  if (!(await confirm(`Remove ${what}?`, detail, 'Remove'))) return;
  await forEachWithProgress(
    `Removing ${what}`,
    chosen,
    ({ name }) => name,
    ({ id }) => tasksOf(orchestrator).remove(id),
  );
};

interface TaskQuestion {
  readonly title: string;
  readonly none: string;
  readonly accepts: (task: ContainerTask) => boolean;
}

/** The tasks that the arguments name, the only one that is running, or the one that is chosen. */
async function askTasks(
  args: CommandArguments,
  orchestrator: Orchestrator,
  { title, none, accepts }: TaskQuestion,
): Promise<ContainerTask[]> {
  const tasks = tasksOf(orchestrator);
  if (hasTarget(args)) {
    return targetIds(args, 'containerTask')
      .flatMap((id) => tasks.find(id) ?? [])
      .filter(accepts);
  }
  // Those that go on come first, then what was changed last.
  const offered = tasks
    .list()
    .filter(accepts)
    .toSorted(
      (a, b) => Number(isContainerTaskLive(b)) - Number(isContainerTaskLive(a)) || b.updatedAt - a.updatedAt,
    );
  const choices = offered.map((task) => ({
    label: oneLine(task.name, 60),
    description: stateOf(orchestrator, task),
    detail: task.id,
    iconPath: new vscode.ThemeIcon(containerTaskIcon(task, true).id),
    value: task,
  }));
  const picked = await pick(title, choices, none);
  return picked === undefined ? [] : [picked];
}

function stateOf({ runs }: Orchestrator, task: ContainerTask): string {
  const run = task.runId === undefined ? undefined : runs.find(task.runId);
  return describeContainerTask({ task, run }, Date.now());
}

function tasksOf({ containerTasks }: Orchestrator): ContainerTaskManager {
  if (containerTasks !== undefined) return containerTasks;
  throw new OrchestratorError(
    'FAILED_PRECONDITION',
    'invalid_request',
    'Container tasks are not set up here.',
  );
}

function tasksText(tasks: readonly ContainerTask[]): string | undefined {
  const [first] = tasks;
  if (first === undefined) return undefined;
  return tasks.length === 1 ? `the task "${oneLine(first.name, 60)}"` : count(tasks.length, 'container task');
}

/** What is left out and what is undefined are the same: the store keeps only what there is. */
function plain(manifest: ContainerTask['manifest']): unknown {
  return JSON.parse(JSON.stringify(manifest));
}

export const containerTaskCommands = {
  [commandIds.startContainerTask]: startContainerTask,
  [commandIds.stopContainerTask]: stopContainerTask,
  [commandIds.stopAllContainerTasks]: stopAllContainerTasks,
  [commandIds.retryContainerTask]: retryContainerTask,
  [commandIds.showContainerTask]: showContainerTask,
  [commandIds.removeContainerTask]: removeContainerTask,
};
