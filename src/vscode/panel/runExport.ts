import * as vscode from 'vscode';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import { emptyStory } from '../../protocol/story/story.ts';
import { oneLine } from '../views/format.ts';
import { readRunEvents, readRunStory } from './export/readStory.ts';
import { type Transcript, transcriptHtml, transcriptOf } from './export/transcript.ts';
import { stepText } from './outputText.ts';
import { hasStory } from './runView.ts';

/** What a run can be taken out of the panel as. */
export type RunExport = 'document' | 'json' | 'html' | 'curl';

/** Errors: those of reading its events and output. */
export async function readTranscript(orchestrator: LiveOrchestrator, run: Run): Promise<Transcript> {
  if (hasStory(run)) return transcriptOf(run, await readRunStory(orchestrator, run.id), new Map());
  const texts = new Map<number, string>();
  for (const { index, status } of run.steps) {
    if (status === 'pending' || status === 'skipped') continue;
    texts.set(index, await stepText(orchestrator, run, index));
  }
  return transcriptOf(run, emptyStory, texts);
}

/** Asks where to and writes the run there; nothing where the person changes their mind. */
export async function saveRun(orchestrator: LiveOrchestrator, run: Run, as: 'json' | 'html'): Promise<void> {
  const name = oneLine(run.request.task, 40).replace(/[\\/:*?"<>|#%.\s]+/g, '-');
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const file = `run-${name}.${as}`;
  const target = await vscode.window.showSaveDialog({
    defaultUri: folder === undefined ? vscode.Uri.file(file) : vscode.Uri.joinPath(folder, file),
    filters: as === 'json' ? { JSON: ['json'] } : { HTML: ['html'] },
    title: 'Export the run',
  });
  if (target === undefined) return;
  const text =
    as === 'json'
      ? await runJson(orchestrator, run)
      : transcriptHtml(await readTranscript(orchestrator, run));
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(text));
  vscode.window.setStatusBarMessage(`$(check) Exported the run to ${target.fsPath}`, 5_000);
}

/** The run and all of its events, as they stand in the log; never the environment that it was given. */
async function runJson(orchestrator: LiveOrchestrator, run: Run): Promise<string> {
  const events: unknown[] = [];
  for await (const page of readRunEvents(orchestrator, run.id)) events.push(...page);
  const { env: _env, idempotencyKey: _key, ...request } = run.request;
  return `${JSON.stringify({ run: { ...run, request }, events }, undefined, 2)}\n`;
}
