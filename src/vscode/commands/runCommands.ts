import * as vscode from 'vscode';
import type { Run } from '../../core/runs/run.ts';
import { commandIds, viewIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { isActive, runLabel, runOutcome } from '../views/describe.ts';
import { count } from '../views/format.ts';
import type { CommandHandler } from './context.ts';
import { showRun, startRun } from './startRun.ts';
import { askRuns, targetIds } from './targets.ts';

/**
 * Opens the task box. With `{task, sessionId?}` as its argument (a keybinding, another extension) the task starts at
 * once, and the run's id is the answer.
 */
const runTask: CommandHandler = async (context, args) => {
  const [request] = args;
  if (isRunRequest(request)) {
    const run = await startRun(context, request);
    await showRun(context, run.id, { isOnDemand: false });
    return run.id;
  }
  const { orchestrator } = await context.place(args);
  const [sessionId] = targetIds(args, 'session');
  context.panels.preferSession(
    sessionId === undefined ? undefined : orchestrator.sessions.find(sessionId)?.id,
  );
  await showRun(context, undefined, { isOnDemand: true });
  return undefined;
};

function isRunRequest(value: unknown): value is { readonly task: string; readonly sessionId?: string } {
  if (typeof value !== 'object' || value === null || !('task' in value) || typeof value.task !== 'string')
    return false;
  return !('sessionId' in value) || value.sessionId === undefined || typeof value.sessionId === 'string';
}

const openRunPanel: CommandHandler = async (context) => {
  const { orchestrator } = await context.ready();
  const latest = orchestrator.runs.active()[0] ?? orchestrator.runs.list({ limit: 1 })[0];
  await showRun(context, latest?.id, { isOnDemand: true });
};

const showRunCommand: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const runs = await askRuns(args, orchestrator, {
    title: 'Show which run?',
    none: 'There is no run yet.',
    accepts: () => true,
  });
  for (const run of runs) await showRun(context, run.id, { isOnDemand: true });
};

const abortRun: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const runs = await askRuns(args, orchestrator, {
    title: 'Abort which run?',
    none: 'No run is in progress.',
    accepts: (run) => isActive(run) && !run.isAborting,
  });
  const what = runsText(runs);
  if (what === undefined) return;
  // A call that names the run has asked already.
  if (typeof args[0] !== 'string') {
    const [run] = runs;
    const state = runs.length === 1 && run !== undefined ? ` It is at ${runOutcome(run)}.` : '';
    const detail = `Everything that it has started is ended.${state} Output up to then is kept.`;
    if (!(await confirm(`Abort ${what}?`, detail, 'Abort'))) return;
  }
  await forEachWithProgress(
    `Aborting ${what}`,
    runs,
    (run) => runLabel(run),
    async ({ id }) => {
      await orchestrator.runs.abort(id);
      await orchestrator.runs.waitForEnd(id);
    },
  );
};

const retryRun: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const runs = await askRuns(args, orchestrator, {
    title: 'Retry which run?',
    none: 'There is no finished run.',
    accepts: (run) => !isActive(run),
  });
  for (const run of runs) {
    const again = await orchestrator.runs.retry(run.id);
    await showRun(context, again.id, { isOnDemand: false });
  }
};

const removeRun: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const runs = await askRuns(args, orchestrator, {
    title: 'Remove which run?',
    none: 'There is no finished run.',
    accepts: (run) => !isActive(run),
  });
  const what = runsText(runs);
  if (what === undefined) return;
  if (
    !(await confirm(
      `Remove ${what} from the history?`,
      'The saved output is deleted. This cannot be undone.',
      'Remove',
    ))
  )
    return;
  await forEachWithProgress(
    `Removing ${what}`,
    runs,
    (run) => runLabel(run),
    ({ id }) => orchestrator.runs.remove(id),
  );
};

const clearHistory: CommandHandler = async (context) => {
  const { orchestrator, history } = await context.ready();
  const search = history.search;
  const ended: Run[] = [];
  let before: string | undefined;
  do {
    const page = orchestrator.runs.list({
      limit: 500,
      ...(before === undefined ? {} : { before }),
      ...(search === '' ? {} : { search }),
    });
    before = page.length === 500 ? page.at(-1)?.id : undefined;
    ended.push(...page.filter((run) => !isActive(run)));
  } while (before !== undefined);
  if (ended.length === 0) {
    void vscode.window.showInformationMessage('The history is empty.');
    return;
  }
  const which =
    search === ''
      ? count(ended.length, 'finished run')
      : `${count(ended.length, 'run')} that match "${search}"`;
  const detail = 'Their saved output is deleted too. This cannot be undone. Runs in progress stay.';
  if (!(await confirm(`Remove ${which} from the history?`, detail, 'Remove'))) return;
  await forEachWithProgress(
    'Clearing the history',
    ended,
    (run) => runLabel(run),
    ({ id }) => orchestrator.runs.remove(id),
  );
};

const searchHistory: CommandHandler = async (context) => {
  const { history } = await context.ready();
  const text = await vscode.window.showInputBox({
    title: 'Search history',
    prompt: 'Text that a run has in its commands; empty shows all',
    value: history.search,
  });
  if (text === undefined) return;
  history.setSearch(text);
  await vscode.commands.executeCommand(`${viewIds.history}.focus`);
};

const clearHistorySearch: CommandHandler = async (context) => {
  (await context.ready()).history.setSearch('');
};

const showMoreHistory: CommandHandler = async (context) => {
  (await context.ready()).history.showMore();
};

function runsText(runs: readonly Run[]): string | undefined {
  const [first] = runs;
  if (first === undefined) return undefined;
  return runs.length === 1 ? `"${runLabel(first)}"` : count(runs.length, 'run');
}

export const runCommands = {
  [commandIds.runTask]: runTask,
  [commandIds.openRunPanel]: openRunPanel,
  [commandIds.showRun]: showRunCommand,
  [commandIds.abortRun]: abortRun,
  [commandIds.retryRun]: retryRun,
  [commandIds.removeRun]: removeRun,
  [commandIds.clearHistory]: clearHistory,
  [commandIds.searchHistory]: searchHistory,
  [commandIds.clearHistorySearch]: clearHistorySearch,
  [commandIds.showMoreHistory]: showMoreHistory,
};
