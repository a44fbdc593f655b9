import * as vscode from 'vscode';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import type { Session } from '../../core/sessions/session.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { nameLimit } from '../../core/text.ts';
import { runDetail, runLabel, terminalName, terminalState } from '../views/describe.ts';
import { shortPath } from '../views/format.ts';
import { type Row, type RowIcon, statusIcon, terminalIcon } from '../views/rows.ts';
import type { CommandArguments } from './context.ts';

/** The ids that a command's arguments name, of one kind; none when it came from the palette. */
export function targetIds(args: CommandArguments, kind: Row['kind']): string[] {
  const [first, selected] = args;
  if (typeof first === 'string') return [first];
  const nodes: unknown[] = Array.isArray(selected) && selected.length > 0 ? selected : [first];
  return nodes.flatMap((node) => {
    const row = rowOf(node);
    return row?.kind === kind ? [row.targetId] : [];
  });
}

/** Whether the command came from a row, a link or a call, and not from the palette. */
export function hasTarget(args: CommandArguments): boolean {
  return typeof args[0] === 'string' || rowOf(args[0]) !== undefined;
}

export function rowOf(node: unknown): Row | undefined {
  if (typeof node !== 'object' || node === null || !('row' in node)) return undefined;
  const { row } = node;
  if (typeof row !== 'object' || row === null || !('kind' in row) || !('targetId' in row)) return undefined;
  // Only our own tree and our own calls hand rows on; commands check that what they name exists.
  return row as Row;
}

interface Choice<T> extends vscode.QuickPickItem {
  readonly value: T;
}

/** What is chosen, or undefined; where there is no choice, says so. */
export async function pick<T>(
  title: string,
  choices: readonly Choice<T>[],
  none: string,
): Promise<T | undefined> {
  if (choices.length === 0) {
    void vscode.window.showInformationMessage(none);
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(choices, {
    title,
    placeHolder: title,
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return picked?.value;
}

const icon = ({ id }: RowIcon): { readonly iconPath: vscode.ThemeIcon } => ({
  iconPath: new vscode.ThemeIcon(id.replace('loading~spin', 'sync')),
});

/** The sessions that the arguments name, or the one that is chosen. Empty when nothing was. */
export async function askSessions(
  args: CommandArguments,
  orchestrator: LiveOrchestrator,
  title: string,
): Promise<Session[]> {
  if (hasTarget(args))
    return targetIds(args, 'session').flatMap((id) => orchestrator.sessions.find(id) ?? []);
  const choices = orchestrator.sessions.list().map((session) => ({
    label: session.name,
    description: session.cwd,
    iconPath: new vscode.ThemeIcon('circle-large-outline'),
    value: session,
  }));
  return asList(await pick(title, choices, 'There is no open session.'));
}

export interface RunQuestion {
  readonly title: string;
  readonly none: string;
  readonly accepts: (run: Run) => boolean;
}

export async function askRuns(
  args: CommandArguments,
  orchestrator: LiveOrchestrator,
  { title, none, accepts }: RunQuestion,
): Promise<Run[]> {
  if (hasTarget(args)) {
    const ofTasks = targetIds(args, 'task').flatMap((id) => orchestrator.tasks?.find(id)?.runId ?? []);
    return [...targetIds(args, 'run'), ...ofTasks]
      .flatMap((id) => orchestrator.runs.find(id) ?? [])
      .filter(accepts);
  }
  const now = Date.now();
  const runs = orchestrator.runs.list({ limit: 200 }).filter(accepts);
  const choices = runs.map((run) => ({
    label: runLabel(run),
    description: runDetail(run, orchestrator.sessions.find(run.sessionId)?.name, now),
    ...icon(statusIcon(run.status, true)),
    value: run,
  }));
  return asList(await pick(title, choices, none));
}

export interface TerminalQuestion {
  readonly title: string;
  readonly none: string;
  readonly accepts: (terminal: Terminal) => boolean;
  readonly foreground: ReadonlyMap<string, string>;
  readonly home: string;
}

/** Terminals that the arguments name (of a run: its last one), or the one that is chosen. */
export async function askTerminals(
  args: CommandArguments,
  orchestrator: LiveOrchestrator,
  { title, none, accepts, foreground, home }: TerminalQuestion,
): Promise<Terminal[]> {
  if (hasTarget(args)) {
    const ofRuns = targetIds(args, 'run').flatMap(
      (id) => orchestrator.runs.find(id)?.terminalIds.at(-1) ?? [],
    );
    return [...targetIds(args, 'terminal'), ...ofRuns]
      .flatMap((id) => orchestrator.terminals.find(id) ?? [])
      .filter(accepts);
  }
  const now = Date.now();
  const terminals = orchestrator.terminals
    .list()
    .filter((terminal) => terminal.runId === null && accepts(terminal));
  const choices = terminals.map((terminal) => ({
    label: terminalName(terminal),
    description: [
      terminalState(terminal, foreground.get(terminal.id), now),
      shortPath(terminal.cwd, home),
      ...(terminal.managedBy === null ? [] : [terminal.managedBy]),
    ].join(' · '),
    ...icon(terminalIcon(terminal)),
    value: terminal,
  }));
  return asList(await pick(title, choices, none));
}

function asList<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

/** An input box for a name of 1 to 120 characters. */
export async function askName(title: string, value: string): Promise<string | undefined> {
  const name = await vscode.window.showInputBox({
    title,
    value,
    prompt: `Name, 1 to ${nameLimit} characters`,
    validateInput: (text) => {
      const { length } = text.trim();
      if (length === 0) return 'The name must not be empty.';
      return length > nameLimit ? `The name has ${length} characters; ${nameLimit} are the most.` : undefined;
    },
  });
  return name?.trim();
}
