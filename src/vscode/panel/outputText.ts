import { OrchestratorError } from '../../base/errors.ts';
import type { LiveOrchestrator } from '../../core/liveOrchestrator.ts';
import type { Run } from '../../core/runs/run.ts';
import { agentTasksOf, type OutputSource, outputSourceOf, readOutput } from './outputSource.ts';
import { plainText } from './plainText.ts';

/** More than this of one terminal is not put into a document: the end is what is asked for. */
const documentBytes = 16 * 1024 * 1024;
const partBytes = 1024 * 1024;

/** Whole output of a run as plain text, with its commands. */
export async function runText(orchestrator: LiveOrchestrator, run: Run): Promise<string> {
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

export function terminalText(orchestrator: LiveOrchestrator, terminalId: string): Promise<string> {
  return orReason(async () => {
    const { end } = await orchestrator.terminals.read(terminalId, 0, 0);
    return await readText(orchestrator, { terminalId, from: 0, to: end });
  });
}

export function taskText(orchestrator: LiveOrchestrator, taskId: string): Promise<string> {
  return orReason(async () => {
    const to = agentTasksOf(orchestrator).get(taskId).outputEnd;
    return await readText(orchestrator, { taskId, from: 0, to });
  });
}

export function containerText({ containers }: LiveOrchestrator, id: string): Promise<string> {
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
export async function orReason(read: () => Promise<string>): Promise<string> {
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
