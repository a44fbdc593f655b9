import * as vscode from 'vscode';
import type { Container } from '../../core/containers/container.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import type { AgentTask } from '../../core/tasks/task.ts';
import type { Terminal } from '../../core/terminals/terminal.ts';
import { OrchestratorError } from '../../base/errors.ts';
import { outputScheme } from '../contributions/ids.ts';
import { runCommands } from '../views/describe.ts';
import { oneLine } from '../views/format.ts';
import { agentTasksOf, type OutputSource, outputSourceOf, readOutput } from './outputSource.ts';
import { plainText } from './plainText.ts';
import { taskEntryDocument } from './taskLog.ts';

/** More than this of one terminal is not put into a document: the end is what is asked for. */
const documentBytes = 16 * 1024 * 1024;
const partBytes = 1024 * 1024;

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
    if (event !== null) return eventText(orchestrator, run, Number(event));
    const step = query.get('step');
    return step === null ? await runText(orchestrator, run) : await stepText(orchestrator, run, Number(step));
  }

  /** Opens the whole output of a run, of one of its steps, of a terminal, or of an agent's task; or the state of a container. */
  async open(target: OutputTarget): Promise<void> {
    const document = await vscode.workspace.openTextDocument(outputUri(target));
    await vscode.window.showTextDocument(document, { preview: true });
  }
}

type OutputTarget =
  | { readonly run: Run; readonly step?: number }
  /** The sequence of an event of it. */
  | { readonly run: Run; readonly event: number }
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

function eventText({ events }: LiveOrchestrator, run: Run, sequence: number): string {
  const [event] = events.read?.({ after: sequence - 1, limit: 1, runId: run.id }) ?? [];
  return event?.sequence === sequence ? taskEntryDocument(event) : '';
}

async function runText(orchestrator: LiveOrchestrator, run: Run): Promise<string> {
  const parts: string[] = [];
  for (const step of run.steps) {
    if (step.status === 'pending' || step.status === 'skipped') continue;
    parts.push(`$ ${step.command}\n${await stepText(orchestrator, run, step.index)}`);
  }
  if (run.error !== undefined) parts.push(run.error.message);
  return parts.join('\n');
}

/** One step's output as plain text. */
export async function stepText(orchestrator: LiveOrchestrator, run: Run, index: number): Promise<string> {
  const step = run.steps.find((candidate) => candidate.index === index);
  const source = step === undefined ? undefined : outputSourceOf(run, step);
  if (source !== undefined) return await sourceText(orchestrator, source);
  const { containerId } = run.taskReport ?? {};
  return containerId === undefined ? '' : await printedText(orchestrator, containerId);
}

function terminalText(orchestrator: LiveOrchestrator, terminalId: string): Promise<string> {
  return orReason(async () => {
    const { end } = await orchestrator.terminals.read(terminalId, 0, 0);
    return await readText(orchestrator, { terminalId, from: 0, to: end });
  });
}

function taskText(orchestrator: LiveOrchestrator, taskId: string): Promise<string> {
  return orReason(async () => {
    const to = agentTasksOf(orchestrator).get(taskId).outputEnd;
    return await readText(orchestrator, { taskId, from: 0, to });
  });
}

function containerText({ containers }: LiveOrchestrator, id: string): Promise<string> {
  return orReason(async () => `${JSON.stringify(await containers?.inspect(id), undefined, 2)}\n`);
}

function sourceText(orchestrator: LiveOrchestrator, source: OutputSource): Promise<string> {
  return orReason(() => readText(orchestrator, source));
}

/** Of a container's task: what its container printed, as long as it was not removed. */
function printedText({ containers }: LiveOrchestrator, id: string): Promise<string> {
  return orReason(async () => {
    if (containers === undefined) return '';
    const { output } = containers;
    const decoder = new TextDecoder('utf-8');
    const parts: string[] = [];
    const from = Math.max(0, output.end(id) - documentBytes);
    if (from > 0) parts.push(`[${from} earlier bytes are not shown]\n`);
    for await (const { data } of output.follow(id, { from }))
      parts.push(decoder.decode(data, { stream: true }));
    parts.push(decoder.decode());
    return plainText(parts.join(''));
  });
}

/** A document always has a text: where there is none to read, it says why. */
async function orReason(read: () => Promise<string>): Promise<string> {
  try {
    return await read();
  } catch (error) {
    return `[This output cannot be read: ${OrchestratorError.from(error).message}]\n`;
  }
}

async function readText(orchestrator: LiveOrchestrator, source: OutputSource): Promise<string> {
  const decoder = new TextDecoder('utf-8');
  const parts: string[] = [];
  const { from, to: stop } = source;
  let position = Math.max(from, stop - documentBytes);
  let isFirst = true;
  while (position < stop) {
    const bytes = await readOutput(orchestrator, source, position, Math.min(stop, position + partBytes));
    if (isFirst && bytes.from > from) parts.push(`[${bytes.from - from} earlier bytes are not shown]\n`);
    isFirst = false;
    if (bytes.data.byteLength === 0) {
      if (bytes.from <= position) break;
      position = bytes.from;
      continue;
    }
    parts.push(decoder.decode(bytes.data, { stream: true }));
    position = bytes.from + bytes.data.byteLength;
  }
  parts.push(decoder.decode());
  return plainText(parts.join(''));
}
