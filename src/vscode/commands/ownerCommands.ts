import * as vscode from 'vscode';
import { isOwnedBy } from '../../core/terminals/owners.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { commandIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { terminalName } from '../views/describe.ts';
import { count } from '../views/format.ts';
import type { CommandHandler } from './context.ts';
import { targetIds } from './targets.ts';

/** Ends every terminal of an agent and of the agents below it. The question names what is lost. */
const killOwner: CommandHandler = async (context, args) => {
  const ready = await context.place(args);
  const { orchestrator } = ready;
  const [id] = targetIds(args, 'terminal');
  const live = orchestrator.terminals.list().filter(({ state }) => state !== 'exited');
  const owner =
    id === undefined ? await askOwner(live) : (orchestrator.terminals.find(id)?.managedBy ?? undefined);
  if (owner === undefined) return;
  const owned = live.filter(({ managedBy }) => isOwnedBy(managedBy, owner));
  const what = count(owned.length, 'terminal');
  const busy = await ready.busyPrograms(owned);
  const programs = busy.length === 0 ? 'Nothing runs in them.' : `Running: ${[...new Set(busy)].join(', ')}.`;
  const names = owned.map((terminal) => `${terminalName(terminal)} (${terminal.managedBy ?? ''})`);
  const listed = [...names.slice(0, 10), ...(names.length > 10 ? [`and ${names.length - 10} more`] : [])];
  const detail = `${listed.join('\n')}\n\n${programs} The output is kept.`;
  const below = owned.some(({ managedBy }) => managedBy !== owner) ? ' and of agents below it' : '';
  if (!(await confirm(`Kill ${what} of ${owner}${below}?`, detail, 'Kill All'))) return;
  await forEachWithProgress(`Killing ${what} of ${owner}`, owned, terminalName, ({ id: ownedId }) =>
    orchestrator.terminals.kill(ownedId),
  );
};

async function askOwner(live: readonly Terminal[]): Promise<string | undefined> {
  const owners = [...new Set(live.flatMap(({ managedBy }) => managedBy ?? []))].toSorted();
  if (owners.length === 0) {
    void vscode.window.showInformationMessage('No agent has a terminal that runs.');
    return undefined;
  }
  const choices = owners.map((label) => ({
    label,
    description: count(live.filter(({ managedBy }) => isOwnedBy(managedBy, label)).length, 'terminal'),
  }));
  const title = 'Kill all terminals of which owner?';
  return (await vscode.window.showQuickPick(choices, { title, placeHolder: title }))?.label;
}

export const ownerCommands = {
  [commandIds.killOwner]: killOwner,
};
