import type { Run, RunRequest } from '../../core/runs/run.ts';
import { settingIds } from '../contributions/ids.ts';
import { readSetting } from '../ui/settings.ts';
import type { CommandContext } from './context.ts';
import { defaultFolder } from './folders.ts';

/** Starts a run as the settings have it; without a session in the default one of the workspace folder. */
export async function startRun(
  context: CommandContext,
  request: {
    readonly task: string;
    readonly sessionId?: string | undefined;
  } & Partial<Pick<RunRequest, 'engine' | 'hints' | 'model' | 'tools' | 'timeoutMs'>>,
): Promise<Run> {
  const { orchestrator, isRemote } = await context.place([request.sessionId]);
  const sessionId =
    request.sessionId ?? (await orchestrator.sessions.ensureDefault(defaultFolder(context.home))).id;
  const shell = readSetting(settingIds.runShell);
  const timeoutMinutes = readSetting(settingIds.runTimeout);
  const { engine = 'shell' } = request;
  return await orchestrator.runs.start({
    ...request,
    sessionId,
    requestedBy: 'vscode',
    ...(shell === '' || isRemote || engine !== 'shell' ? {} : { shell }),
    ...(request.timeoutMs !== undefined || timeoutMinutes === 0
      ? {}
      : { timeoutMs: Math.round(timeoutMinutes * 60_000) }),
  });
}

/** Shows a run, or the empty task box, where the setting wants it. */
export async function showRun(
  context: CommandContext,
  runId: string | undefined,
  options: { readonly draft?: string; readonly isOnDemand: boolean },
): Promise<void> {
  const place = readSetting(settingIds.runOpenIn);
  if (place === 'panel') await context.panels.openInView(runId, options.draft);
  // "None" is about runs that were just started: who asks to see one sees it.
  else if (place === 'editor' || options.isOnDemand) context.panels.openTab(runId, options.draft);
}
