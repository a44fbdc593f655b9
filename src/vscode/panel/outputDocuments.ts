import * as vscode from 'vscode';
import type { Container } from '../../core/containers/container.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { OrchestratorEvent } from '../../core/events/event.ts';
import type { Run } from '../../core/runs/run.ts';
import type { AgentTask } from '../../core/tasks/task.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { outputScheme } from '../contributions/ids.ts';
import { runCommands, runLabel } from '../views/describe.ts';
import { oneLine } from '../views/format.ts';
import { fileChangeOf } from './editDiff.ts';
import { transcriptMarkdown } from './export/transcript.ts';
import { containerText, orReason, runText, stepText, taskText, terminalText } from './outputText.ts';
import { readTranscript } from './runExport.ts';
import { taskEntryDocument } from './taskLog.ts';

/**
 * Output as read-only documents: `orchestrator-output:/<name>.log?terminal=<id>`, `?task=<id>` or `?run=<id>&step=<n>`;
 * what came with an entry of a container task's log as `.json?run=<id>&event=<n>`, and what an engine tells of a container
 * as `.json?container=<id>`.
 */
export class OutputDocuments implements vscode.TextDocumentContentProvider {
  private readonly orchestratorOf: (id: string) => Promise<LiveOrchestrator>;

  /** @param orchestratorOf the one that has the terminal or run. */
  constructor(orchestratorOf: (id: string) => Promise<LiveOrchestrator>) {
    this.orchestratorOf = orchestratorOf;
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const query = new URLSearchParams(uri.query);
    const terminalId = query.get('terminal');
    const taskId = query.get('task');
    const containerId = query.get('container');
    const id = terminalId ?? query.get('run') ?? taskId ?? containerId ?? '';
    const orchestrator = await this.orchestratorOf(id);
    if (containerId !== null) return await containerText(orchestrator, containerId);
    if (terminalId !== null) return await terminalText(orchestrator, terminalId);
    if (taskId !== null) return await taskText(orchestrator, taskId);
    const run = orchestrator.runs.get(query.get('run') ?? '');
    const event = query.get('event');
    const side = query.get('side');
    if (event !== null && side !== null) return changeText(orchestrator, run, Number(event), side);
    if (event !== null) return eventText(orchestrator, run, Number(event));
    if (query.has('transcript')) return await transcriptText(orchestrator, run);
    const step = query.get('step');
    return step === null ? await runText(orchestrator, run) : await stepText(orchestrator, run, Number(step));
  }

  /** Opens the whole output of a run, of one of its steps, of a terminal, or of an agent's task; or the state of a container. */
  async open(target: OutputTarget): Promise<void> {
    const document = await vscode.workspace.openTextDocument(outputUri(target));
    await vscode.window.showTextDocument(document, { preview: true });
  }

  /** Opens the change to a file that a call of a tool makes. Nothing where it makes none. */
  async openDiff(run: Run, event: number): Promise<void> {
    await openChange(run, event);
  }
}

/** Both sides of a change that a call of a tool makes, told by the event that began the call. */
async function openChange(run: Run, event: number): Promise<void> {
  const [before, after] = (['before', 'after'] as const).map((side) =>
    outputUri({ run, event }).with({
      query: new URLSearchParams({ run: run.id, event: String(event), side }).toString(),
    }),
  );
  await vscode.commands.executeCommand('vscode.diff', before, after, `Change of ${runLabel(run, 40)}`);
}

type OutputTarget =
  | { readonly run: Run; readonly step?: number }
  /** The sequence of an event of it. */
  | { readonly run: Run; readonly event: number }
  /** The whole run as Markdown. */
  | { readonly run: Run; readonly isTranscript: true }
  | { readonly terminal: Terminal }
  | { readonly task: AgentTask }
  | { readonly container: Container };

function outputUri(target: OutputTarget): vscode.Uri {
  const query = new URLSearchParams();
  let name: string;
  let extension = 'log';
  if ('terminal' in target) {
    query.set('terminal', target.terminal.id);
    name = target.terminal.name;
  } else if ('task' in target) {
    query.set('task', target.task.id);
    name = target.task.name;
  } else if ('container' in target) {
    query.set('container', target.container.id);
    // VS Code keeps the text of an address: as it is now, and not as it was when it was looked at before.
    query.set('at', String(Date.now()));
    name = target.container.name;
    extension = 'json';
  } else if ('isTranscript' in target) {
    query.set('run', target.run.id);
    query.set('transcript', String(Date.now()));
    name = runCommands(target.run)[0] ?? target.run.id;
    extension = 'md';
  } else if ('event' in target) {
    query.set('run', target.run.id);
    query.set('event', String(target.event));
    name = runCommands(target.run)[0] ?? target.run.id;
    extension = 'json';
  } else {
    query.set('run', target.run.id);
    if (target.step !== undefined) query.set('step', String(target.step));
    const command = runCommands(target.run)[(target.step ?? 1) - 1] ?? target.run.request.task;
    name = target.step === undefined ? command : `step ${target.step} ${command}`;
  }
  const file = oneLine(name, 60).replace(/[\\/:*?"<>|#%]+/g, ' ');
  return vscode.Uri.from({ scheme: outputScheme, path: `/${file}.${extension}`, query: query.toString() });
}

function eventOf({ events }: LiveOrchestrator, run: Run, sequence: number): OrchestratorEvent | undefined {
  const [event] = events.read?.({ after: sequence - 1, limit: 1, runId: run.id }) ?? [];
  return event?.sequence === sequence ? event : undefined;
}

function eventText(orchestrator: LiveOrchestrator, run: Run, sequence: number): string {
  const event = eventOf(orchestrator, run, sequence);
  if (event === undefined) return '';
  return event.type.startsWith('container_task.')
    ? taskEntryDocument(event)
    : `${JSON.stringify(event.data, undefined, 2)}\n`;
}

function changeText(orchestrator: LiveOrchestrator, run: Run, sequence: number, side: string): string {
  const change = fileChangeOf(eventOf(orchestrator, run, sequence)?.data['arguments']);
  return (side === 'before' ? change?.before : change?.after) ?? '';
}

function transcriptText(orchestrator: LiveOrchestrator, run: Run): Promise<string> {
  return orReason(async () => transcriptMarkdown(await readTranscript(orchestrator, run)));
}
