import type { ContainerOutput } from '../containers/containerOutput.ts';
import type { EventLog } from '../events/eventLog.ts';
import type { TaskManager } from '../tasks/taskManager.ts';
import { PlainText } from '../terminals/plainText.ts';
import type { PtyManager } from '../terminals/ptyManager.ts';
import { containerOutputOf, countOf, outputOf, taskOutputOf, textOf } from './runPayloads.ts';
import { stepTextType, textTakenBackType } from './stepText.ts';

const pieceBytes = 256 * 1024;
const brokenOff = '\n[The answer broke off, and is asked for again.]\n';

export interface RunTextSource {
  readonly events: EventLog;
  readonly terminals: PtyManager;
  readonly tasks: TaskManager;
  /** Without it, what is printed in containers is left out. */
  readonly containers?: { readonly output: Pick<ContainerOutput, 'follow'> } | undefined;
}

/**
 * What a run prints, as plain text and as it comes, whatever carries it out; ends with the run, with the signal or with
 * the log. Holds one piece at a time, however slow its reader is. `after`: a sequence before the run's first event.
 * Errors: those of reading the record.
 */
export async function* runText(
  source: RunTextSource,
  runId: string,
  after: number,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const plain = new PlainText();
  /** By step: how far its output was read. What runs in a container has one step. */
  const positions = new Map<number, number>();
  /** Bytes that the step under way has said. */
  let said = 0;
  for await (const { type, data } of source.events.follow({ after, runId, signal })) {
    if (type === 'runner.step.started') said = 0;
    if (type === 'response.completed' || type === 'response.failed') break;
    if (type === stepTextType) {
      const text = plain.push(new TextEncoder().encode(textOf(data, 'text') ?? ''));
      said = countOf(data, 'to') ?? said;
      if (text !== '') yield text;
      continue;
    }
    if (type === textTakenBackType) {
      // What is printed stays printed.
      const to = countOf(data, 'text_to');
      if (to !== undefined && to < said) yield brokenOff;
      said = Math.min(said, to ?? said);
      continue;
    }
    const inContainer = type === 'runner.container.output' ? containerOutputOf(data) : undefined;
    if (inContainer !== undefined && source.containers !== undefined) {
      const from = positions.get(1) ?? 0;
      // All that there is by now: the next events may then have nothing new to say.
      for await (const piece of source.containers.output.follow(inContainer.containerId, { from })) {
        positions.set(1, piece.offset + piece.data.length);
        const text = plain.push(piece.data);
        if (text !== '') yield text;
      }
      continue;
    }
    // The end of a step tells the last of its output in its result.
    const { result } = data;
    const range = typeof result === 'object' && result !== null ? rangeOfResult(result) : data;
    const step = countOf(data, 'step') ?? 0;
    const [terminal, task] = [outputOf(range), taskOutputOf(range)];
    const output = terminal ?? task;
    if (output === undefined) continue;
    for (let from = positions.get(step) ?? output.from; from < output.to; ) {
      const pieces =
        terminal === undefined
          ? source.tasks.readOutput(task?.taskId ?? '', from)
          : [await readPiece(source, terminal.terminalId, from, output.to)];
      let end = from;
      for (const piece of pieces) {
        end = Math.max(end, piece.offset + piece.data.length);
        const text = plain.push(piece.data);
        if (text !== '') yield text;
      }
      // What has left the bounded record is not waited for.
      from = end > from ? end : output.to;
      positions.set(step, from);
    }
  }
  const rest = plain.flush();
  if (rest !== '') yield rest;
}

async function readPiece(
  { terminals }: RunTextSource,
  id: string,
  from: number,
  to: number,
): Promise<{ readonly offset: number; readonly data: Uint8Array }> {
  const piece = await terminals.read(id, from, Math.min(to, from + pieceBytes));
  return { offset: piece.from, data: piece.data };
}

function rangeOfResult(result: object): Readonly<Record<string, unknown>> {
  const data = result as Readonly<Record<string, unknown>>;
  return { ...data, from: data['output_from'], to: data['output_to'] };
}
