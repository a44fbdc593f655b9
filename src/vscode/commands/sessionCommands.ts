import * as vscode from 'vscode';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Session } from '../../core/sessions/session.ts';
import { commandIds } from '../contributions/ids.ts';
import { confirm } from '../ui/problems.ts';
import { forEachWithProgress } from '../ui/progress.ts';
import { baseName, count } from '../views/format.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { askFolder, defaultFolder } from './folders.ts';
import { askName, askSessions, hasTarget, targetIds } from './targets.ts';

const newSession: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  await createSession(context, orchestrator);
};

async function createSession(
  context: CommandContext,
  orchestrator: LiveOrchestrator,
): Promise<Session | undefined> {
  const cwd = await askFolder(context.home, 'Folder in which its terminals and runs start');
  if (cwd === undefined) return undefined;
  const name = await askName('New session', freeName(baseName(cwd), orchestrator.sessions.list()));
  if (name === undefined) return undefined;
  return await orchestrator.sessions.create({ name, cwd });
}

function freeName(name: string, sessions: readonly Session[]): string {
  const taken = new Set(sessions.map((session) => session.name));
  if (!taken.has(name)) return name;
  for (let number = 2; ; number += 1) if (!taken.has(`${name} ${number}`)) return `${name} ${number}`;
}

const renameSession: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const [session] = await askSessions(args, orchestrator, 'Rename which session?');
  if (session === undefined) return;
  const name = await askName('Rename session', session.name);
  if (name !== undefined && name !== session.name) await orchestrator.sessions.rename(session.id, name);
};

const closeSession: CommandHandler = async (context, args) => {
  const { orchestrator } = await context.place(args);
  const sessions = await askSessions(args, orchestrator, 'Close which session?');
  if (sessions.length === 0) return;
  const previews = sessions.map(({ id }) => orchestrator.sessions.closePreview(id));
  const terminals = previews.reduce((sum, preview) => sum + preview.liveTerminals, 0);
  const runs = previews.reduce((sum, preview) => sum + preview.runningRuns, 0);
  const containers = sessions.reduce(
    (sum, { id }) => sum + (orchestrator.containers?.list({ sessionId: id }).length ?? 0),
    0,
  );
  const what =
    sessions.length === 1 ? `session "${sessions[0]?.name ?? ''}"` : count(sessions.length, 'session');
  if (terminals + runs + containers > 0) {
    const lost = [
      ...(terminals > 0 ? [`kills ${count(terminals, 'terminal')}`] : []),
      ...(runs > 0 ? [`aborts ${count(runs, 'run')}`] : []),
      ...(containers > 0
        ? [`removes ${count(containers, 'container')} with all that was written there`]
        : []),
    ].join(' and ');
    if (!(await confirm(`Close ${what}?`, `This ${lost}. Finished runs stay in the history.`, 'Close')))
      return;
  }
  await forEachWithProgress(
    `Closing ${what}`,
    sessions,
    ({ name }) => name,
    ({ id }) => orchestrator.sessions.close(id),
  );
};

export const sessionCommands = {
  [commandIds.newSession]: newSession,
  [commandIds.renameSession]: renameSession,
  [commandIds.closeSession]: closeSession,
};

/**
 * The session for something new: the row's, the only one, the one that is chosen among several, or the default one of
 * the workspace folder. Undefined when the question was dismissed.
 */
export async function sessionForNew(
  context: CommandContext,
  orchestrator: LiveOrchestrator,
  args: readonly unknown[],
  title: string,
): Promise<Session | undefined> {
  if (hasTarget(args) && targetIds(args, 'remote').length === 0) {
    return (await askSessions(args, orchestrator, title))[0];
  }
  const sessions = orchestrator.sessions.list();
  if (sessions.length === 0) return await orchestrator.sessions.ensureDefault(defaultFolder(context.home));
  if (sessions.length === 1) return sessions[0];
  const choices = [
    ...sessions.map((session) => ({
      label: session.name,
      description: session.cwd,
      iconPath: new vscode.ThemeIcon('circle-large-outline'),
      session,
    })),
    { label: 'New session…', iconPath: new vscode.ThemeIcon('add'), alwaysShow: true, session: undefined },
  ];
  const picked = await vscode.window.showQuickPick(choices, { title, placeHolder: 'In which session?' });
  if (picked === undefined) return undefined;
  return picked.session ?? (await createSession(context, orchestrator));
}
