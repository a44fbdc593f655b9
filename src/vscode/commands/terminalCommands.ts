import * as vscode from 'vscode';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { commandIds, settingIds } from '../contributions/ids.ts';
import type { Place } from '../place.ts';
import type { ReadyWorkbench } from '../readyWorkbench.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { readSetting } from '../ui/settings.ts';
import { terminalName } from '../views/describe.ts';
import { baseName, count } from '../views/format.ts';
import type { CommandArguments, CommandContext, CommandHandler } from './context.ts';
import { defaultFolder } from './folders.ts';
import { sessionForNew } from './sessionCommands.ts';
import { askName, askRuns, askTerminals, hasTarget, targetIds } from './targets.ts';

const newTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const session = await sessionForNew(context, ready.orchestrator, args, 'New terminal');
  if (session === undefined) return;
  const terminal = await spawn(ready, session.id);
  ready.terminals.show(terminal);
  return terminal.id;
};

/** A terminal that starts what the settings say; elsewhere, what is usual there. */
function spawn({ orchestrator, isRemote }: Place, sessionId: string): Promise<Terminal> {
  const shell = readSetting(settingIds.terminalShell);
  return orchestrator.terminals.spawn({ sessionId, ...(shell === '' || isRemote ? {} : { shell }) });
}

/** For VS Code's own "New Terminal" drop-down, which opens the tab itself. */
export async function startProfileTerminal(context: CommandContext): Promise<{
  readonly terminal: Promise<Terminal>;
  readonly name: string;
  readonly ready: ReadyWorkbench;
}> {
  const ready = await context.ready();
  const session = await ready.orchestrator.sessions.ensureDefault(defaultFolder(context.home));
  const shell = readSetting(settingIds.terminalShell);
  return { terminal: spawn(ready, session.id), name: shell === '' ? 'terminal' : baseName(shell), ready };
}

interface Question {
  readonly title: string;
  readonly none: string;
  readonly accepts?: (terminal: Terminal) => boolean;
}

async function ask(
  context: CommandContext,
  ready: Place,
  args: CommandArguments,
  { title, none, accepts = () => true }: Question,
): Promise<Terminal[]> {
  if (!hasTarget(args)) await ready.live.refreshForeground(true);
  const { foreground } = ready.live;
  return await askTerminals(args, ready.orchestrator, {
    title,
    none,
    accepts,
    foreground,
    home: context.home,
  });
}

const attachTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const terminals = await ask(context, ready, args, {
    title: 'Attach to which terminal?',
    none: 'There is no terminal yet.',
  });
  for (const terminal of terminals) ready.terminals.show(terminal);
};

/** A new terminal of the same session, beside this one. */
const splitTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const [terminal] = await ask(context, ready, args, {
    title: 'Split which terminal?',
    none: 'No terminal is running.',
    accepts: isLive,
  });
  if (terminal === undefined) return;
  const beside = await spawn(ready, terminal.sessionId);
  await ready.terminals.showBeside(beside, terminal, context.extensionId);
  return beside.id;
};

/** Moves it there: its tab in the panel is closed, which ends nothing. */
const openTerminalInEditor: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const terminals = await ask(context, ready, args, {
    title: 'Open which terminal in the editor area?',
    none: 'No terminal is running.',
    accepts: isLive,
  });
  const column = vscode.window.tabGroups.activeTabGroup.viewColumn;
  for (const terminal of terminals) ready.terminals.move(terminal, column);
};

const isLive = ({ state }: Terminal): boolean => state !== 'exited';

const renameTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const [terminal] = await ask(context, ready, args, {
    title: 'Rename which terminal?',
    none: 'There is no terminal yet.',
  });
  if (terminal === undefined) return;
  const name = await askName('Rename terminal', terminalName(terminal));
  if (name === undefined || name === terminalName(terminal)) return;
  await ready.orchestrator.terminals.rename(terminal.id, name);
};

const killTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const terminals = await ask(context, ready, args, {
    title: 'Kill which terminal?',
    none: 'No terminal is running.',
    accepts: ({ state }) => state !== 'exited',
  });
  const what = terminalsText(terminals);
  if (what === undefined) return;
  const busy = await ready.busyPrograms(terminals);
  const owners = new Set(terminals.flatMap(({ managedBy }) => managedBy ?? []));
  // An idle shell of one's own is not worth a question.
  if (busy.length > 0 || owners.size > 0 || terminals.length > 1) {
    const programs =
      busy.length === 0
        ? 'Nothing runs in them.'
        : busy.length === 1
          ? `"${busy[0] ?? ''}" is running.`
          : `${busy.length} have a program running: ${[...new Set(busy)].join(', ')}.`;
    const owned = owners.size === 0 ? '' : ` Owned by ${[...owners].join(', ')}.`;
    if (!(await confirm(`Kill ${what}?`, `${programs}${owned} The output is kept.`, 'Kill'))) return;
  }
  const { orchestrator } = ready;
  await forEachWithProgress(`Killing ${what}`, terminals, terminalName, ({ id }) =>
    orchestrator.terminals.kill(id),
  );
};

const removeTerminal: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const terminals = await ask(context, ready, args, {
    title: 'Remove which ended terminal?',
    none: 'There is no ended terminal.',
    accepts: ({ state }) => state === 'exited',
  });
  const what = terminalsText(terminals);
  if (what === undefined) return;
  if (!(await confirm(`Remove ${what}?`, 'The saved output is deleted. This cannot be undone.', 'Remove')))
    return;
  const { orchestrator } = ready;
  await forEachWithProgress(`Removing ${what}`, terminals, terminalName, async ({ id }) => {
    ready.terminals.detach(id);
    await orchestrator.terminals.remove(id);
  });
};

const openOutput: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const { orchestrator } = ready;
  const isAboutTerminal = targetIds(args, 'terminal').some(
    (id) => orchestrator.terminals.find(id) !== undefined,
  );
  if (isAboutTerminal) {
    for (const terminal of await ask(context, ready, args, { title: '', none: '' })) {
      await context.documents.open({ terminal });
    }
    return;
  }
  const tasks = targetIds(args, 'task').flatMap((id) => orchestrator.tasks?.find(id) ?? []);
  for (const task of tasks) await context.documents.open({ task });
  if (tasks.length > 0) return;
  const runs = await askRuns(args, orchestrator, {
    title: 'Open the output of which run?',
    none: 'There is no run with output yet.',
    accepts: ({ terminalIds, taskId, error }) =>
      terminalIds.length > 0 || taskId !== undefined || error !== undefined,
  });
  for (const run of runs) await context.documents.open({ run });
};

function terminalsText(terminals: readonly Terminal[]): string | undefined {
  const [first] = terminals;
  if (first === undefined) return undefined;
  return terminals.length === 1 ? `terminal "${terminalName(first)}"` : count(terminals.length, 'terminal');
}

export const terminalCommands = {
  [commandIds.newTerminal]: newTerminal,
  [commandIds.attachTerminal]: attachTerminal,
  [commandIds.splitTerminal]: splitTerminal,
  [commandIds.openTerminalInEditor]: openTerminalInEditor,
  [commandIds.renameTerminal]: renameTerminal,
  [commandIds.killTerminal]: killTerminal,
  [commandIds.removeTerminal]: removeTerminal,
  [commandIds.openOutput]: openOutput,
};
